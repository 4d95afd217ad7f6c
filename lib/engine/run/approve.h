/*
 * lib/engine/run/approve.h: what waits until a person says yes. For the engine's own files only.
 *
 * A condition of the places in a run's queue, not a state of its items: gate_call asks approve_missing. What was released is
 * a bit of the run's row: one per stage of kind `approval` (by the run's number of that stage), and three more:
 *
 *   sample   `--sample 20`: the first 20 leads go all the way, the others are not started
 *   preview  `--preview`: nothing is begun that costs money
 *   cost     `approve_above: 50` of the campaign: the run may cost more than that
 *
 * Once released a run goes on where it was; nothing is ever taken back.
 */
#pragma once

#include "lib/store/items.h"
#include "lib/store/notes.h"

struct command;
struct engine;
struct run;
struct slot;

#define APPROVE_COST (1u << 31)
#define APPROVE_SAMPLE (1u << 30)
#define APPROVE_PREVIEW (1u << 29)
#define APPROVE_ALL UINT32_MAX

/* The bits that a place in the queue needs whatever happens, for run_bind. rest: of the leads beyond the sample. */
uint32_t approve_needs(const struct run *r, uint8_t stage, bool rest);
/* Which of them, and of those that follow from money, are not there yet; 0: nothing waits for a person there. */
uint32_t approve_missing(struct engine *e, struct run *r, const struct slot *s);
/* The first of them in words: `the sample of 20 goes first`. */
void approve_text(struct engine *e, struct run *r, uint32_t missing, char out[160]);
/* `sample`, `cost`, `preview` or the stage's name. bits: exactly one. */
const char *approve_name(const struct run *r, uint32_t bit);

/* The run's stage at whose first step the leads beyond its sample wait; RUN_STAGES: none. */
uint8_t approve_rest_stage(const struct run *r);
/* An item comes in: it belongs to the sample while that is not full. Of companies where the pipeline has stages for them, else of leads. */
void approve_take(struct run *r, enum item_level level, uint32_t number);
/* It has to wait for the sample, in a place of its own. */
bool approve_is_rest(const struct run *r, uint32_t number);

struct approve_wait {
	uint32_t missing;         /* what a plain `approve` would release; not the sample while that waits itself */
	uint64_t leads;           /* that would go on then */
	int64_t estimate_micro;   /* what they will cost, as things went so far */
	int64_t worst_micro;      /* the most they can cost */
	uint64_t all_leads;       /* that wait for a person, whatever for */
	int64_t all_estimate_micro;
	bool alone;               /* nothing else of the run moves: it is waiting-approval */
};
/* False when nothing of the run waits for a person. */
bool approve_waits(struct engine *e, struct run *r, struct approve_wait *ret);
/* The run's state in a word, `waiting-approval` among them. */
const char *approve_run_word(struct engine *e, struct run *r);
/* The same as one of four: pending, running, success, failure. */
const char *approve_task_word(struct engine *e, struct run *r);
/* Is anything left that a person has to release before it is reached? */
bool approve_is_open(const struct run *r);

/* COMMAND_APPROVE. */
void command_approve(struct engine *e, struct command *c, struct run *r);
/* Releases the bits and writes a note of it. */
void approve_release(struct engine *e, struct run *r, uint32_t bits, enum note_kind kind, const char *who, int64_t amount_micro);
/* Runs that have come to wait are told of. */
void approve_step(struct engine *e);
