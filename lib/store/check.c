/*
 * See check.h. Five passes in one transaction: the ledger (sums per account and per item, open calls, kept answers), the items (states,
 * queue, facts, money), the queue tables (does every entry have its item), the runs (counters, balances), the
 * messages (can they be read, is their run there), the webhooks that came in (is every one up to the cursor routed, does every lead of
 * theirs exist, and every mark have its event).
 */
#include "lib/store/check.h"

#include "lib/base/ids.h"
#include "lib/store/body.h"
#include "lib/store/cache.h"
#include "lib/store/inbox.h"
#include "lib/store/items.h"
#include "lib/store/jobs.h"
#include "lib/store/ledger.h"
#include "lib/store/notes.h"
#include "lib/store/outbox.h"
#include "lib/store/runs.h"
#include "lib/store/suppress.h"
#include "lib/store/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_AT_MOST 1000

/* What the ledger says one item was charged, and whether a call of it is open. */
struct charge {
	uint32_t run, number;
	int64_t micro;
	bool open;
};

struct sum {
	enum account_kind kind;
	uint32_t owner;
	struct balance bal;
};

/* Items of one run, counted. */
struct tally {
	uint32_t run;
	uint64_t outcomes[ITEM_OUTCOMES], companies[ITEM_OUTCOMES], recalling;
	struct { uint64_t waiting, retrying, held, unchanged; } stages[RUN_STAGES];
	uint64_t written; /* texts by a version of a prompt */
};

/* Entries of a suppression list that its source counts and that were not met yet. */
struct listed {
	uint16_t org;
	struct suppress_source s;
};

struct checking {
	struct txn *t;
	check_fn f;
	void *arg;
	struct check_counts counts;
	struct charge *charges;
	size_t n_charges, cap_charges;
	struct sum *sums;
	size_t n_sums;
	struct tally *tallies;
	size_t n_tallies;
	struct listed *listed;
	size_t n_listed;
	int64_t cached_ends;        /* answers to be taken again, less the rows that find their ends */
	uint64_t waiting, retrying; /* items that should stand in `ready` (not open) and `later` */
	bool failed;
};

static void tell(struct checking *c, const char *format, ...) PRINTF(2, 3);
static void tell(struct checking *c, const char *format, ...)
{
	char text[256];
	va_list ap;

	if (c->counts.problems++ < TOLD_AT_MOST) {
		va_start(ap, format);
		(void)vsnprintf(text, sizeof(text), format, ap);
		va_end(ap);
		c->f(c->arg, text);
	}
}

static void *grow(struct checking *c, void *list, size_t n, size_t size)
{
	/* doubling: n is a power of two or zero exactly when the list is full */
	void *more = (n & (n - 1)) == 0 ? realloc(list, (n == 0 ? 1 : 2 * n) * size) : list;

	c->failed = c->failed || more == NULL;
	return more;
}

/* --- the ledger --- */

static struct balance *sum_of(struct checking *c, enum account_kind kind, uint32_t owner)
{
	struct sum *more;

	for (size_t i = 0; i < c->n_sums; i++) {
		if (c->sums[i].kind == kind && c->sums[i].owner == owner) {
			return &c->sums[i].bal;
		}
	}
	more = grow(c, c->sums, c->n_sums, sizeof(*more));
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
	struct charge *more = grow(c, c->charges, c->n_charges, sizeof(*more));

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
		tell(c, "call %s cannot be read", id);
		return true;
	}
	c->counts.calls++;
	is_open = txn_get(c->t, TABLE_OPEN, key_u64(key_of(), row.id), &open);
	if (is_open != (row.state <= CALL_SENT)) {
		tell(c, "call %s is %s but %s the list of open calls", id, call_state_word(row.state), is_open ? "in" : "not in");
	}
	for (struct part_walk w = call_parts(&row); part_next(&w, &part);) {
		if (part.settled_micro < 0 || part.reserved_micro < 0) {
			tell(c, "call %s has a negative amount", id);
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
		tell(c, "open call %s has no row", id);
	}
	return true;
}

