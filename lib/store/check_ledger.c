/*
 * The ledger: every call can be read, is in the list of open calls exactly while it is open, and the sums of its parts are what the
 * accounts of runs and services say. What it says each item was charged is kept for the items (check_items.c).
 */
#include "lib/store/check_parts.h"

#include "lib/base/ids.h"

#include <stdlib.h>

static struct balance *sum_of(struct checking *c, enum account_kind kind, uint32_t owner)
{
	struct sum *more;

	for (size_t i = 0; i < c->n_sums; i++) {
		if (c->sums[i].kind == kind && c->sums[i].owner == owner) {
			return &c->sums[i].bal;
		}
	}
	more = check_grow(c, c->sums, c->n_sums, sizeof(*more));
	if (more == NULL) {
		return NULL;
	}
	c->sums = more;
	c->sums[c->n_sums] = (struct sum){.kind = kind, .owner = owner};
	return &c->sums[c->n_sums++].bal;
}

static void add_part(struct balance *b, enum call_state state, const struct call_part *p)
{
	if (b == NULL) {
		return;
	}
	b->calls[state]++;
	b->reserved_micro += state <= CALL_SENT ? p->reserved_micro : 0;
	b->settled_micro += state == CALL_SETTLED ? p->settled_micro : 0;
	b->in_doubt_micro += state == CALL_IN_DOUBT ? p->settled_micro : 0;
	b->refunded_micro += state == CALL_REFUNDED ? p->reserved_micro : 0;
}

static bool add_charge(struct checking *c, const struct call_row *row, const struct call_part *p)
{
	struct charge *more = check_grow(c, c->charges, c->n_charges, sizeof(*more));

	if (more != NULL) {
		c->charges = more;
		c->charges[c->n_charges++] = (struct charge){.run = p->run,
		    .number = p->number,
		    .micro = row->state == CALL_SETTLED || row->state == CALL_IN_DOUBT ? p->settled_micro : 0,
		    .open = row->state <= CALL_SENT && row->polls == 0};
	}
	return more != NULL;
}

static bool on_call(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct call_row row;
	struct call_part part;
	struct slice open;
	bool is_open;
	char id[17];

	ids_write(key_get_u64(key.data), id);
	if (!call_decode(key, value, &row)) {
		check_tell(c, "call %s cannot be read", id);
		return true;
	}
	c->counts.calls++;
	is_open = txn_get(c->t, TABLE_OPEN, key_u64(key_of(), row.id), &open);
	if (is_open != (row.state <= CALL_SENT)) {
		check_tell(c, "call %s is %s but %s the list of open calls", id, call_state_word(row.state), is_open ? "in" : "not in");
	}
	for (struct part_walk w = call_parts(&row); part_next(&w, &part);) {
		if (part.settled_micro < 0 || part.reserved_micro < 0) {
			check_tell(c, "call %s has a negative amount", id);
		}
		add_part(sum_of(c, ACCOUNT_RUN, part.run), row.state, &part);
		add_part(sum_of(c, ACCOUNT_SERVICE, row.service), row.state, &part);
		if (!add_charge(c, &row, &part)) {
			return false;
		}
	}
	return true;
}

static bool on_open(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct call_row row;
	char id[17];

	(void)value;
	c->counts.open_calls++;
	if (!call_read(c->t, key_get_u64(key.data), &row)) {
		ids_write(key_get_u64(key.data), id);
		check_tell(c, "open call %s has no row", id);
	}
	return true;
}

static int by_item(const void *a, const void *b)
{
	const struct charge *x = a, *y = b;

	if (x->run != y->run) {
		return x->run < y->run ? -1 : 1;
	}
	return x->number < y->number ? -1 : x->number > y->number;
}

/* One entry per item, in the order of the items. */
static void fold_charges(struct checking *c)
{
	size_t n = 0;

	if (c->n_charges > 1) {
		qsort(c->charges, c->n_charges, sizeof(*c->charges), by_item);
	}
	for (size_t i = 0; i < c->n_charges; i++) {
		if (n > 0 && by_item(&c->charges[n - 1], &c->charges[i]) == 0) {
			if (c->charges[n - 1].open && c->charges[i].open) {
				check_tell(c, "lead %u/%u has two open calls", c->charges[i].run, c->charges[i].number);
			}
			c->charges[n - 1].micro += c->charges[i].micro;
			c->charges[n - 1].open = c->charges[n - 1].open || c->charges[i].open;
		} else {
			c->charges[n++] = c->charges[i];
		}
	}
	c->n_charges = n;
}

void pass_ledger(struct checking *c)
{
	txn_walk(c->t, TABLE_CALL, key_of(), key_of(), on_call, c);
	txn_walk(c->t, TABLE_OPEN, key_of(), key_of(), on_open, c);
	fold_charges(c);
}

const struct charge *check_charge(const struct checking *c, uint32_t run, uint32_t number)
{
	struct charge wanted = {.run = run, .number = number};

	return c->n_charges > 0 ? bsearch(&wanted, c->charges, c->n_charges, sizeof(*c->charges), by_item) : NULL;
}

void pass_sums(struct checking *c)
{
	for (size_t i = 0; i < c->n_sums; i++) {
		const struct sum *s = &c->sums[i];
		struct balance b;

		(void)account_read(c->t, (struct account_id){.kind = s->kind, .owner = s->owner}, &b);
		c->counts.accounts++;
		if (b.settled_micro != s->bal.settled_micro || b.reserved_micro != s->bal.reserved_micro ||
		    b.in_doubt_micro != s->bal.in_doubt_micro || b.refunded_micro != s->bal.refunded_micro) {
			check_tell(c, "the balance of %s %u says %lld settled, %lld reserved, %lld in doubt; the ledger %lld, %lld, %lld",
			    s->kind == ACCOUNT_RUN ? "run" : "service", s->owner, (long long)b.settled_micro, (long long)b.reserved_micro,
			    (long long)b.in_doubt_micro, (long long)s->bal.settled_micro, (long long)s->bal.reserved_micro,
			    (long long)s->bal.in_doubt_micro);
		}
	}
}
