/*
 * Between the engine and what it stands on, put there by the linker (--wrap) in this program alone:
 * crashes at a commit, a full disk, and the planted bugs that show that the checker sees them.
 * leadd has none of it.
 */
#include "tests/sim/hooks.h"

#include "lib/engine/call/accounts.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/state.h"
#include "lib/flow/share.h"
#include "lib/store/ledger.h"

/* Both ends of a wrapped function have its header's own type: one whose parameters change does not compile until its hook has them, too. */
#define HOOKED(name) extern __typeof__(name) __real_##name, __wrap_##name

struct hooks hooks;
enum planted planted;

static struct {
	unsigned commits, run_writes, retries;
	enum outcome_class last; /* of the answer read last */
} seen;

void hooks_reset(void)
{
	memset(&hooks, 0, sizeof(hooks));
	memset(&seen, 0, sizeof(seen));
}

const char *planted_word(enum planted p)
{
	static const char *const words[PLANTED_N] = {"none", "commit-skipped", "window-off-by-one",
	    "stamp-at-grant", "ledger-after-send", "resend", "budget-without-reserved",
	    "breaker-by-verdicts", "retry-after-ignored", "doubt-lost", "share-broken",
	    "wall-for-boot", "windows-forgotten", "open-calls-forgotten", "duplicates-missed",
	    "gates-off", "run-row-stale", "retry-lost", "price-wrong", "start-twice",
	    "broken-not-counted", "ids-by-wall", "quota-ignored", "breaker-never-opens",
	    "approval-ignored", "ceiling-ignored"};

	return words[p];
}

/* --- commits --- */

HOOKED(txn_commit);
int __wrap_txn_commit(struct txn *t, struct lead_error *err)
{
	enum commit_hook hook = hooks.commit;

	hooks.commit = COMMIT_AS_IT_IS;
	if (hook == COMMIT_DIE_BEFORE) {
		txn_abort(t);
		return lead_fail(err, LEAD_EIO, "simulated death before a commit");
	}
	if (hooks.full) {
		txn_abort(t);
		return lead_fail(err, LEAD_EFULL, "simulated full disk");
	}
	if (planted == PLANTED_COMMIT_SKIPPED && ++seen.commits % 37 == 0) {
		txn_abort(t);
		return 0;
	}
	if (hook == COMMIT_DIE_AFTER) {
		int rc = __real_txn_commit(t, err);

		return rc != 0 ? rc : lead_fail(err, LEAD_EIO, "simulated death after a commit");
	}
	return __real_txn_commit(t, err);
}

HOOKED(store_room);
void __wrap_store_room(struct store *s, struct store_room *ret)
{
	__real_store_room(s, ret);
	if (hooks.nearly_full) {
		ret->used_bytes = ret->map_bytes / 100 * 95;
	}
}

/* --- windows --- */

static const struct window_spec *bent(
    const struct window_spec *specs, size_t n, struct window_spec out[LIMIT_WINDOWS])
{
	for (size_t i = 0; i < n; i++) {
		out[i] = specs[i];
		out[i].max += planted == PLANTED_WINDOW_OFF_BY_ONE;
	}
	return out;
}

HOOKED(limit_new);
struct limit *__wrap_limit_new(const struct window_spec *specs, size_t n, int64_t margin_us)
{
	struct window_spec out[LIMIT_WINDOWS];

	return __real_limit_new(bent(specs, n, out), n, margin_us);
}

HOOKED(limit_change);
int __wrap_limit_change(
    struct limit *l, const struct window_spec *specs, size_t n, int64_t margin_us)
{
	struct window_spec out[LIMIT_WINDOWS];

	return __real_limit_change(l, bent(specs, n, out), n, margin_us);
}

HOOKED(limit_arrived);
HOOKED(limit_sent);
void __wrap_limit_sent(struct limit *l, struct limit_ticket *t, int64_t at_us)
{
	__real_limit_sent(l, t, at_us);
	if (planted == PLANTED_STAMP_AT_GRANT && t->state == TICKET_SENT) {
		__real_limit_arrived(l, t, (struct now){at_us, 0}, at_us);
	}
}

HOOKED(limit_restore);
int __wrap_limit_restore(
    struct limit *l, uint32_t weight, int64_t late_us, int64_t late_wall_us, struct now now)
{
	return planted == PLANTED_WINDOWS_FORGOTTEN
		   ? 0
		   : __real_limit_restore(l, weight, late_us, late_wall_us, now);
}

/* --- money --- */

/* What is reserved, out of all balances of a call for as long as a budget is asked. */
struct hidden {
	struct account *list[MAX_ACCOUNTS];
	int64_t reserved[MAX_ACCOUNTS];
	size_t n;
};

static void hide_reserved(struct engine *e, struct run *r, struct lane *l, struct hidden *h)
{
	h->n = planted == PLANTED_BUDGET_WITHOUT_RESERVED
		   ? accounts_for(e, r, l, e->now.wall_us, h->list)
		   : 0;
	for (size_t i = 0; i < h->n; i++) {
		h->reserved[i] = h->list[i]->bal.reserved_micro;
		h->list[i]->bal.reserved_micro = 0;
	}
}

static void show_reserved(const struct hidden *h)
{
	for (size_t i = 0; i < h->n; i++) {
		h->list[i]->bal.reserved_micro = h->reserved[i];
	}
}

HOOKED(accounts_earliest);
int64_t __wrap_accounts_earliest(struct engine *e, struct run *r, struct lane *l, int64_t price,
    struct account **ret_short, int64_t *ret_limit)
{
	struct hidden h;
	int64_t us;

	hide_reserved(e, r, l, &h);
	us = __real_accounts_earliest(e, r, l, price, ret_short, ret_limit);
	show_reserved(&h);
	return us;
}