static bool on_body(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct call_row row;
	struct body_row body;
	char id[17];

	c->counts.bodies++;
	ids_write(key_get_u64(key.data), id);
	if (!body_decode(value, &body)) {
		tell(c, "the answer of call %s cannot be read", id);
	} else if (!call_read(c->t, key_get_u64(key.data), &row)) {
		tell(c, "there is an answer of call %s, which is not in the ledger", id);
	} else if (row.state <= CALL_SENT) {
		tell(c, "there is an answer of call %s, which has not ended", id);
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
				tell(c, "lead %u/%u has two open calls", c->charges[i].run, c->charges[i].number);
			}
			c->charges[n - 1].micro += c->charges[i].micro;
			c->charges[n - 1].open = c->charges[n - 1].open || c->charges[i].open;
		} else {
			c->charges[n++] = c->charges[i];
		}
	}
	c->n_charges = n;
}

/* --- items --- */

static struct tally *tally_of(struct checking *c, uint32_t run)
{
	struct tally *more;

	if (c->n_tallies > 0 && c->tallies[c->n_tallies - 1].run == run) {
		return &c->tallies[c->n_tallies - 1];
	}
	more = grow(c, c->tallies, c->n_tallies, sizeof(*more));
	if (more == NULL) {
		return NULL;
	}
	c->tallies = more;
	memset(&c->tallies[c->n_tallies], 0, sizeof(*more));
	c->tallies[c->n_tallies].run = run;
	return &c->tallies[c->n_tallies++];
}

static void count_item(struct checking *c, const struct item *i)
{
	struct tally *t = tally_of(c, i->run);

	if (t == NULL) {
		return;
	}
	if (i->level != LEVEL_RUN) {
		(i->level == LEVEL_COMPANY ? t->companies : t->outcomes)[i->outcome]++;
	}
	t->recalling += i->status != ITEM_DONE && phase_recalls(i->phase);
	if (i->stage < RUN_STAGES) {
		t->stages[i->stage].waiting += i->status == ITEM_WAITING;
		t->stages[i->stage].retrying += i->status == ITEM_RETRYING;
		t->stages[i->stage].held += i->status == ITEM_HELD;
	}
}

static void check_queue(struct checking *c, const struct item *i, bool open)
{
	struct key ready = key_u32(key_u8(key_u32(key_u16(key_of(), i->service), i->run), i->rank), i->number);
	struct key later = key_u32(key_u32(key_u16(key_u64(key_of(), (uint64_t)i->due_us), i->service), i->run), i->number);
	struct slice v;
	bool in_ready = i->status == ITEM_WAITING && txn_get(c->t, TABLE_READY, ready, &v);

	if (i->status == ITEM_WAITING) {
		c->waiting += in_ready;
		if (in_ready == open && (open || i->level != LEVEL_RUN)) { /* a run's own item may wait for what it brought */
			tell(c, "lead %u/%u waits %s", i->run, i->number, open ? "in the queue and has an open call" : "but is in no queue and has no open call");
		}
	} else if (open) {
		tell(c, "lead %u/%u is %s but has an open call", i->run, i->number, item_status_word(i->status));
	}
	if (i->status == ITEM_RETRYING) {
		bool there = txn_get(c->t, TABLE_LATER, later, &v);

		c->retrying += there;
		if (!there) {
			tell(c, "lead %u/%u is to be tried again but stands in no queue", i->run, i->number);
		}
	}
	if ((i->status == ITEM_DONE) != (i->outcome != ITEM_OPEN)) {
		tell(c, "lead %u/%u is %s with outcome %s", i->run, i->number, item_status_word(i->status), item_outcome_word(i->outcome));
	}
}

struct fact_arg {
	struct checking *c;
	const struct item *i;
	struct tally *tally;
	uint32_t n;
	int64_t micro;
};

static bool on_fact(void *arg, const struct fact *f)
{
	struct fact_arg *a = arg;
	struct call_row row;

	a->n++;
	a->c->counts.facts++;
	a->micro += f->price_micro;
	if (f->kind == FACT_UNCHANGED && f->stage < RUN_STAGES && a->c->n_tallies > 0) {
		a->c->tallies[a->c->n_tallies - 1].stages[f->stage].unchanged++; /* of this item's run: count_item was there first */
	}
	if (a->tally != NULL) {
		a->tally->written += f->prompt != 0;
	}
	if (f->call != 0 && !call_read(a->c->t, f->call, &row)) {
		tell(a->c, "lead %u/%u: a fact names a call that is not in the ledger", a->i->run, a->i->number);
	}
	return true;
}

