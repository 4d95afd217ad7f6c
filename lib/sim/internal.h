/* lib/sim/internal.h: the inside of a world, for world.c, allow.c, fault.c and report.c. */
#pragma once

#include "lib/sim/arrivals.h"
#include "lib/sim/model.h"

#define KEY_SLOTS                                                                                  \
	32 /* keys told apart when any key is accepted; those past it share the last slot */

/* What became of a call, for the report. */
enum answered {
	ANSWERED_OK,
	ANSWERED_EMPTY,
	ANSWERED_PERMANENT,
	ANSWERED_DUPLICATE,
	ANSWERED_THROTTLE,
	ANSWERED_QUOTA,
	ANSWERED_AUTH,
	ANSWERED_FAILURE, /* 5xx, or an error inside a 200 */
	ANSWERED_SPOILED, /* done, but the answer was reset, cut, garbage or huge */
	ANSWERED_NOTHING, /* not done, no answer */
	ANSWERED_N,
};

struct key_slot {
	uint64_t hash;
	uint64_t used;    /* calls done on its quota */
	int64_t spent_us; /* when the quota ran out; 0: it did not */
	struct arrivals windows[SCENARIO_LIMITS];
};

struct service_state {
	uint64_t calls, answered[ANSWERED_N], faults[FAULT_N];
	struct key_slot keys[KEY_SLOTS];
	size_t n_keys;
	struct arrivals shared[SCENARIO_LIMITS]; /* used where the limit is per service */
	struct script_state {
		uint64_t hits;
		int64_t since_us;
	} scripts[SCENARIO_SCRIPTS];
};

struct world {
	struct scenario s;
	struct service_state services[WORLD_SERVICES];
	struct account *account;
	struct leads leads;
	struct kept kept;
	struct sim_jobs jobs;
	struct chat_paths *paths;
	struct now last;
	struct arena arena; /* of the present call */
	struct buf body;
};

/* The state of the client's key; NULL when it is refused. declared: as in the scenario, NULL when
 * any key is taken. */
struct key_slot *allow_key(
    struct world *w, struct ask *q, const struct scenario_key **ret_declared);
struct over {
	bool any, tokens;
	int64_t wait_us;
};
/* Counts the arrival in all its windows and tells which of them are over. LEAD_ENOMEM. */
int allow_count(struct world *w, struct ask *q, struct key_slot *slot, struct over *ret);
/* Whether the key still pays; a quota that ran out comes back after its time. */
bool allow_quota(struct ask *q, struct key_slot *slot, const struct scenario_key *declared);

/* What goes wrong with this call, if anything: scripts in their order, then chance. Counts the hit.
 */
enum world_fault fault_choose(struct world *w, struct ask *q);
/* Whether the call is carried out under this fault. */
bool fault_is_done(enum world_fault f);
/* The answer (or silence) to a call that is not carried out. */
void fault_refuse(struct world *w, struct ask *q, enum world_fault f, struct world_plan *p);
/* Turns a right answer into what the fault makes of it. */
void fault_spoil(struct world *w, struct ask *q, enum world_fault f, struct world_plan *p);
int64_t fault_latency(struct world *w, struct ask *q);
enum answered fault_answered(enum world_fault f);
const struct model *model_of(enum world_service s);
