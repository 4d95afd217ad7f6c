/*
 * lib/store/check.h: does the store agree with itself?
 *
 * Every table is walked in one read transaction (one moment, also of a store at work) and everything that stands twice is
 * compared: queue and states, open calls and the ledger, balances and the ledger, counters and items, money and facts, kept answers and their calls,
 * suppression lists and their counts, jobs and their calls, answers to be taken again and their ends, webhooks in and what became of them.
 * Shares no code with the engine that writes it, beyond the rows themselves.
 */
#pragma once

#include "lib/store/store.h"

struct check_counts {
	uint64_t runs, items, facts, calls, open_calls, accounts, identities, bodies, suppressions, jobs, answers, events;
	uint64_t problems;
};

/* One line for a person: what disagrees, by run, lead or call; no lead's data. */
typedef void (*check_fn)(void *arg, const char *problem);

/* 0 when it could be read to the end (problems are counted, the first 1,000 told); LEAD_EIO for damage that stops the reading. */
int store_check(struct store *s, check_fn f, void *arg, struct check_counts *ret, struct lead_error *err) MUST_CHECK;