static void check_facts(struct checking *c, const struct item *i, int64_t charged_micro)
{
	struct fact_arg a = {.c = c, .i = i, .tally = tally_of(c, i->run)};

	fact_walk(c->t, i->run, i->number, on_fact, &a);
	if (a.n != i->facts) {
		tell(c, "lead %u/%u has %u facts, its state says %u", i->run, i->number, a.n, i->facts);
	}
	if (a.micro != i->spent_micro || charged_micro != i->spent_micro) {
		tell(c, "lead %u/%u: spent %lld by its state, %lld by its facts, %lld by the ledger", i->run, i->number, (long long)i->spent_micro,
		    (long long)a.micro, (long long)charged_micro);
	}
}

static bool on_state(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct charge wanted = {.run = key_get_u32(key.data), .number = key_get_u32(key.data + 4)};
	const struct charge *charge =
	    c->n_charges > 0 ? bsearch(&wanted, c->charges, c->n_charges, sizeof(*c->charges), by_item) : NULL;
	struct slice row;
	struct item i;

	c->counts.items++;
	if (!item_decode(key, value, &i)) {
		tell(c, "the state of lead %u/%u cannot be read", wanted.run, wanted.number);
		return true;
	}
	if (i.level != LEVEL_RUN && !item_row(c->t, i.run, i.number, &row)) {
		tell(c, "lead %u/%u has no imported row", i.run, i.number);
	}
	count_item(c, &i);
	check_queue(c, &i, charge != NULL && charge->open);
	check_facts(c, &i, charge != NULL ? charge->micro : 0);
	return !c->failed;
}

static bool on_identity(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	uint32_t run = key_get_u32(key.data), number = 0;
	struct item i;

	c->counts.identities++;
	if (run == 0 && value.len == 8) { /* an organisation's: of which run stands in the value */
		for (size_t k = 0; k < 4; k++) {
			run |= (uint32_t)value.data[k] << (8 * k);
		}
		value.data += 4;
	}
	for (size_t k = 0; k < 4 && k < value.len; k++) {
		number |= (uint32_t)value.data[k] << (8 * k);
	}
	if (!item_read(c->t, run, number, &i)) {
		tell(c, "an identity of run %u belongs to lead %u, which is not there", run, number);
	}
	return true;
}

/* --- runs and balances --- */

