/* What a run brought and cost, counted in slices: first its items, then its calls. See export.h; report_text.c and report_json.c tell it. */
#include "lib/engine/show/report_parts.h"

#include "lib/base/ids.h"
#include "lib/engine/call/lane.h"

#include <stdio.h>

static void count_reason(struct tally *t, const struct item *i)
{
	char text[ITEM_REASON + 16];
	size_t k = 0;

	if (i->outcome == ITEM_OPEN || i->reason[0] == 0) {
		return;
	}
	(void)snprintf(text, sizeof(text), "%s: %s", item_outcome_word(i->outcome), i->reason);
	while (k < t->n && strcmp(t->list[k].text, text) != 0) {
		k++;
	}
	if (k == sizeof(t->list) / sizeof(t->list[0])) {
		t->other++;
		return;
	}
	if (k == t->n) {
		t->n++;
		memcpy(t->list[k].text, text, sizeof(text));
	}
	t->list[k].count++;
	t->list[k].spent_micro += i->spent_micro;
}

static int by_count(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;

	return x->count > y->count ? -1 : x->count < y->count;
}

static int by_errors(const void *a, const void *b)
{
	const struct error_kind *x = a, *y = b;

	return x->count > y->count ? -1 : x->count < y->count ? 1 : x->call < y->call ? -1 : x->call > y->call;
}

struct count_arg {
	struct report *x;
	unsigned left;
	bool more;
};

static void count_phase(struct phase *ph, const struct call_row *c)
{
	int64_t end_us = c->granted_wall_us + (c->end_us > c->granted_us ? c->end_us - c->granted_us : 0);

	ph->began_us = ph->began_us == 0 || c->granted_wall_us < ph->began_us ? c->granted_wall_us : ph->began_us;
	ph->ended_us = end_us > ph->ended_us ? end_us : ph->ended_us;
	ph->working_us += c->sent_us != 0 && c->end_us > c->sent_us ? c->end_us - c->sent_us : 0;
}

/* A reload may bring services meanwhile. */
static struct usage *usage_of(struct report *x, size_t lane)
{
	if (lane >= x->n_usage) {
		struct usage *list = realloc(x->usage, (lane + 1) * sizeof(*list));

		if (list == NULL) {
			abort(); /* a report that lacks money would be a lie */
		}
		memset(list + x->n_usage, 0, (lane + 1 - x->n_usage) * sizeof(*list));
		x->usage = list;
		x->n_usage = lane + 1;
	}
	return &x->usage[lane];
}

/* What a person would look into; that nothing was found, or not yet, is none. */
static bool is_error(uint8_t outcome)
{
	return outcome != OUTCOME_OK && outcome != OUTCOME_EMPTY && outcome != OUTCOME_PENDING && outcome != OUTCOME_DUPLICATE;
}

static void count_error(struct report *x, const struct call_row *c, const struct call_part *p)
{
	int64_t end_us = c->granted_wall_us + (c->end_us > c->granted_us ? c->end_us - c->granted_us : 0);
	struct error_kind *k = x->errors;

	while (k < x->errors + x->n_errors && !(k->service == c->service && k->endpoint == c->endpoint && k->stage == p->stage &&
		   k->outcome == c->outcome && k->http_status == c->http_status && strcmp(k->reason, c->reason) == 0)) {
		k++;
	}
	if (k == x->errors + ERROR_KINDS) {
		x->more_errors++;
		return;
	}
	if (k == x->errors + x->n_errors) {
		*k = (struct error_kind){.service = c->service, .endpoint = c->endpoint, .stage = p->stage, .outcome = c->outcome,
		    .http_status = c->http_status, .first_us = c->granted_wall_us};
		memcpy(k->reason, c->reason, sizeof(k->reason));
		x->n_errors++;
	}
	k->count++;
	k->last_us = end_us > k->last_us ? end_us : k->last_us;
	k->call = c->id;
	k->item = p->number;
}

