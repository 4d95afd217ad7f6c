/* Which answer a call of a replay gets. Both runs are read by their facts: they name the calls of a lead in order. */
#include "lib/engine/plan/replay_state.h"

#include "lib/engine/call/call.h"

#include <limits.h>

struct looking {
	struct txn *t;
	uint32_t run, number;
	uint64_t hash, found; /* found: the call */
	unsigned skip;        /* as many such calls before it */
	unsigned seen;
	bool any;             /* calls at all */
};

static bool on_asked(void *arg, const struct fact *f)
{
	struct looking *k = arg;
	struct call_row row;
	struct call_part p;

	bool same = f->kind == FACT_CACHED && f->asked == k->hash;

	if (same || (f->kind == FACT_CALL && f->call != 0 && call_read(k->t, f->call, &row) && call_has(&row, k->run, k->number, &p) &&
			(row.kind == CALL_BATCH ? p.hash : row.hash) == k->hash)) {
		if (k->seen == k->skip) {
			k->found = f->call;
		}
		k->seen++;
	}
	return k->found == 0;
}

/* The n-th call (from 0) of the lead with that hash; *ret_seen: how many there are when it is not found. */
static uint64_t asked(struct txn *t, uint32_t run, uint32_t number, uint64_t hash, unsigned n, unsigned *ret_seen)
{
	struct looking k = {.t = t, .run = run, .number = number, .hash = hash, .skip = n};

	fact_walk(t, run, number, on_asked, &k);
	if (ret_seen != NULL) {
		*ret_seen = k.seen;
	}
	return k.found;
}

uint64_t replay_find(struct replay *x, uint64_t call, uint64_t hash)
{
	struct txn *t = NULL;
	struct call_row row = {0};
	struct body_row body;
	unsigned before = 0;
	uint64_t found;
	bool known;

	if (hash == 0 || txn_begin(x->o->scratch, false, &t, NULL) != 0) {
		return 0;
	}
	known = call_read(t, call, &row);
	hash = known && row.kind == CALL_BATCH ? row.parts[0].hash : hash; /* it is alone here; then it may have been one of many */
	if (known) {
		(void)asked(t, row.parts[0].run, row.parts[0].number, hash, UINT_MAX, &before);
	}
	txn_abort(t);
	if (!known || txn_begin(x->o->live, false, &t, NULL) != 0) {
		return 0;
	}
	found = asked(t, row.parts[0].run, row.parts[0].number, hash, before, NULL);
	if (found != 0 && (!body_read(t, found, &body) || body.cut)) {
		found = 0;
	}
	txn_abort(t);
	return found;
}

static bool on_kept(void *arg, const struct fact *f)
{
	struct looking *k = arg;
	struct body_row body;

	if ((f->kind == FACT_CALL || f->kind == FACT_CACHED) && f->call != 0) {
		k->any = true;
		k->found = body_read(k->t, f->call, &body) ? f->call : 0;
	}
	return k->found == 0;
}

bool replay_kept_any(struct replay *x)
{
	struct looking k = {0};

	for (uint32_t number = 1; number <= x->rows && k.found == 0; number++) {
		if (k.t == NULL && txn_begin(x->o->live, false, &k.t, NULL) != 0) {
			return true;
		}
		fact_walk(k.t, x->o->run, number, on_kept, &k);
		if (number % REPLAY_SLICE == 0) {
			txn_abort(k.t);
			k.t = NULL;
		}
	}
	txn_abort(k.t);
	return k.found != 0 || !k.any;
}

static bool on_retry(void *arg, const struct fact *f)
{
	unsigned *n = arg;

	*n += f->kind == FACT_OPERATOR ? 1 : 0;
	return true;
}

unsigned replay_retries(struct txn *t, uint32_t run, uint32_t number)
{
	unsigned n = 0;

	fact_walk(t, run, number, on_retry, &n);
	return n;
}