static void check_run(struct checking *c, const struct run_row *r)
{
	struct tally empty = {.run = r->id}, *t = &empty;
	uint64_t written = 0;

	for (size_t i = 0; i < c->n_tallies; i++) {
		t = c->tallies[i].run == r->id ? &c->tallies[i] : t;
	}
	for (int o = 0; o < ITEM_OUTCOMES; o++) {
		if (t->outcomes[o] != r->outcomes[o]) {
			tell(c, "run %u counts %llu leads %s, there are %llu", r->id, (unsigned long long)r->outcomes[o],
			    item_outcome_word((enum item_outcome)o), (unsigned long long)t->outcomes[o]);
		}
		if (t->companies[o] != r->companies[o]) {
			tell(c, "run %u counts %llu companies %s, there are %llu", r->id, (unsigned long long)r->companies[o],
			    item_outcome_word((enum item_outcome)o), (unsigned long long)t->companies[o]);
		}
	}
	for (size_t s = 0; s < r->n_stages; s++) {
		const struct stage_count *n = &r->stages[s].count;

		if (n->waiting != t->stages[s].waiting || n->retrying != t->stages[s].retrying || n->held != t->stages[s].held) {
			tell(c, "run %u stage %s counts %llu waiting, %llu retrying, %llu held; there are %llu, %llu, %llu", r->id, r->stages[s].name,
			    (unsigned long long)n->waiting, (unsigned long long)n->retrying, (unsigned long long)n->held,
			    (unsigned long long)t->stages[s].waiting, (unsigned long long)t->stages[s].retrying,
			    (unsigned long long)t->stages[s].held);
		}
	}
	for (size_t i = 0; i < r->n_prompts; i++) {
		written += r->prompts[i].written;
		if (r->prompts[i].passed > r->prompts[i].written) {
			tell(c, "run %u: of the texts of a prompt more passed than were written", r->id);
		}
	}
	if (written != t->written) {
		tell(c, "run %u counts %llu texts by its prompts, there are %llu", r->id, (unsigned long long)written, (unsigned long long)t->written);
	}
	if (t->recalling != r->recalling) {
		tell(c, "run %u counts %llu leads that are being recalled, there are %llu", r->id, (unsigned long long)r->recalling,
		    (unsigned long long)t->recalling);
	}
	if (r->sampled > r->sample) {
		tell(c, "run %u has %u leads in its sample of %u", r->id, r->sampled, r->sample);
	}
	for (size_t s = 0; s < r->n_stages; s++) {
		if (r->stages[s].count.unchanged != t->stages[s].unchanged) {
			tell(c, "run %u stage %s counts %llu leads unchanged, there are %llu", r->id, r->stages[s].name,
			    (unsigned long long)r->stages[s].count.unchanged, (unsigned long long)t->stages[s].unchanged);
		}
	}
	if (r->open && (r->state == RUN_DONE || r->state == RUN_CANCELLED || r->intake[0] == 0)) {
		tell(c, "run %u is %s but open for more", r->id, r->intake[0] == 0 ? "of no intake" : run_state_word(r->state));
	}
	if (r->state == RUN_DONE && r->outcomes[ITEM_OPEN] + r->companies[ITEM_OPEN] > 0) {
		tell(c, "run %u is done with %llu open leads", r->id, (unsigned long long)(r->outcomes[ITEM_OPEN] + r->companies[ITEM_OPEN]));
	}
}

static bool on_run(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct run_row r;

	c->counts.runs++;
	if (!run_decode(key, value, &r)) {
		tell(c, "run %u cannot be read", key_get_u32(key.data));
		return true;
	}
	check_run(c, &r);
	run_row_fini(&r);
	return true;
}

static bool on_outbox(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct outbox_row message;
	struct told_row told;
	struct slice run;

	if (!outbox_decode(key, value, &message) && !told_decode(key, value, &told)) {
		tell(c, "a message to be sent cannot be read");
	} else if (key.data[0] == 0 && message.run != 0 && !txn_get(c->t, TABLE_RUN, key_u32(key_of(), message.run), &run)) {
		tell(c, "a message tells of run %u, which is not there", message.run);
	}
	return true;
}

static bool on_note(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct slice run;
	struct note n;

	if (key.len > 0 && key.data[0] != 0) {
		return true; /* a payment seen */
	}
	if (!note_decode(key, value, &n)) {
		tell(c, "a note of a run cannot be read");
	} else if (!txn_get(c->t, TABLE_RUN, key_u32(key_of(), n.run), &run)) {
		tell(c, "a note tells of run %u, which is not there", n.run);
	}
	return true;
}

static void check_made(struct checking *c, const struct inbox_row *r)
{
	struct item i;
	char id[17];

	ids_write(r->id, id);
	if (!item_read(c->t, r->run, r->number, &i)) {
		tell(c, "event %s made lead %u/%u, which is not there", id, r->run, r->number);
	}
	if (inbox_marked(c->t, &r->mark) != r->id) {
		tell(c, "event %s made lead %u/%u but has left no mark", id, r->run, r->number);
	}
}

static void check_event(struct checking *c, uint64_t id, uint64_t cursor)
{
	struct inbox_row row;
	char text[17];

	c->counts.events++;
	if (inbox_row_read(c->t, id, &row) != (id <= cursor)) {
		ids_write(id, text);
		tell(c, "event %s %s", text, id <= cursor ? "was passed over" : "is routed before its turn");
	}
}

static bool on_inbox(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct inbox_event event;
	struct inbox_any any;
	struct inbox_row row;

	if (!inbox_decode(key, value, &any)) {
		tell(c, "a row of the inbox cannot be read");
	} else if (any.kind == INBOX_EVENT) {
		check_event(c, any.event.id, inbox_cursor(c->t));
	} else if (any.kind == INBOX_ROW) {
		if (!inbox_event_read(c->t, any.row.id, &event)) {
			tell(c, "what became of an event is there without the event");
		}
		if (any.row.state == INBOX_MADE) {
			check_made(c, &any.row);
		}
	} else if (any.kind == INBOX_MARK && (!inbox_row_read(c->t, any.id, &row) || row.state != INBOX_MADE)) {
		tell(c, "there is a mark of an event that made no lead");
	}
	return true;
}

