/*
 * tests/sim/check.h: is the night as it should be? Reads the providers' logs and the store alone,
 * and includes nothing of lib/flow and lib/engine.
 */
#pragma once

#include "lib/store/store.h"
#include "tests/sim/night.h"

struct check_input {
	struct store *store;
	const struct world *world;
	const struct wire *log;
	size_t n_log;
	const struct plan *plan;
	bool retried; /* the operator put leads back */
	int64_t quiet_us;
	const int64_t *approve_us; /* by run of the plan: from when on it may be approved; 0: never said */
};
void check_night(const struct check_input *in, struct result *r);
void check_store(struct store *s, const char *when, struct result *r);
uint64_t store_hash(struct store *s);
void check_items(const struct check_input *in, struct result *r); /* for check_night */
