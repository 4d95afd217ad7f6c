/* lib/engine/task.h: work on many items of a run, a slice a turn. */
#pragma once

#include <stdint.h>

struct command;
struct engine;

struct sweep_task {
	struct command *command;
	uint32_t cursor;
	struct sweep_task *next;
};

/* A task over the run's items that c describes; answered when it is through. */
void task_add(struct engine *e, struct command *c);
void tasks_step(struct engine *e);
/* Runs whose items end before their time, or move to other stages. */
void runs_sweep(struct engine *e);