/* Of each organisation the sources come first. */
static bool on_suppress(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct listed l = {.org = key.len >= 2 ? key_get_u16(key.data) : 0}, *more;
	enum suppress_class class;
	struct suppress_row row;

	if (!suppress_decode(key, value, &class, &row, &l.s)) {
		tell(c, "an entry of the suppression list of organisation %u cannot be read", l.org);
		return true;
	}
	if (class == SUPPRESS_SOURCES) {
		more = grow(c, c->listed, c->n_listed, sizeof(*more));
		if (more == NULL) {
			return false;
		}
		c->listed = more;
		c->listed[c->n_listed++] = l;
		return true;
	}
	c->counts.suppressions++;
	for (size_t i = c->n_listed; i > 0 && c->listed[i - 1].org == l.org; i--) {
		if (strcmp(c->listed[i - 1].s.source, row.source) == 0) {
			c->listed[i - 1].s.entries[row.given]--;
			return true;
		}
	}
	tell(c, "an entry of the suppression list of organisation %u is of a source that is not counted", l.org);
	return true;
}

/* Whose call is that? True when there is one; *ret_open: it has not ended. */
static bool job_call(struct checking *c, uint64_t call, bool *ret_open, char id[17])
{
	struct call_row row;
	bool known = call_read(c->t, call, &row);

	ids_write(call, id);
	*ret_open = known && row.state <= CALL_SENT;
	return known;
}

static bool on_job(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct job_row r;
	uint64_t call;
	bool open;
	char id[17];

	if (job_token_decode(key, value, &call) || job_body_decode(key, &call)) {
		(void)job_call(c, call, &open, id);
		if (!job_read(c->t, call, &r)) {
			tell(c, "a callback leads to call %s, which has no job", id);
		} else if (key.len == 9 && (r.state != JOB_SUBMITTED || !r.called)) {
			tell(c, "what was called back for call %s is kept, but its job is %s", id, job_state_word(r.state));
		}
		return true;
	}
	if (!job_decode(key, value, &r)) {
		tell(c, "a job cannot be read");
		return true;
	}
	c->counts.jobs++;
	if (!job_call(c, r.call, &open, id)) {
		tell(c, "there is a job of call %s, which is not in the ledger", id);
	} else if (open != (r.state != JOB_ENDED)) {
		tell(c, "the job of call %s is %s, its call %s", id, job_state_word(r.state), open ? "open" : "ended");
	}
	return true;
}

/* Each answer has the row that finds its end, and each of those its answer. */
static bool on_cache(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	enum cache_class class;
	struct cache_key k;
	struct cache_row row, twin;
	struct call_row call;

	if (!cache_decode(key, value, &class, &k, &row)) {
		tell(c, "an answer to be taken again cannot be read");
	} else if (class == CACHE_ANSWER) {
		c->counts.answers++;
		c->cached_ends++;
		if (!call_read(c->t, row.call, &call)) {
			tell(c, "an answer to be taken again is of a call that is not in the ledger");
		}
	} else {
		c->cached_ends--;
		if (!cache_read(c->t, k, &twin) || twin.expires_us != row.expires_us) {
			tell(c, "the end of an answer to be taken again is of none that is there");
		}
	}
	return true;
}

static void check_cache(struct checking *c)
{
	txn_walk(c->t, TABLE_ANSWER, key_of(), key_of(), on_cache, c);
	if (c->cached_ends != 0) {
		tell(c, "%lld answers to be taken again would never expire", (long long)c->cached_ends);
	}
}

