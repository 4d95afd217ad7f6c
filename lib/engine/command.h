/* lib/engine/command.h: what people ask for. */
#pragma once

#include "lib/store/items.h"

struct campaign;
struct command;
struct engine;
struct run;
struct run_row;
struct stage_count;

/* Work on many items for a command. */
struct sweep_task {
	struct command *command;
	uint32_t cursor;
	struct sweep_task *next;
};

/* A run of the campaign begins; takes what row owns. 0 or LEAD_ENOMEM. */
int run_begin(struct engine *e, const struct campaign *m, struct run_row *row, uint32_t *ret);
/* A task over the run's items that c describes; answered when it is through. */
void command_sweep(struct engine *e, struct command *c);
void run_reopen(struct engine *e, struct run *r);
/* The stage no longer counts it among its ends. */
void stage_uncount(struct stage_count *c, enum item_outcome o);
void command_apply(struct engine *e, struct command *c);
/* It was carried out: to be told after the commit. */
void command_answer(struct engine *e, struct command *c);
void command_refuse(struct engine *e, struct command *c, int rc, const char *why);
void tasks_step(struct engine *e);
void runs_sweep(struct engine *e);
