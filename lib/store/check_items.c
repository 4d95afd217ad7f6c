/*
 * The items: state, queue, facts and money of each agree; every entry of a queue has its item, every identity too.
 */
#include "lib/store/check_parts.h"

#include <string.h>

static struct tally *tally_of(struct checking *c, uint32_t run)
{
	struct tally *more;

	if (c->n_tallies > 0 && c->tallies[c->n_tallies - 1].run == run) {
		return &c->tallies[c->n_tallies - 1];
	}
	more = check_grow(c, c->tallies, c->n_tallies, sizeof(*more));
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
			check_tell(c, "lead %u/%u waits %s", i->run, i->number, open ? "in the queue and has an open call" : "but is in no queue and has no open call");
		}
	} else if (open) {
		check_tell(c, "lead %u/%u is %s but has an open call", i->run, i->number, item_status_word(i->status));
	}
	if (i->status == ITEM_RETRYING) {
		bool there = txn_get(c->t, TABLE_LATER, later, &v);

		c->retrying += there;
		if (!there) {
			check_tell(c, "lead %u/%u is to be tried again but stands in no queue", i->run, i->number);
		}
	}
	if ((i->status == ITEM_DONE) != (i->outcome != ITEM_OPEN)) {
		check_tell(c, "lead %u/%u is %s with outcome %s", i->run, i->number, item_status_word(i->status), item_outcome_word(i->outcome));
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
		check_tell(a->c, "lead %u/%u: a fact names a call that is not in the ledger", a->i->run, a->i->number);
	}
	return true;
}

static void check_facts(struct checking *c, const struct item *i, int64_t charged_micro)
{
	struct fact_arg a = {.c = c, .i = i, .tally = tally_of(c, i->run)};

	fact_walk(c->t, i->run, i->number, on_fact, &a);
	if (a.n != i->facts) {
		check_tell(c, "lead %u/%u has %u facts, its state says %u", i->run, i->number, a.n, i->facts);
	}
	if (a.micro != i->spent_micro || charged_micro != i->spent_micro) {
		check_tell(c, "lead %u/%u: spent %lld by its state, %lld by its facts, %lld by the ledger", i->run, i->number, (long long)i->spent_micro,
		    (long long)a.micro, (long long)charged_micro);
	}
}

static bool on_state(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	uint32_t run = key_get_u32(key.data), number = key_get_u32(key.data + 4);
	const struct charge *charge = check_charge(c, run, number);
	struct slice row;
	struct item i;

	c->counts.items++;
	if (!item_decode(key, value, &i)) {
		check_tell(c, "the state of lead %u/%u cannot be read", run, number);
		return true;
	}
	if (i.level != LEVEL_RUN && !item_row(c->t, i.run, i.number, &row)) {
		check_tell(c, "lead %u/%u has no imported row", i.run, i.number);
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
		check_tell(c, "an identity of run %u belongs to lead %u, which is not there", run, number);
	}
	return true;
}

void pass_items(struct checking *c)
{
	txn_walk(c->t, TABLE_STATE, key_of(), key_of(), on_state, c);
	txn_walk(c->t, TABLE_IDENTITY, key_of(), key_of(), on_identity, c);
}

void pass_queues(struct checking *c)
{
	if (txn_count(c->t, TABLE_READY) != c->waiting) {
		check_tell(c, "the queue holds %llu entries, %llu leads wait in it", (unsigned long long)txn_count(c->t, TABLE_READY),
		    (unsigned long long)c->waiting);
	}
	if (txn_count(c->t, TABLE_LATER) != c->retrying) {
		check_tell(c, "the queue of retries holds %llu entries, %llu leads are to be tried again",
		    (unsigned long long)txn_count(c->t, TABLE_LATER), (unsigned long long)c->retrying);
	}
}
