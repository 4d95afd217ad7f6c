/* lib/engine/call/finish.h: no more is begun than can be finished: by money and by time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account;
struct engine;
struct item;
struct lane;
struct run;
struct slot;
struct stage;

/* Leads begun that are not at an end and not held. */
uint64_t finish_begun(const struct run *r);
uint64_t finish_begun_at(const struct run *r, size_t pipeline_stage);
/* The most a lead may cost at a stage. */
int64_t finish_most(const struct stage *st);
/* What the leads begun of all runs that count in the account still need of it. */
int64_t finish_need(struct engine *e, const struct account *a, const struct lane *l);
/* Do all budgets hold one more lead, from beginning to end? Else when, and the budget that is short. */
int64_t finish_money_earliest(struct engine *e, struct run *r, struct slot *s, struct account **ret_short, int64_t *ret_limit);
/* So many calls of the slot the budgets allow whatever becomes of the leads begun; 0 where the run's time may end first. */
uint64_t finish_calls_left(struct engine *e, struct run *r, struct slot *s);
/* May as many leads be begun at once, by money and by time? */
bool finish_allows(struct engine *e, struct run *r, struct slot *s, size_t leads);
/* How long until a lead that is started now, and everything before it, is done at the latest; alone: if nothing were before it. */
int64_t finish_time_us(struct engine *e, struct run *r, bool alone);
/* Parks what no budget and no time lets go any more, in runs where nothing else moves. */
void runs_wind_down(struct engine *e);
bool run_is_stuck(struct engine *e, struct run *r);
void finish_park(struct engine *e, struct run *r, struct item *i);
