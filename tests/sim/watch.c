/*
 * What can only be seen while the night goes on: budgets after each commit, and whether a service
 * with work waiting is used as fully and as fairly as its limits allow. Reads the store and the
 * wire; asks the engine nothing.
 */
#include "tests/sim/shell.h"

#include "lib/store/account.h"
#include "lib/store/ledger.h"
#include "lib/store/names.h"

#include <stdlib.h>

#define MARGIN_US US_PER_S /* of the service files */
#define RECOVERY_US                                                                                \
	(30 * US_PER_S) /* breakers, quota probes and retries of earlier trouble are over then */
#define USED_PERCENT 97

/* A stretch in which work waited for a service without a break. */
struct span {
	bool open;
	int64_t since_us;
	size_t log;    /* its first line */
	uint32_t runs; /* bits: who waits */
};

struct watch {
	uint16_t services[SERVICES];
	uint16_t one, north, verify;
	int64_t disturbed_us;
	struct span usage[SERVICES], share[SERVICES];
	int64_t before[RUNS + 2]; /* committed money: of runs, campaign, organisation */
	struct day {
		int64_t start_us, before;
	} days[8]; /* of the service */
};

struct watch *watch_new(void)
{
	struct watch *w = calloc(1, sizeof(*w));

	w->disturbed_us = -RECOVERY_US;
	return w;
}

void watch_free(struct watch *w)
{
	free(w);
}

static void find_names(struct night *n)
{
	struct watch *w = n->watch;
	struct names *names = NULL;

	if (w->services[SERVICES - 1] != 0 && w->one != 0 && w->north != 0) {
		return;
	}
	if (names_load(n->store, &names, NULL) != 0) {
		return;
	}
	for (uint16_t i = 1; i < 40; i++) {
		const char *service = names_text(names, NAME_SERVICE, i),
			   *owner = names_text(names, NAME_OWNER, i);

		for (unsigned s = 0; s < SERVICES; s++) {
			w->services[s] = strcmp(service, service_word(s)) == 0 ? i : w->services[s];
		}
		w->one = strcmp(owner, "one") == 0 ? i : w->one;
		w->north = strcmp(owner, "@north") == 0 ? i : w->north;
	}
	w->verify = w->services[0];
	names_free(names);
}

/* --- budgets --- */

static int64_t committed(struct txn *t, enum account_kind kind, uint32_t owner)
{
	struct balance b;

	(void)account_read(t, (struct account_id){.kind = kind, .owner = owner}, &b);
	return b.settled_micro + b.reserved_micro + b.in_doubt_micro;
}

/* Above a budget that was lowered nothing may be added. */
static void hold_against(
    struct night *n, const char *what, int64_t now_micro, int64_t *before, int64_t budget_micro)
{
	if (budget_micro >= 0 && now_micro > budget_micro && now_micro > *before) {
		violate(n->result,
		    "budget of %s: %lld committed, %lld allowed, %lld before this turn", what,
		    (long long)now_micro, (long long)budget_micro, (long long)*before);
	}
	*before = now_micro;
}

struct days_arg {
	struct night *n;
	struct txn *t;
	int64_t budget_micro;
};

static bool on_day(void *arg, struct slice key, struct slice value)
{
	struct days_arg *a = arg;
	struct watch *w = a->n->watch;
	struct account_id id = {.kind = ACCOUNT_SERVICE,
	    .owner = w->verify,
	    .period = PERIOD_DAY,
	    .start_us = (int64_t)key_get_u64(key.data + 6)};
	struct balance b;

	(void)value;
	for (size_t i = 0; i < sizeof(w->days) / sizeof(w->days[0]); i++) {
		if (w->days[i].start_us == id.start_us || w->days[i].start_us == 0) {
			w->days[i].start_us = id.start_us;
			(void)account_read(a->t, id, &b);
			hold_against(a->n, "verify in a day",
			    b.settled_micro + b.reserved_micro + b.in_doubt_micro,
			    &w->days[i].before, a->budget_micro);
			break;
		}
	}
	return true;
}

