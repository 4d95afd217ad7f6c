/*
 * The runs: their counters are what their items say, and messages, notes and what was read back belong to a run that is there.
 */
#include "lib/store/check_parts.h"

#include "lib/store/notes.h"
#include "lib/store/outbox.h"
#include "lib/store/verify.h"

static void check_outcomes(struct checking *c, const struct run_row *r, const struct tally *t)
{
	for (int o = 0; o < ITEM_OUTCOMES; o++) {
		if (t->outcomes[o] != r->outcomes[o]) {
			check_tell(c, "run %u counts %llu leads %s, there are %llu", r->id, (unsigned long long)r->outcomes[o],
			    item_outcome_word((enum item_outcome)o), (unsigned long long)t->outcomes[o]);
		}
		if (t->companies[o] != r->companies[o]) {
			check_tell(c, "run %u counts %llu companies %s, there are %llu", r->id, (unsigned long long)r->companies[o],
			    item_outcome_word((enum item_outcome)o), (unsigned long long)t->companies[o]);
		}
	}
	if (t->recalling != r->recalling) {
		check_tell(c, "run %u counts %llu leads that are being recalled, there are %llu", r->id, (unsigned long long)r->recalling,
		    (unsigned long long)t->recalling);
	}
}

static void check_stages(struct checking *c, const struct run_row *r, const struct tally *t)
{
	for (size_t s = 0; s < r->n_stages; s++) {
		const struct stage_count *n = &r->stages[s].count;

		if (n->waiting != t->stages[s].waiting || n->retrying != t->stages[s].retrying || n->held != t->stages[s].held) {
			check_tell(c, "run %u stage %s counts %llu waiting, %llu retrying, %llu held; there are %llu, %llu, %llu", r->id,
			    r->stages[s].name, (unsigned long long)n->waiting, (unsigned long long)n->retrying, (unsigned long long)n->held,
			    (unsigned long long)t->stages[s].waiting, (unsigned long long)t->stages[s].retrying,
			    (unsigned long long)t->stages[s].held);
		}
		if (n->unchanged != t->stages[s].unchanged) {
			check_tell(c, "run %u stage %s counts %llu leads unchanged, there are %llu", r->id, r->stages[s].name,
			    (unsigned long long)n->unchanged, (unsigned long long)t->stages[s].unchanged);
		}
	}
}

static void check_prompts(struct checking *c, const struct run_row *r, const struct tally *t)
{
	uint64_t written = 0;

	for (size_t i = 0; i < r->n_prompts; i++) {
		written += r->prompts[i].written;
		if (r->prompts[i].passed > r->prompts[i].written) {
			check_tell(c, "run %u: of the texts of a prompt more passed than were written", r->id);
		}
	}
	if (written != t->written) {
		check_tell(c, "run %u counts %llu texts by its prompts, there are %llu", r->id, (unsigned long long)written,
		    (unsigned long long)t->written);
	}
}

static void check_run(struct checking *c, const struct run_row *r)
{
	const struct tally empty = {.run = r->id}, *t = &empty;

	for (size_t i = 0; i < c->n_tallies; i++) {
		t = c->tallies[i].run == r->id ? &c->tallies[i] : t;
	}
	check_outcomes(c, r, t);
	check_stages(c, r, t);
	check_prompts(c, r, t);
	if (r->sampled > r->sample) {
		check_tell(c, "run %u has %u leads in its sample of %u", r->id, r->sampled, r->sample);
	}
	if (r->open && (r->state == RUN_DONE || r->state == RUN_CANCELLED || r->intake[0] == 0)) {
		check_tell(c, "run %u is %s but open for more", r->id, r->intake[0] == 0 ? "of no intake" : run_state_word(r->state));
	}
	if (r->state == RUN_DONE && r->outcomes[ITEM_OPEN] + r->companies[ITEM_OPEN] > 0) {
		check_tell(c, "run %u is done with %llu open leads", r->id,
		    (unsigned long long)(r->outcomes[ITEM_OPEN] + r->companies[ITEM_OPEN]));
	}
}

static bool on_run(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct run_row r;

	c->counts.runs++;
	if (!run_decode(key, value, &r)) {
		check_tell(c, "run %u cannot be read", key_get_u32(key.data));
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
		check_tell(c, "a message to be sent cannot be read");
	} else if (key.data[0] == 0 && message.run != 0 && !txn_get(c->t, TABLE_RUN, key_u32(key_of(), message.run), &run)) {
		check_tell(c, "a message tells of run %u, which is not there", message.run);
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
		check_tell(c, "a note of a run cannot be read");
	} else if (!txn_get(c->t, TABLE_RUN, key_u32(key_of(), n.run), &run)) {
		check_tell(c, "a note tells of run %u, which is not there", n.run);
	}
	return true;
}

static bool on_verify(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct slice row;
	uint32_t run = 0;

	if (!verify_decode(key, value, &run)) {
		check_tell(c, "a row of what was read back for run %u cannot be read", run);
	} else if (!txn_get(c->t, TABLE_RUN, key_u32(key_of(), run), &row)) {
		check_tell(c, "the destination of run %u was read back, but there is no such run", run);
	}
	return true;
}

void pass_runs(struct checking *c)
{
	txn_walk(c->t, TABLE_RUN, key_of(), key_of(), on_run, c);
	txn_walk(c->t, TABLE_OUTBOX, key_of(), key_of(), on_outbox, c);
	txn_walk(c->t, TABLE_NOTE, key_of(), key_of(), on_note, c);
	txn_walk(c->t, TABLE_VERIFY, key_of(), key_of(), on_verify, c);
}
