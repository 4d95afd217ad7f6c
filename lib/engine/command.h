/* lib/engine/command.h: what people ask for. */
#pragma once

#include "lib/engine/engine.h"

struct campaign;
struct command;
struct engine;
struct run;
struct run_row;

/* A run of the campaign begins; takes what row owns. 0 or LEAD_ENOMEM. */
int run_begin(struct engine *e, const struct campaign *m, struct run_row *row, uint32_t *ret);
/* It is carried out, or a task is begun for it, or it is refused. */
void command_apply(struct engine *e, struct command *c);
/* Commands of one kind: command_run.c, command_service.c, reload.c. */
void command_start(struct engine *e, struct command *c);
void command_run(struct engine *e, struct command *c);
void command_service(struct engine *e, struct command *c);
void command_reload(struct engine *e, struct command *c);
/* It was carried out: to be told after the commit. */
void command_answer(struct engine *e, struct command *c);
/* rc: COMMAND_NOT_FOUND, COMMAND_WRONG_STATE, or an enum lead_err. */
void command_refuse(struct engine *e, struct command *c, int rc, const char *why);
