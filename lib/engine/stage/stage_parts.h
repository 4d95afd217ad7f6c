/*
 * lib/engine/stage/stage_parts.h: between the stage*.c files: what a stage keeps (stage_keep.c), where an item goes (stage.c, stage_chain.c,
 * stage_leave.c), and what each class of answer means for it (stage_answer.c).
 */
#pragma once

#include "lib/base/expr.h"
#include "lib/engine/config/pipeline.h"
#include "lib/engine/stage/stage.h"

struct answer;
struct engine;
struct gate;
struct run;
struct view;

/* --- stage_keep.c --- */

/* What a stage was told, laid over the record. */
struct kept {
	const struct answer *answer; /* NULL: a fallback text, in `extra` */
	struct fact_field extra[2];
	struct view *view;
};
struct expr_source kept_source(const struct kept *k);
/* The fields a stage keeps, by its `give:` or as they came; texts in the turn's arena or the answer. */
void keep_fields(struct engine *e, const struct stage *st, struct kept *k, struct fact *f);
/* A fact without fields. */
void plain_fact(struct engine *e, struct item *i, enum fact_kind kind, const char *reason);

/* --- stage_chain.c --- */

/* Why a step was passed over, or a lead ends: it may not cost more. */
#define TOO_DEAR "spend-at-most"
/* What it cost at the stage since it came here, or was put back by a person; 0 where the stage has no ceiling. */
int64_t stage_spent(struct engine *e, const struct item *i, const struct stage *st);

/* It begins its step anew. */
void step_reset(struct item *i);
/* To the next step that the lead may still cost; false: there is none. */
bool next_step(struct engine *e, struct run *r, struct item *i);
/* The chain is at its end without success. */
void stage_failed(struct engine *e, struct run *r, struct item *i, enum stage_policy policy, enum item_outcome o, const char *reason);
void gate_refused(struct engine *e, struct run *r, struct item *i, const struct gate *g, const char *reason);
