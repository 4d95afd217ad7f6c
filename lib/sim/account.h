/*
 * lib/sim/account.h: what was asked, done, billed and seen, call by call; and what was asked twice.
 *
 * A line is written for every call that was processed to an end (ok, empty, permanent,
 * duplicate) and costs money or leaves something behind: validations, research, copy, pushes.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/sim/scenario.h"

enum account_outcome { ACCOUNT_OK, ACCOUNT_EMPTY, ACCOUNT_PERMANENT, ACCOUNT_DUPLICATE, ACCOUNT_N };
extern const char *const account_words[ACCOUNT_N];

/* Why asking again is fine although the answer was whole. */
enum account_again {
	AGAIN_NEVER,
	AGAIN_COPY,    /* the text was bad on purpose: a gate may ask again */
	AGAIN_UNKNOWN, /* the address could not be judged: worth a later try */
	AGAIN_LOST,    /* the push was dropped behind the client's back: to be repaired */
};

#define CALL_ID_MAX 40

struct account_line {
	char call[CALL_ID_MAX]; /* X-Request-Id or X-Client-Request-Id of the request, cut; empty
				   when there was none */
	uint64_t meaning;
	int64_t at_us, delivered_us; /* wall clock; delivered 0: not to our knowledge */
	int64_t price_micro;
	uint32_t prev; /* line + 1 of the same meaning before this one; 0: none */
	uint8_t service, endpoint, outcome, again;
	bool billed;
	bool whole; /* the plan was to send all of it, readable */
};

struct account_repeat {
	uint32_t first, second; /* lines */
};

#define REPEATS_LISTED 1000

struct account {
	struct account_line *lines;
	size_t n, cap;
	struct meaning {
		uint64_t hash; /* 0: free slot */
		uint32_t attempts;
		uint32_t last; /* line + 1; 0: none */
	} * meanings;
	size_t n_meanings, cap_meanings; /* cap: a power of 2 */
	struct account_service {
		uint64_t billed_calls, in_doubt, copy, unknown, lost, p3;
		int64_t billed_micro;
	} services[WORLD_SERVICES];
	struct account_repeat listed[REPEATS_LISTED];
	size_t n_listed;
};

struct account *account_new(void);
void account_free(struct account *a);
/* How often this meaning got as far as this before; counts the present one. 0 or LEAD_ENOMEM. */
int account_attempt(struct account *a, uint64_t meaning, uint32_t *ret_attempt) MUST_CHECK;
/* Writes the line (prev and delivered_us are set here) and judges whether it is a repeat. ret: its
 * token; when it held one already, the token of the lines of one answer so far, it is widened. */
int account_add(struct account *a, const struct account_line *line, uint64_t *ret_token) MUST_CHECK;
void account_delivered(struct account *a, uint64_t token, int64_t wall_us);
void account_doubted(struct account *a, uint64_t token);
/* The thing was taken back (a lead deleted): the next call of this meaning is a first one. */
void account_forget(struct account *a, uint64_t meaning);
