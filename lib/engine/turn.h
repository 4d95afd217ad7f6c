/* lib/engine/turn.h: what gather.c, turn.c, release.c and engine.c share: the lists between the outside and the turn. */
#pragma once

struct command;
struct engine;
struct outcome;

/* gather.c: takes the commands off their list and gives each to f, which takes it. */
void gathered_commands(struct engine *e, void (*f)(struct engine *e, struct command *c));
void gathered_parts_drop(struct engine *e);

/* turn.c: commands and tasks that nobody will carry out are told why not: full_why. */
void refuse_waiting(struct engine *e);

/* release.c: after the commit. Outcomes before `left` are over. */
void release(struct engine *e, struct outcome *left);
/* The commands that were carried out, or refused, are told so. */
void release_answers(struct engine *e);
void outcome_free(struct outcome *o);