HOOKED(accounts_start);
int64_t __wrap_accounts_start(struct engine *e, struct run *r, struct lane *l, int64_t all,
    int64_t here, struct account **ret_short, int64_t *ret_limit)
{
	struct hidden h;
	int64_t us;

	hide_reserved(e, r, l, &h);
	us = __real_accounts_start(e, r, l, all, here, ret_short, ret_limit);
	show_reserved(&h);
	return us;
}

HOOKED(call_open);
void __wrap_call_open(struct txn *t, const struct call_row *c)
{
	if (planted != PLANTED_LEDGER_AFTER_SEND) {
		__real_call_open(t, c);
	}
}

HOOKED(ids_next);
uint64_t __wrap_ids_next(uint64_t last, int64_t wall_us)
{
	return __real_ids_next(planted == PLANTED_IDS_BY_WALL ? 0 : last, wall_us);
}

/* --- answers --- */

HOOKED(answer_read);
int __wrap_answer_read(const struct service *s, const struct service_call *c,
    const struct http_answer *h, struct now now, struct arena *a, struct answer *ret)
{
	int rc = __real_answer_read(s, c, h, now, a, ret);

	if (planted == PLANTED_DOUBT_LOST && ret->outcome == OUTCOME_IN_DOUBT) {
		ret->outcome = OUTCOME_UNSENT;
	}
	if (planted == PLANTED_PRICE_WRONG && ret->price_micro > 1 &&
	    h->transport == TRANSPORT_ANSWERED) {
		ret->price_micro--;
	}
	seen.last = ret->outcome;
	return rc;
}

void __wrap_limit_arrived(struct limit *l, struct limit_ticket *t, struct now now, int64_t at_us)
{
	if (planted == PLANTED_BROKEN_NOT_COUNTED && seen.last == OUTCOME_IN_DOUBT) {
		limit_drop(l, t);
	} else {
		__real_limit_arrived(l, t, now, at_us);
	}
}

HOOKED(breaker_result);
void __wrap_breaker_result(struct breaker *b, uint64_t call, bool transport_ok, struct now now)
{
	if (planted == PLANTED_BREAKER_BY_VERDICTS && seen.last != OUTCOME_OK) {
		transport_ok = false;
	}
	__real_breaker_result(b, call, transport_ok || planted == PLANTED_BREAKER_NEVER_OPENS, now);
}

HOOKED(quota_park);
void __wrap_quota_park(
    struct quota *q, enum park_cause cause, const char *why, int64_t reset_wall_us, struct now now)
{
	if (planted != PLANTED_QUOTA_IGNORED || cause != PARK_QUOTA) {
		__real_quota_park(q, cause, why, reset_wall_us, now);
	}
}

HOOKED(retry_wait_us);
int64_t __wrap_retry_wait_us(
    const struct retry_spec *r, uint32_t failures, int64_t retry_after_us, uint64_t dice)
{
	return __real_retry_wait_us(
	    r, failures, planted == PLANTED_RETRY_AFTER_IGNORED ? 0 : retry_after_us, dice);
}

/* --- what waits for a person, what a lead may cost --- */

HOOKED(approve_missing);
uint32_t __wrap_approve_missing(struct engine *e, struct run *r, const struct slot *s)
{
	return planted == PLANTED_APPROVAL_IGNORED ? 0 : __real_approve_missing(e, r, s);
}

HOOKED(stage_fits);
bool __wrap_stage_fits(struct engine *e, const struct stage *st, const struct item *i)
{
	return planted == PLANTED_CEILING_IGNORED || __real_stage_fits(e, st, i);
}

/* --- queue, items, runs --- */

HOOKED(share_next);
struct share_member *__wrap_share_next(struct share *s)
{
	for (size_t i = 0; planted == PLANTED_SHARE_BROKEN && i < s->n; i++) {
		if (s->members[i].ready) {
			return &s->members[i];
		}
	}
	return __real_share_next(s);
}

HOOKED(txn_walk);
void __wrap_txn_walk(struct txn *t, enum store_table table, struct key from, struct key prefix,
    txn_walk_fn f, void *arg)
{
	if (planted != PLANTED_OPEN_CALLS_FORGOTTEN || table != TABLE_OPEN) {
		__real_txn_walk(t, table, from, prefix, f, arg);
	}
}

HOOKED(identity_claim);
uint32_t __wrap_identity_claim(
    struct txn *t, uint32_t run, uint8_t kind, uint64_t hash, uint32_t number)
{
	uint32_t known = __real_identity_claim(t, run, kind, hash, number);

	return planted == PLANTED_DUPLICATES_MISSED ? 0 : known;
}

HOOKED(pipeline_gates);
const char *__wrap_pipeline_gates(const struct pipeline *p, enum item_level of, int after,
    const struct expr_source *record, const struct gate_lists *lists, struct arena *a,
    const struct gate **ret_gate)
{
	return planted == PLANTED_GATES_OFF
		   ? NULL
		   : __real_pipeline_gates(p, of, after, record, lists, a, ret_gate);
}

HOOKED(run_write);
void __wrap_run_write(struct txn *t, const struct run_row *r)
{
	if (planted != PLANTED_RUN_ROW_STALE || ++seen.run_writes % 5 != 0) {
		__real_run_write(t, r);
	}
}

HOOKED(later_push);
void __wrap_later_push(struct txn *t, const struct item *i)
{
	if (planted != PLANTED_RETRY_LOST || ++seen.retries % 10 != 0) {
		__real_later_push(t, i);
	}
}

HOOKED(idem_read);
bool __wrap_idem_read(struct txn *t, uint64_t key_hash, struct idem_row *ret)
{
	return planted != PLANTED_START_TWICE && __real_idem_read(t, key_hash, ret);
}