static void watch_budgets(struct night *n, struct txn *t)
{
	struct watch *w = n->watch;
	bool tight = n->tight > 0 && n->tight_told;

	for (size_t i = 0; i < n->plan->n_runs; i++) {
		if (n->run_ids[i] != 0 && n->plan->runs[i].budget_micro >= 0) {
			hold_against(n, "a run", committed(t, ACCOUNT_RUN, n->run_ids[i]),
			    &w->before[i], n->plan->runs[i].budget_micro);
		}
	}
	hold_against(n, "campaign one", committed(t, ACCOUNT_CAMPAIGN, w->one), &w->before[RUNS],
	    tight ? TIGHT_ONE_TOTAL : -1);
	hold_against(n, "organisation north", committed(t, ACCOUNT_ORG, w->north),
	    &w->before[RUNS + 1], tight ? TIGHT_NORTH_TOTAL : -1);
	if (n->plan->n_faults > 0) {
		struct days_arg a = {n, t, tight ? TIGHT_VERIFY_DAY : -1};
		struct key k =
		    key_u8(key_u32(key_u8(key_of(), ACCOUNT_SERVICE), w->verify), PERIOD_DAY);

		txn_walk(t, TABLE_ACCOUNT, k, k, on_day, &a);
	}
}

/* --- spans --- */

static int64_t late_of(const struct wire *e)
{
	return e->first_us != 0 && e->first_us < e->sent_us + MARGIN_US ? e->first_us
									: e->sent_us + MARGIN_US;
}

/* Are the windows of service s used as the promise says? */
static void judge_usage(struct night *n, unsigned s, const struct span *span)
{
	const struct window_plan *windows = shapes[n->plan->shape].windows[s];
	double keys = s == WORLD_ZEROBOUNCE ? KEYS : 1, u = 0, rate = 1e9, longest = 0;
	double length = (double)(n->now_us - span->since_us);
	size_t sent = 0;

	for (size_t i = span->log; i < n->n_log; i++) {
		const struct wire *e = &n->log[i];

		if (e->service == s && !e->poll && e->sent_us >= span->since_us) {
			u += (double)(late_of(e) - e->sent_us);
			sent++;
		}
	}
	u = sent > 0 ? u / (double)sent : 0;
	for (unsigned w = 0; w < WINDOWS && windows[w].max > 0; w++) {
		double t = (double)windows[w].length_us + u, r = keys * windows[w].max / t;

		rate = r < rate ? r : rate;
		longest = t > longest ? t : longest;
	}
	if (length > 5 * longest &&
	    (double)sent < USED_PERCENT / 100.0 * rate * (length - longest) - 1) {
		violate(n->result,
		    "%s: %zu requests in %.1f s while work waited, its limits allow %.0f (u %.0f "
		    "ms), from %.3f s on",
		    service_word(s), sent, length / 1e6, rate * (length - longest), u / 1e3,
		    (double)span->since_us / 1e6);
	}
}

/* Who waited all the time got turns by weight, and nobody behind a higher priority. */
static void judge_share(struct night *n, unsigned s, const struct span *span, struct txn *t)
{
	double got[RUNS] = {0}, all = 0, most = 0, least = 1e9;
	uint8_t best = 255;

	if (__builtin_popcount(span->runs) < 2) {
		return;
	}
	for (size_t i = span->log; i < n->n_log; i++) {
		struct call_row row;

		/* granted before the span, sent within it: a turn that was taken before */
		if (n->log[i].service != s || n->log[i].poll || !call_read(t, n->log[i].call, &row) ||
		    true_of(n, row.granted_us) < span->since_us) {
			continue;
		}
		for (size_t r = 0; r < RUNS; r++) {
			got[r] += (span->runs >> r & 1) != 0 && n->run_ids[r] == row.parts[0].run;
		}
		all++;
	}
	for (size_t r = 0; r < n->plan->n_runs; r++) {
		if ((span->runs >> r & 1) != 0 && n->plan->runs[r].priority < best) {
			best = n->plan->runs[r].priority;
		}
	}
	for (size_t r = 0; r < n->plan->n_runs; r++) {
		const struct run_plan *p = &n->plan->runs[r];

		if ((span->runs >> r & 1) == 0) {
			continue;
		}
		if (p->priority > best && got[r] > 8) {
			violate(n->result,
			    "%s: run %zu got %.0f turns while another of higher priority waited",
			    service_word(s), r + 1, got[r]);
		} else if (p->priority == best) {
			most = got[r] / p->share > most ? got[r] / p->share : most;
			least = got[r] / p->share < least ? got[r] / p->share : least;
		}
	}
	if (all >= 60 && most - least > 6 + most / 10) {
		violate(n->result,
		    "%s: shares of %.1f and %.1f for each unit of weight while both waited",
		    service_word(s), most, least);
	}
}

