/* run.log: what happened in a run, for people. See export.h. */
#include "lib/engine/show/export.h"

#include "lib/base/ids.h"
#include "lib/base/money.h"
#include "lib/engine/call/call.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show.h"
#include "lib/engine/state.h"
#include "lib/store/names.h"

#include <stdio.h>

struct run_log {
	struct engine *e;
	uint32_t run;
	bool found;      /* the run's items stand in no file */
	bool calls;      /* the intake's lines are done */
	uint32_t item;
	uint64_t call;
};

struct log_arg {
	struct run_log *l;
	struct txn *txn;
	struct buf *out;
	unsigned left;
	bool more;
};

struct run_log *run_log_new(struct engine *e, uint32_t run)
{
	struct run *r = run_get(e, run);
	struct run_log *l = r != NULL ? calloc(1, sizeof(*l)) : NULL;

	if (l != NULL) {
		*l = (struct run_log){.e = e, .run = run, .found = r->row.finds, .call = ids_next(0, r->row.created_us - US_PER_S)};
	}
	return l;
}

void run_log_free(struct run_log *l)
{
	free(l);
}

static bool on_intake(void *arg, struct slice key, struct slice value)
{
	struct log_arg *a = arg;
	struct item i;

	if (a->left-- == 0) {
		a->more = true;
		return false;
	}
	if (!item_decode(key, value, &i)) {
		return true;
	}
	a->l->item = i.number;
	if (i.stage == STAGE_INTAKE) {
		buf_printf(a->out, "intake run=%u %s=%u", i.run, item_level_word(i.level), i.number);
		if (!a->l->found) {
			buf_printf(a->out, " row=%u", i.number + 1);
		}
		buf_printf(a->out, " %s %s\n", item_outcome_word(i.outcome), i.reason);
	}
	return true;
}

static void log_part(struct log_arg *a, const struct call_row *c, const struct call_part *p)
{
	struct engine *e = a->l->e;
	struct run *r = run_get(e, a->l->run);
	char at[25], id[17], price[32];

	time_write_utc(c->granted_wall_us, at);
	ids_write(c->id, id);
	money_write(p->settled_micro, price);
	buf_printf(a->out, "%s run=%u lead=%u call=%s stage=%s service=%s.%s %s", at, p->run, p->number, id,
	    r != NULL && p->stage < r->row.n_stages ? r->row.stages[p->stage].name : "?", names_text(e->names, NAME_SERVICE, c->service),
	    names_text(e->names, NAME_ENDPOINT, c->endpoint), call_state_word(c->state));
	if (c->state >= CALL_SETTLED) {
		buf_printf(a->out, " %s%s%s http=%u ms=%lld price=%s", outcome_word((enum outcome_class)c->outcome), c->reason[0] != 0 ? " reason=" : "",
		    c->reason, c->http_status, c->sent_us != 0 && c->end_us > c->sent_us ? (long long)(c->end_us - c->sent_us) / 1000 : 0, price);
	}
	buf_printf(a->out, c->n_parts > 1 ? " of=%zu\n" : "\n", c->n_parts);
}

/* One line for each lead of the run. */
static void log_call(struct log_arg *a, const struct call_row *c)
{
	struct call_part p;

	for (struct part_walk w = call_parts(c); part_next(&w, &p);) {
		if (p.run == a->l->run) {
			log_part(a, c, &p);
		}
	}
}

static bool on_log_call(void *arg, struct slice key, struct slice value)
{
	struct log_arg *a = arg;
	struct call_row c;

	if (a->left-- == 0) {
		a->more = true;
		return false;
	}
	a->l->call = key_get_u64(key.data) + 1;
	if (call_decode(key, value, &c)) {
		log_call(a, &c);
	}
	return true;
}

bool run_log_next(struct run_log *l, unsigned rows, struct buf *out, struct lead_error *err)
{
	struct log_arg a = {.l = l, .out = out, .left = rows};

	if (txn_begin(l->e->store, false, &a.txn, err) != 0) {
		return false;
	}
	if (!l->calls) {
		txn_walk(a.txn, TABLE_STATE, item_key(l->run, l->item + 1), run_prefix(l->run), on_intake, &a);
		l->calls = !a.more;
		a.more = true;
	} else {
		txn_walk(a.txn, TABLE_CALL, key_u64(key_of(), l->call), key_of(), on_log_call, &a);
	}
	txn_abort(a.txn);
	return a.more;
}
