/* See rounds.h. */
#include "lib/engine/item/rounds.h"

#include <math.h>

#define PRIOR 4 /* as if so many had been seen to come through as the buffer says */

double rounds_share(const struct rounds_spec *s, const struct rounds_seen *seen)
{
	double first = s->good ? 1 / s->buffer : 1;

	return ((double)seen->good + first * PRIOR) / ((double)(seen->good + seen->bad) + PRIOR);
}

/* Whom the run still lacks, when everybody on the way is counted with his chance. */
static double missing(const struct rounds_spec *s, const struct rounds_seen *seen, double share)
{
	return (double)seen->wanted - (double)seen->good - (double)seen->open * (s->good ? share : 1);
}

static struct rounds_next stop(const char *why)
{
	return (struct rounds_next){.what = ROUNDS_STOP, .why = why};
}

/* How many to ask for, so that enough of them come through, but no more than the run may still have. 0: all there are. */
static uint64_t wanted_of(const struct rounds_spec *s, const struct rounds_seen *seen, double share, double lacks)
{
	double ask = ceil(lacks / (share > 0.02 ? share : 0.02));
	uint64_t most = s->ask_most, left = s->in_all > seen->all ? s->in_all - seen->all : 0;

	if (seen->wanted == 0) {
		return 0; /* `makes` takes no more than the bound */
	}
	most = s->in_all > 0 && left < most ? left : most;
	return ask < (double)most ? (uint64_t)ask : most;
}

/*
 * Far more are held than come through, and they may be enough: a service they need is down. Rounds would be spent on more of them, and
 * all of them go on when it is back. (Of a gate that holds one in ten for a person, others are looked for.)
 */
static bool is_held_up(const struct rounds_seen *seen)
{
	return seen->held > seen->good + PRIOR && seen->good + seen->open + seen->held >= seen->wanted;
}

static struct rounds_next held_up(const struct rounds_seen *seen)
{
	return seen->open > 0 ? (struct rounds_next){.what = ROUNDS_WAIT} : (struct rounds_next){.what = ROUNDS_HOLD, .why = "held-up"};
}

/* Another round may be begun: nothing of it speaks against it but what it is for. */
static struct rounds_next next_round(const struct rounds_spec *s, const struct rounds_seen *seen, double share, double lacks)
{
	struct rounds_next n = {.what = ROUNDS_ASK};

	if (seen->rounds >= s->most) {
		return stop(s->most == 1 ? "all-there-is" : "rounds");
	}
	if (is_held_up(seen)) {
		return held_up(seen);
	}
	if (seen->rounds > 0 && s->worth_micro > 0 && (double)seen->last_cost_micro > (double)seen->last_new * share * (double)s->worth_micro) {
		return stop("too-dear");
	}
	if (seen->idle >= s->idle) {
		if (seen->widen_left == 0) {
			return stop("nothing-new");
		}
		n.widen = true;
	}
	n.count = wanted_of(s, seen, share, lacks);
	return n;
}

/*
 * A page is there in a moment, so it is not read ahead of need as a round is: whoever is on the way counts whole. Refusals come
 * before successes (a free gate takes no time, an enrichment minutes), and each of them would ask for more than it takes away.
 */
static struct rounds_next next_page(const struct rounds_spec *s, const struct rounds_seen *seen, double share)
{
	if (seen->wanted > 0 && seen->open > 0 && seen->good + seen->open >= seen->wanted) {
		return (struct rounds_next){.what = ROUNDS_WAIT};
	}
	if (seen->wanted > 0 && is_held_up(seen)) {
		return held_up(seen);
	}
	return (struct rounds_next){.what = ROUNDS_PAGE,
	    .count = wanted_of(s, seen, share, (double)seen->wanted - (double)seen->good - (double)seen->open)};
}

struct rounds_next rounds_decide(const struct rounds_spec *s, const struct rounds_seen *seen)
{
	double share = rounds_share(s, seen), lacks = missing(s, seen, share);

	if (seen->wanted > 0 && seen->good >= seen->wanted) {
		return stop("enough");
	}
	if (seen->wanted > 0 && lacks < 0.5) {
		/* probably enough; who is on the way decides */
		return seen->open > 0 ? (struct rounds_next){.what = ROUNDS_WAIT} : stop("enough");
	}
	if (s->in_all > 0 && seen->all >= s->in_all) {
		return stop("bound");
	}
	if (seen->pages_left) {
		return next_page(s, seen, share);
	}
	if (seen->wanted == 0 && seen->rounds > 0 && s->most == 1) {
		return stop("all-there-is");
	}
	return next_round(s, seen, share, seen->wanted == 0 ? 1 : lacks);
}