static void check_suppressions(struct checking *c)
{
	txn_walk(c->t, TABLE_SUPPRESS, key_of(), key_of(), on_suppress, c);
	for (size_t i = 0; i < c->n_listed; i++) {
		for (int k = 0; k < SUPPRESS_GIVEN; k++) {
			int64_t off = (int64_t)c->listed[i].s.entries[k];

			if (off != 0) {
				tell(c, "the suppression list of organisation %u counts %lld entries %s than there are", c->listed[i].org,
				    (long long)(off > 0 ? off : -off), off > 0 ? "more" : "fewer");
			}
		}
	}
}

static void check_sums(struct checking *c)
{
	for (size_t i = 0; i < c->n_sums; i++) {
		const struct sum *s = &c->sums[i];
		struct balance b;

		(void)account_read(c->t, (struct account_id){.kind = s->kind, .owner = s->owner}, &b);
		c->counts.accounts++;
		if (b.settled_micro != s->bal.settled_micro || b.reserved_micro != s->bal.reserved_micro ||
		    b.in_doubt_micro != s->bal.in_doubt_micro || b.refunded_micro != s->bal.refunded_micro) {
			tell(c, "the balance of %s %u says %lld settled, %lld reserved, %lld in doubt; the ledger %lld, %lld, %lld",
			    s->kind == ACCOUNT_RUN ? "run" : "service", s->owner, (long long)b.settled_micro, (long long)b.reserved_micro,
			    (long long)b.in_doubt_micro, (long long)s->bal.settled_micro, (long long)s->bal.reserved_micro,
			    (long long)s->bal.in_doubt_micro);
		}
	}
}

static bool on_verify(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct slice row;
	uint32_t run = 0;

	if (!verify_decode(key, value, &run)) {
		tell(c, "a row of what was read back for run %u cannot be read", run);
	} else if (!txn_get(c->t, TABLE_RUN, key_u32(key_of(), run), &row)) {
		tell(c, "the destination of run %u was read back, but there is no such run", run);
	}
	return true;
}

int store_check(struct store *s, check_fn f, void *arg, struct check_counts *ret, struct lead_error *err)
{
	struct checking c = {.f = f, .arg = arg};
	int rc = txn_begin(s, false, &c.t, err);

	if (rc != 0) {
		return rc;
	}
	txn_walk(c.t, TABLE_CALL, key_of(), key_of(), on_call, &c);
	txn_walk(c.t, TABLE_OPEN, key_of(), key_of(), on_open, &c);
	txn_walk(c.t, TABLE_BODY, key_of(), key_of(), on_body, &c);
	fold_charges(&c);
	txn_walk(c.t, TABLE_STATE, key_of(), key_of(), on_state, &c);
	txn_walk(c.t, TABLE_IDENTITY, key_of(), key_of(), on_identity, &c);
	txn_walk(c.t, TABLE_RUN, key_of(), key_of(), on_run, &c);
	txn_walk(c.t, TABLE_OUTBOX, key_of(), key_of(), on_outbox, &c);
	txn_walk(c.t, TABLE_NOTE, key_of(), key_of(), on_note, &c);
	txn_walk(c.t, TABLE_VERIFY, key_of(), key_of(), on_verify, &c);
	txn_walk(c.t, TABLE_JOB, key_of(), key_of(), on_job, &c);
	txn_walk(c.t, TABLE_INBOX, key_of(), key_of(), on_inbox, &c);
	check_sums(&c);
	check_suppressions(&c);
	check_cache(&c);
	if (txn_count(c.t, TABLE_READY) != c.waiting) {
		tell(&c, "the queue holds %llu entries, %llu leads wait in it", (unsigned long long)txn_count(c.t, TABLE_READY),
		    (unsigned long long)c.waiting);
	}
	if (txn_count(c.t, TABLE_LATER) != c.retrying) {
		tell(&c, "the queue of retries holds %llu entries, %llu leads are to be tried again",
		    (unsigned long long)txn_count(c.t, TABLE_LATER), (unsigned long long)c.retrying);
	}
	rc = c.failed ? lead_fail(err, LEAD_ENOMEM, "out of memory") : txn_error(c.t);
	if (rc != 0 && !c.failed) {
		(void)lead_fail(err, rc, "the store is damaged: a value does not match its checksum, or a page is unreadable");
	}
	txn_abort(c.t);
	free(c.charges);
	free(c.sums);
	free(c.tallies);
	free(c.listed);
	*ret = c.counts;
	return rc;
}