static void span_end(struct night *n, unsigned s, struct span *span, struct txn *t, bool share)
{
	if (span->open && share) {
		judge_share(n, s, span, t);
	} else if (span->open) {
		judge_usage(n, s, span);
	}
	span->open = false;
}

/* Runs whose leads wait for nothing but their turn at the service. Where leads begin, a run of little money or time keeps some back. */
static uint32_t waiting(struct night *n, struct txn *t, unsigned s)
{
	uint32_t mask = 0;

	for (size_t r = 0; r < n->plan->n_runs && n->watch->services[s] != 0; r++) {
		struct key k = key_u32(key_u16(key_of(), n->watch->services[s]), n->run_ids[r]);
		struct slice key, value;
		bool kept = s == WORLD_ZEROBOUNCE &&
			    (n->plan->runs[r].budget_micro >= 0 || n->plan->runs[r].by_us != 0 ||
				n->plan->runs[r].sample != 0 || n->plan->runs[r].preview);

		/* batches wait to be full; who joins a call takes no turn of its own */
		kept = kept || (plan_groups(n->plan) && (s == WORLD_INSTANTLY || s == WORLD_PERPLEXITY));
		kept = kept || (s == WORLD_OPENAI && plan_approves(n->plan));

		mask |= n->run_ids[r] != 0 && !kept && txn_first(t, TABLE_READY, k, k, &key, &value)
			    ? 1u << r
			    : 0;
	}
	return mask;
}

/* Nothing but limits may hold work back, and nothing did for a while. */
static bool undisturbed(const struct night *n)
{
	for (unsigned k = 0; k < KIND_N; k++) {
		if (n->active_kinds[k] > 0) {
			return false;
		}
	}
	return n->engine != NULL && n->now_us - n->watch->disturbed_us > RECOVERY_US;
}

static void watch_spans(struct night *n, struct txn *t)
{
	bool calm = undisturbed(n);

	for (unsigned s = 0; s < SERVICES; s++) {
		struct span *usage = &n->watch->usage[s], *share = &n->watch->share[s];
		uint32_t runs = calm || usage->open ? waiting(n, t, s) : 0;

		if (usage->open && (runs == 0 || !calm)) {
			span_end(n, s, usage, t, false);
		}
		if (share->open && (runs != share->runs || !calm)) {
			span_end(n, s, share, t, true);
		}
		if (calm && runs != 0 && !usage->open) {
			*usage = (struct span){true, n->now_us, n->n_log, runs};
		}
		if (calm && runs != 0 && !share->open) {
			*share = (struct span){true, n->now_us, n->n_log, runs};
		}
	}
}

void watch_turn(struct night *n)
{
	struct txn *t = NULL;

	find_names(n);
	if (n->engine == NULL || txn_begin(n->store, false, &t, NULL) != 0) {
		return;
	}
	watch_budgets(n, t);
	watch_spans(n, t);
	txn_abort(t);
}

/* What was open until now is judged up to here: the trouble only begins. */
void watch_disturb(struct night *n)
{
	struct txn *t = NULL;

	if (n->now_us - n->watch->disturbed_us > RECOVERY_US &&
	    txn_begin(n->store, false, &t, NULL) == 0) {
		for (unsigned s = 0; s < SERVICES; s++) {
			span_end(n, s, &n->watch->usage[s], t, false);
			span_end(n, s, &n->watch->share[s], t, true);
		}
		txn_abort(t);
	}
	n->watch->disturbed_us = n->now_us;
}

void watch_end(struct night *n)
{
	watch_disturb(n);
}
