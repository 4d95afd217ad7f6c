/*
 * When a lead's turn comes: the line before it at its service is let through in thought, as the scheduler would: by
 * priority and fair share between runs, stage nearest the end first, through windows (lib/flow/ahead.h) and places in flight.
 *
 * What is told must never be later than what comes when nothing else happens. So calls take the least they took so far,
 * leads that turn up meanwhile are not foreseen, and leads before it are taken to make their calls: one that is refused
 * at its turn for a missing input makes room that was not reckoned with.
 */

#include "lib/engine/plan/place.h"

#include "lib/engine/call/batch.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/finish.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/call/schedule.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/flow/ahead.h"

#include <math.h>

#define MOST_CALLS 5000    /* let through one by one; then the windows alone tell */
#define SLACK 16           /* turns that fair shares may come sooner than reckoned, at most */
#define LATENCIES_KNOWN 20 /* answers before the least of them counts */

struct waiting {
	struct run *run;
	struct slot *slot;
	uint64_t left;
	int64_t base_us; /* all but what is of the line itself */
	int64_t next_us; /* it was looked at in vain: not before */
};

struct line {
	struct engine *e;
	struct lane *lane;
	struct share share;              /* a copy */
	struct waiting *waiting;
	size_t n_waiting;
	struct ahead **limits;           /* group * n_limits + limit; shared ones in group 0 */
	int64_t *ends;                   /* of calls in flight, then of those let through */
	size_t n_ends, in_flight;
	int64_t least_us, now_us;
	int64_t turns[SLACK];            /* when the last calls went */
	size_t next_group;
	uint64_t through;
};

/* --- what is known of latencies --- */

static int64_t bucket_us(int i)
{
	return i > 0 ? (INT64_C(1) << (i - 1)) * US_PER_MS : 0; /* its lower edge */
}

/* The answer's end is counted, its first byte may have come a little sooner. */
static struct late_span late_of(const struct lane *l)
{
	struct late_span late = {0};
	double n = 0, sum = 0, square = 0;

	for (int i = 0; i < STAT_BUCKETS; i++) {
		int64_t us = bucket_us(i) * 9 / 10 < l->def->margin_us ? bucket_us(i) * 9 / 10 : l->def->margin_us;

		late.least_us = n == 0 && l->stat.latency[i] > 0 ? us : late.least_us;
		n += (double)l->stat.latency[i];
		sum += (double)l->stat.latency[i] * (double)us;
		square += (double)l->stat.latency[i] * (double)us * (double)us;
	}
	if (n < LATENCIES_KNOWN) {
		return (struct late_span){0};
	}
	late.mean_us = sum / n;
	late.deviation_us = 2 * sqrt(square / n > late.mean_us * late.mean_us ? square / n - late.mean_us * late.mean_us : 0);
	return late;
}

/* --- building the line --- */

static void on_condition(void *arg, enum condition c, int64_t earliest_us, const char *text)
{
	int64_t *base = arg;

	(void)text;
	switch (c) {
	case COND_CONCURRENCY:
	case COND_KEY:
	case COND_BREAKER:
	case COND_THROTTLE:
	case COND_QUOTA:
	case COND_WINDOW:
	case COND_LINGER: /* it may be over as soon as nothing else can come */
		break;
	default:
		*base = earliest_us > *base ? earliest_us : *base;
		break;
	}
}

/* Of what another run has waiting there, as many as will surely go: its money may end, or its time. */
static uint64_t surely(struct line *x, struct run *r, struct slot *s)
{
	uint64_t lasts = finish_calls_left(x->e, r, s);

	return lasts < s->queued ? lasts : s->queued;
}

static bool add_waiting(struct line *x, const struct slot *own)
{
	size_t n = 0;

	x->waiting = calloc(x->share.n * SLOTS + 1, sizeof(*x->waiting));
	for (size_t i = 0; x->waiting != NULL && i < x->share.n; i++) {
		struct run *r = run_get(x->e, x->share.members[i].id);

		for (size_t k = 0; r != NULL && k < r->n_slots; k++) {
			struct slot *s = &r->slots[k];

			if (s->lane == x->lane && s->queued > 0) {
				struct waiting *w = &x->waiting[n++];

				*w = (struct waiting){.run = r, .slot = s, .left = s == own ? s->queued : surely(x, r, s), .base_us = x->now_us};
				(void)gate_call(x->e, r, s, on_condition, &w->base_us);
			}
		}
	}
	x->n_waiting = n;
	return x->waiting != NULL;
}

