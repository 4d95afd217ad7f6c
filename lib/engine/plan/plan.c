/*
 * See plan.h.
 *
 *   what-if -> snapshot of the store -> the first night: how much work is one? -> more nights, each on a copy of the snapshot -> plan_show
 */
#include "lib/engine/plan/plan.h"

#include "lib/base/ids.h"
#include "lib/engine/call/override.h"
#include "lib/engine/plan/plan_night.h"
#include "lib/store/names.h"
#include "lib/store/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAP_BYTES ((size_t)8 << 30) /* of scratch stores: address space only */
#define WORK 250000                 /* calls that all repetitions together may play */
#define FEWEST 5
#define MOST 200
#define SLACK_US (3600 * US_PER_S)
#define MARGIN_US US_PER_S

static void scratch_path(const struct plan_request *q, const char *file, char out[4096])
{
	(void)snprintf(out, 4096, "%s/%s", q->scratch, file);
}

/* Nothing of it stays when we are killed, but the names of a moment. */
static void scratch_remove(const struct plan_request *q)
{
	static const char *const files[] = {"leadd.mdb", "leadd.mdb-lock", "leadd.lock"};
	char path[4096];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		scratch_path(q, files[i], path);
		(void)unlink(path);
	}
}

/* Opened and at once without a name. */
static int scratch_open(const struct plan_request *q, struct store **ret, struct lead_error *err)
{
	struct store_options o = {.dir = q->scratch, .map_bytes = MAP_BYTES, .no_sync = true, .lazy = true};
	int rc;

	scratch_remove(q);
	rc = store_open(&o, ret, err);
	scratch_remove(q);
	return rc;
}

static int64_t longest_window(const struct plan_request *q)
{
	int64_t longest = 0;

	for (size_t i = 0; i < q->config->n_services; i++) {
		for (size_t k = 0; k < q->config->services[i]->n_limits; k++) {
			const struct service_limit *l = &q->config->services[i]->limits[k];
			int64_t us = limit_horizon(l->windows, l->n_windows, q->now);

			longest = us > longest ? us : longest;
		}
	}
	return longest;
}

/* What a person set by a command gives way to what is asked now. */
static int forget_overrides(const struct plan_request *q, const struct plan_changes *changes, struct store *base, struct lead_error *err)
{
	struct names *names = NULL;
	struct txn *t = NULL;
	int rc = names_load(base, &names, err);

	rc = rc == 0 ? txn_begin(base, true, &t, err) : rc;
	for (size_t i = 0; rc == 0 && i < q->config->n_services; i++) {
		uint16_t number;

		if (changes->limits[i] && names_number(names, NAME_SERVICE, q->config->services[i]->name, &number, NULL) == 0) {
			overrides_forget(t, number);
		}
	}
	rc = rc == 0 ? txn_commit(t, err) : rc;
	names_free(names);
	return rc;
}

static int base_open(const struct plan_request *q, const struct plan_changes *changes, struct store **ret, struct lead_error *err)
{
	struct snapshot_options o = {.calls_from_wall_us = q->now.wall_us - longest_window(q) - SLACK_US, .margin_us = MARGIN_US};
	int rc = scratch_open(q, ret, err);

	rc = rc == 0 ? snapshot_take(q->store, *ret, &o, err) : rc;
	return rc == 0 ? forget_overrides(q, changes, *ret, err) : rc;
}

static int one_night(const struct plan_request *q, const struct plan_changes *changes, struct store *base, struct odds *odds, uint64_t seed,
    struct plan_night *ret, struct lead_error *err)
{
	struct store *store = NULL;
	int rc = scratch_open(q, &store, err);

	rc = rc == 0 ? snapshot_clone(base, store, err) : rc;
	rc = rc == 0 ? plan_night(q, changes, store, odds, seed, ret, err) : rc;
	store_close(store);
	return rc;
}

static size_t repetitions(const struct plan_request *q, const struct plan_night *first)
{
	uint64_t n = WORK / (first->calls + 100);

	if (q->repetitions > 0) {
		return q->repetitions;
	}
	return n < FEWEST ? FEWEST : n > MOST ? MOST : (size_t)n;
}

static int play(const struct plan_request *q, const struct plan_changes *changes, struct store *base, struct odds *odds, struct plan_night **ret,
    size_t *ret_n, struct lead_error *err)
{
	struct plan_night *nights = calloc(1, sizeof(*nights)), *more;
	struct dice dice;
	size_t n = 1;
	int rc;

	dice_seed(&dice, q->seed);
	if (nights == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	rc = one_night(q, changes, base, odds, dice_roll(&dice), &nights[0], err);
	if (rc == 0) {
		n = repetitions(q, &nights[0]);
		more = realloc(nights, n * sizeof(*nights));
		if (more == NULL) {
			rc = lead_fail(err, LEAD_ENOMEM, "out of memory");
		} else {
			nights = more;
		}
	}
	for (size_t i = 1; rc == 0 && i < n; i++) {
		rc = one_night(q, changes, base, odds, dice_roll(&dice), &nights[i], err);
	}
	*ret = nights;
	*ret_n = n;
	return rc;
}

static int change(struct plan_request *q, struct plan_changes *changes, struct lead_error *err)
{
	int rc = 0;

	if (q->config->n_services > PLAN_SERVICES) {
		return lead_fail(err, LEAD_EINPUT, "a plan knows at most %d services", PLAN_SERVICES);
	}
	for (size_t i = 0; i < PLAN_SERVICES; i++) {
		changes->price[i] = 1;
		changes->limits[i] = false;
	}
	for (size_t i = 0; rc == 0 && i < q->n_what_if; i++) {
		rc = plan_change(q, q->what_if[i], changes, err);
	}
	return rc;
}

int plan_make(struct plan_request *q, struct json_object **ret, struct lead_error *err)
{
	struct plan_changes changes;
	struct plan_night *nights = NULL;
	struct store *base = NULL;
	struct names *names = NULL;
	struct odds *odds = NULL;
	size_t n = 0;
	int rc = change(q, &changes, err);

	rc = rc == 0 ? base_open(q, &changes, &base, err) : rc;
	rc = rc == 0 ? odds_new(base, q->now.wall_us, &odds, err) : rc;
	rc = rc == 0 ? names_load(base, &names, err) : rc;
	rc = rc == 0 ? play(q, &changes, base, odds, &nights, &n, err) : rc;
	if (rc == 0) {
		*ret = plan_show(q, odds, names, nights, n);
		rc = *ret != NULL ? 0 : lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	free(nights);
	odds_free(odds);
	names_free(names);
	store_close(base);
	return rc;
}
