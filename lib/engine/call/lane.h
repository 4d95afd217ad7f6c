/* lib/engine/call/lane.h: a service at work: its keys, limits, breakers and quotas, and who has work there. */
#pragma once

#include "lib/engine/call/accounts.h"
#include "lib/engine/config/config.h"
#include "lib/flow/hold.h"
#include "lib/flow/share.h"
#include "lib/store/stat.h"

struct lane_key {
	uint16_t number;
	const struct secret *secret; /* of the present configuration; NULL: none is needed, or its file is missing */
	struct quota auth;      /* PARK_AUTH only: a refused key parks alone */
	unsigned in_flight;
};

/* Keys that share one allowance. */
struct lane_group {
	struct limit **limits;  /* by index of service->limits; NULL for PER_SERVICE ones */
	struct quota quota;
	struct breaker breaker;
	struct hold hold;       /* it said "too fast" */
	bool proved;            /* it answered since its breaker closed, or since the start */
	unsigned in_flight;
	size_t next_key;        /* rotation */
};

/* A service at work. Lanes live as long as the engine; their description changes at reload. */
struct lane {
	struct service *def;    /* counted; NULL: gone from the configuration */
	char name[64];
	uint16_t number;
	size_t index;
	uint16_t endpoints[32]; /* numbers of the calls' names */
	struct lane_key *keys;
	struct lane_group *groups;
	struct limit **shared;  /* by index; NULL for PER_KEY ones */
	struct share share;     /* runs with work here */
	unsigned in_flight;
	struct quota pause;     /* the operator's */
	uint64_t reset_call;    /* the last one granted when a person reset it: what those up to it say of quota and keys is old */
	struct stat_row stat;
	bool stat_dirty, park_dirty;
	bool known;             /* it was called before this start */
	struct limit **fresh;   /* those of its limits whose windows do not yet hold what the ledger says */
	size_t n_fresh;
	int64_t wake_us;
	size_t next_group;
	const struct budget *budget;
	struct config *last;    /* counted, where the present one has no such service: its keys' secrets are that one's */
	struct account_memo accounts;
	unsigned jobs;          /* of in_flight: jobs that wait for their result */
	unsigned polls;         /* of in_flight: calls that ask for one; they need no place of their own */
	uint64_t *due;          /* jobs to be asked for now, oldest first: ids of their calls */
	size_t n_due, cap_due;
	int64_t poll_us;        /* when the next of them may go */
};

int lanes_bind(struct engine *e, struct config *c, struct lead_error *err) MUST_CHECK;
/* Without a description: one that is gone, or about to get its own. */
struct lane *lane_new(struct engine *e, const char *name);
struct lane *lane_by_name(struct engine *e, const char *name);
struct lane *lane_by_number(struct engine *e, uint16_t number);
uint64_t lane_waiting(struct engine *e, const struct lane *l); /* items queued for a call there */
void lanes_write(struct engine *e);
void lane_free(struct lane *l);
/* When that key may be used: never while its credential is missing. */
int64_t lane_key_earliest(const struct lane *l, size_t key, struct now now);
size_t lane_limits(struct lane *l, size_t group, size_t call, struct limit *ret[CALL_LIMITS], size_t ret_index[CALL_LIMITS]);
