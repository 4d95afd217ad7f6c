/*
 * lib/engine/item/rounds.h: how often a source is asked, and for how much. Pure arithmetic.
 *
 * A source (a search, a discovery) is asked in rounds, each of them perhaps of several pages. It brings items of which only some come
 * through. So a round asks for what is still missing, more than that by a buffer: at first the declared one, then what the run has
 * seen: of those that are at an end, how many came through. What is still on its way counts with its chance, or whole before a
 * page, which is no work for anybody. Rounds that bring nothing new give up one parameter after the other (widen); there is an end
 * when nothing is missing, for now when so many are held that they may be enough (whatever holds them would hold the next ones, too), when the run may have no more, when so many rounds were asked, when nothing is left to give up, or when
 * a round costs more than what it brings is worth.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rounds_spec {
	uint32_t most;        /* rounds in all; at least 1 */
	double buffer;        /* times what is missing, before anything is known; at least 1 */
	uint32_t ask_most;    /* of one round */
	uint32_t idle;        /* rounds in a row without anything new until a parameter is given up, and at last the end */
	int64_t worth_micro;  /* of an item that comes through; 0: not asked */
	uint32_t in_all;      /* items of the run, not counting duplicates; 0: no bound */
	bool good;            /* items count when they came through; else as soon as they are there */
};

struct rounds_seen {
	uint64_t wanted;      /* 0: all there are */
	uint64_t good;        /* came through */
	uint64_t open;        /* on their way */
	uint64_t bad;         /* at an end without, or held */
	uint64_t held;        /* of these: wait for a person, or failed: `run retry` may bring them on */
	uint64_t all;         /* of the run, not counting duplicates; for `in_all` */
	uint32_t rounds;      /* asked so far */
	uint32_t idle;        /* the last ones in a row that brought nothing new */
	uint32_t widen_left;  /* parameters that could still be given up */
	uint64_t last_new;    /* items the last round brought */
	int64_t last_cost_micro;
	bool pages_left;      /* the last round has pages that were not read */
};

enum rounds_do { ROUNDS_PAGE, ROUNDS_ASK, ROUNDS_WAIT, ROUNDS_HOLD, ROUNDS_STOP };

struct rounds_next {
	enum rounds_do what;
	uint64_t count;       /* ASK, PAGE: so many are wanted of it; 0: all there are */
	bool widen;           /* ASK: one parameter fewer from now on */
	const char *why;      /* HOLD: held-up; STOP: enough, bound, rounds, nothing-new, too-dear, all-there-is; lives for ever */
};

/* The share of a source's items that comes through, by what was seen. */
double rounds_share(const struct rounds_spec *s, const struct rounds_seen *seen);
struct rounds_next rounds_decide(const struct rounds_spec *s, const struct rounds_seen *seen);