static bool add_limits(struct line *x)
{
	struct lane *l = x->lane;
	struct late_span late = late_of(l);
	bool ok;

	x->least_us = late.least_us;
	x->limits = calloc(l->def->n_groups * l->def->n_limits + 1, sizeof(struct ahead *));
	ok = x->limits != NULL;
	for (size_t g = 0; ok && g < l->def->n_groups; g++) {
		for (size_t i = 0; ok && i < l->def->n_limits; i++) {
			struct limit *limit = l->shared[i] != NULL ? l->shared[i] : l->groups[g].limits[i];

			if (g == 0 || l->shared[i] == NULL) {
				struct ahead *a = ahead_new(limit, &late, x->e->now);

				x->limits[g * l->def->n_limits + i] = a;
				ok = a != NULL;
			}
		}
	}
	return ok;
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static bool add_calls(struct line *x)
{
	struct call *c, *next;

	x->ends = calloc(HASH_COUNT(x->e->calls) + MOST_CALLS + 1, sizeof(*x->ends));
	if (x->ends == NULL) {
		return false;
	}
	HASH_ITER(hh, x->e->calls, c, next) {
		if (c->lane == x->lane && !c->ended && !c->restarted) {
			int64_t end = (c->row.sent_us != 0 ? c->row.sent_us : x->now_us) + x->least_us;

			x->ends[x->n_ends++] = end > x->now_us ? end : x->now_us;
		}
	}
	x->in_flight = x->n_ends;
	qsort(x->ends, x->n_ends, sizeof(*x->ends), by_time);
	return true;
}

static bool line_open(struct line *x, struct engine *e, struct lane *l, const struct slot *own)
{
	*x = (struct line){.e = e, .lane = l, .share = l->share, .now_us = e->now.boot_us, .next_group = l->next_group};
	x->share.members = calloc(l->share.n + 1, sizeof(*x->share.members));
	if (x->share.members == NULL) {
		return false;
	}
	memcpy(x->share.members, l->share.members, l->share.n * sizeof(*x->share.members));
	return add_waiting(x, own) && add_limits(x) && add_calls(x);
}

static void line_close(struct line *x)
{
	for (size_t i = 0; x->limits != NULL && i < x->lane->def->n_groups * x->lane->def->n_limits; i++) {
		ahead_free(x->limits[i]);
	}
	free(x->limits);
	free(x->ends);
	free(x->waiting);
	free(x->share.members);
}

/* --- letting it through --- */

static struct ahead *limit_of(struct line *x, size_t g, size_t i)
{
	return x->limits[(x->lane->shared[i] != NULL ? 0 : g * x->lane->def->n_limits) + i];
}

/* A probe that is out may be answered at once, and then all may go. */
static int64_t quota_us(struct quota *q, struct now now)
{
	return q->probing ? now.boot_us : quota_earliest(q, now);
}

static int64_t group_us(struct line *x, size_t g, size_t call)
{
	struct lane *l = x->lane;
	struct now now = x->e->now;
	int64_t at = TIME_NEVER, more[3];

	for (size_t k = 0; k < l->def->n_keys; k++) {
		bool probing = l->def->keys[k].group_index == g && l->keys[k].auth.probing;
		int64_t key = l->def->keys[k].group_index == g ? lane_key_earliest(l, k, now) : TIME_NEVER;

		key = probing && key != TIME_NEVER ? now.boot_us : key;

		at = key < at ? key : at;
	}
	more[0] = l->groups[g].breaker.probing ? now.boot_us : breaker_earliest(&l->groups[g].breaker, now);
	more[1] = hold_earliest(&l->groups[g].hold, now);
	more[2] = quota_us(&l->groups[g].quota, now);
	for (size_t i = 0; i < 3; i++) {
		at = more[i] > at ? more[i] : at;
	}
	for (size_t i = 0; i < l->def->n_limits; i++) {
		if ((l->def->limits[i].calls >> call & 1) != 0) {
			int64_t limit = ahead_earliest(limit_of(x, g, i));

			at = limit > at ? limit : at;
		}
	}
	return at;
}

/* When the next call of that slot may go, and through which group. */
static int64_t slot_us(struct line *x, const struct waiting *w, size_t *ret_group)
{
	int64_t best = TIME_NEVER, at = w->base_us;
	size_t beyond = x->n_ends, free_places = x->lane->def->concurrency > x->in_flight ? x->lane->def->concurrency - x->in_flight : 0;
	uint64_t need = x->through >= free_places ? x->through - free_places + 1 : 0; /* so many must have ended */

	for (size_t i = 0; i < x->lane->def->n_groups; i++) {
		size_t g = (x->next_group + i) % x->lane->def->n_groups;
		int64_t us = group_us(x, g, w->slot->call->index);

		if (us < best) {
			best = us;
			*ret_group = g;
		}
	}
	if (need > 0 && need <= beyond) {
		at = x->ends[need - 1] > at ? x->ends[need - 1] : at;
	}
	return best > at ? best : at;
}

static bool let_through(struct line *x, struct waiting *w, size_t group)
{
	bool ok = true;

	for (size_t i = 0; i < x->lane->def->n_limits; i++) {
		if ((x->lane->def->limits[i].calls >> w->slot->call->index & 1) != 0) {
			ok = ok && ahead_take(limit_of(x, group, i), x->now_us) == 0;
		}
	}
	w->left -= w->left < batch_size(x->e, w->slot->call) ? w->left : batch_size(x->e, w->slot->call);
	x->ends[x->n_ends++] = x->now_us + x->least_us;
	x->next_group = (group + 1) % x->lane->def->n_groups;
	x->turns[x->through++ % SLACK] = x->now_us;
	return ok;
}

/* On to the next moment at which somebody may go; false when there is none. */
static bool wait(struct line *x)
{
	int64_t next = TIME_NEVER;

	for (size_t i = 0; i < x->n_waiting; i++) {
		const struct waiting *w = &x->waiting[i];

		next = w->left > 0 && w->next_us < next ? w->next_us : next;
	}
	for (size_t i = 0; i < x->share.n; i++) {
		x->share.members[i].ready = true;
	}
	x->now_us = next > x->now_us ? next : x->now_us;
	return next != TIME_NEVER;
}

/* The first of the run's slots that has not been looked at in vain. */
static struct waiting *first_of(struct line *x, uint32_t run)
{
	for (size_t i = 0; i < x->n_waiting; i++) {
		struct waiting *w = &x->waiting[i];

		if (w->run->id == run && w->left > 0 && w->next_us <= x->now_us) {
			return w;
		}
	}
	return NULL;
}

/* So many calls of the slot are still before it: the windows alone say how long that takes at least. */
static int64_t rest_us(struct line *x, const struct waiting *w, uint64_t calls)
{
	int64_t longest = 0;

	for (size_t i = 0; i < x->lane->def->n_limits; i++) {
		uint64_t each = x->lane->shared[i] != NULL ? calls : calls / x->lane->def->n_groups;
		int64_t us = (x->lane->def->limits[i].calls >> w->slot->call->index & 1) != 0 ? ahead_least_us(limit_of(x, 0, i), each) : 0;

		longest = us > longest ? us : longest;
	}
	return longest;
}

/*
 * Its turn, and a few turns sooner where more than two share: when one of them comes or goes meanwhile, the turns of the
 * others move against each other, by no more than what the others get for one of its own.
 */
static int64_t its_turn(const struct line *x, const struct run *r)
{
	uint64_t weight = 0, own = r->row.share > 0 ? r->row.share : 1, n = 0, sooner;

	for (size_t i = 0; i < x->share.n; i++) {
		bool same = x->share.members[i].priority == r->row.priority && x->share.members[i].id != r->id;

		n += same;
		weight += same ? x->share.members[i].weight : 0;
	}
	sooner = (weight + own - 1) / own;
	sooner = n < 2 ? 0 : sooner > 2 ? sooner - 1 : 1;
	sooner = sooner < SLACK ? sooner : SLACK;
	return sooner == 0 ? x->now_us : sooner > x->through ? x->e->now.boot_us : x->turns[(x->through - sooner) % SLACK];
}

static int64_t play(struct line *x, const struct slot *s, uint64_t place)
{
	while (wait(x)) {
		struct share_member *m;

		while ((m = share_next(&x->share)) != NULL) {
			struct waiting *w = first_of(x, m->id);
			size_t group = 0, each;

			if (w == NULL) {
				m->ready = false;
				continue;
			}
			w->next_us = slot_us(x, w, &group);
			if (w->next_us > x->now_us) {
				continue;
			}
			each = batch_size(x->e, w->slot->call);
			if (w->slot == s && place < each) {
				return its_turn(x, w->run);
			}
			if (x->through == MOST_CALLS) {
				return w->slot == s ? x->now_us + rest_us(x, w, place / each) : x->now_us;
			}
			place -= w->slot == s ? each : 0;
			if (!let_through(x, w, group)) {
				return x->now_us;
			}
			share_charge(&x->share, m, 1);
		}
	}
	return TIME_NEVER;
}

int64_t place_earliest(struct engine *e, struct slot *s, uint64_t place)
{
	struct line x;
	int64_t at = s->lane->def != NULL && line_open(&x, e, s->lane, s) ? play(&x, s, place) : e->now.boot_us;

	if (s->lane->def != NULL) {
		line_close(&x);
	}
	return at;
}