static void count_call(struct report *x, struct usage *u, const struct call_row *c)
{
	struct call_part p;

	u->states[c->state]++;
	if (c->state < CALL_SETTLED) {
		return;
	}
	u->outcomes[c->outcome < OUTCOME_N ? c->outcome : 0]++;
	if (c->parts[0].run == x->run && c->parts[0].stage < RUN_STAGES) {
		count_phase(&x->phases[c->parts[0].stage], c);
	}
	if (is_error(c->outcome) && call_has(c, x->run, 0, &p)) {
		count_error(x, c, &p);
	}
	for (struct part_walk w = call_parts(c); part_next(&w, &p);) {
		u->settled_micro += p.run == x->run && c->state == CALL_SETTLED ? p.settled_micro : 0;
		u->in_doubt_micro += p.run == x->run && c->state == CALL_IN_DOUBT ? p.settled_micro : 0;
		u->refunded_micro += p.run == x->run && c->state == CALL_REFUNDED ? p.reserved_micro : 0;
	}
	if (c->sent_us != 0 && c->end_us > c->sent_us) {
		u->us += c->end_us - c->sent_us;
		u->timed++;
	}
}

static bool on_call(void *arg, struct slice key, struct slice value)
{
	struct count_arg *a = arg;
	struct call_row c;
	struct lane *l;

	if (a->left-- == 0) {
		a->more = true;
		return false;
	}
	a->x->call = key_get_u64(key.data) + 1;
	if (call_decode(key, value, &c) && call_has(&c, a->x->run, 0, NULL) && (l = lane_by_number(a->x->e, c.service)) != NULL) {
		count_call(a->x, usage_of(a->x, l->index), &c);
	}
	return true;
}

static bool on_item(void *arg, struct slice key, struct slice value)
{
	struct count_arg *a = arg;
	struct item i;

	if (a->left-- == 0) {
		a->more = true;
		return false;
	}
	if (item_decode(key, value, &i)) {
		a->x->item = i.number;
		if (i.level < LEVEL_RUN) {
			count_reason(&a->x->tally[i.level], &i);
		}
	}
	return true;
}

struct report *report_new(struct engine *e, uint32_t run)
{
	struct run *r = run_get(e, run);
	struct report *x = r != NULL ? calloc(1, sizeof(*x)) : NULL;

	if (x != NULL) {
		*x = (struct report){.e = e, .run = run, .call = ids_next(0, r->row.created_us - US_PER_S)};
	}
	return x;
}

bool report_next(struct report *x, unsigned rows, struct lead_error *err)
{
	struct count_arg a = {.x = x, .left = rows};
	struct txn *t = NULL;

	if (txn_begin(x->e->store, false, &t, err) != 0) {
		return false;
	}
	if (!x->calls) {
		txn_walk(t, TABLE_STATE, item_key(x->run, x->item + 1), run_prefix(x->run), on_item, &a);
		x->calls = !a.more;
		a.more = true;
	} else {
		txn_walk(t, TABLE_CALL, key_u64(key_of(), x->call), key_of(), on_call, &a);
	}
	txn_abort(t);
	if (!a.more) {
		for (size_t l = 0; l < LEVEL_RUN; l++) {
			qsort(x->tally[l].list, x->tally[l].n, sizeof(x->tally[l].list[0]), by_count);
		}
		qsort(x->errors, x->n_errors, sizeof(x->errors[0]), by_errors);
	}
	return a.more;
}

void report_free(struct report *x)
{
	if (x != NULL) {
		free(x->usage);
		free(x);
	}
}

uint64_t usage_calls(const struct usage *u)
{
	uint64_t n = 0;

	for (int i = 0; i < CALL_STATES; i++) {
		n += u->states[i];
	}
	return n;
}

uint64_t usage_failures(const struct usage *u)
{
	return u->outcomes[OUTCOME_TRANSIENT] + u->outcomes[OUTCOME_UNSENT];
}
