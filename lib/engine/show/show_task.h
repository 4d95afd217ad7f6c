/* lib/engine/show/show_task.h: what became of a webhook, for show.h's users. */
#pragma once

#include "lib/engine/engine.h"

struct json_object;

/* A task: the event's lead, and its run's totals. plain: with what is personal; else it is masked. NULL: there is no such task. */
struct json_object *show_task(struct engine *e, struct txn *t, uint64_t id, bool plain, struct now now);

struct task_filter {
	const char *intake;    /* NULL: all */
	uint32_t states;       /* bit per enum task_state; 0: all */
	uint64_t before;       /* 0: the newest */
	unsigned limit;
};
enum task_state { TASK_PENDING, TASK_RUNNING, TASK_SUCCESS, TASK_FAILURE, TASK_STATES };
const char *task_state_word(enum task_state s);
bool task_state_parse(const char *word, enum task_state *ret);
/* Newest first, without lead and run: {"items":[…],"next"}. */
struct json_object *show_tasks(struct engine *e, struct txn *t, const struct task_filter *f);

/* An intake: where its leads go, and how many events came to what. NULL: there is none of that name. */
struct json_object *show_intake(struct engine *e, struct txn *t, const char *name);
struct json_object *show_intakes(struct engine *e, struct txn *t);
/* Events that are still to be looked at. */
uint64_t show_events_waiting(struct engine *e);
