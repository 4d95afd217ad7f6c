/* lib/engine/tell/notify.h: what people and programs are told, and when. */
#pragma once

#include "lib/base/uthash.h"
#include "lib/engine/call/schedule.h"
#include "lib/store/outbox.h"

struct approve_wait;
struct payment_event;

/* A condition that was told. */
struct told_mark {
	struct told_row row;
	UT_hash_handle hh;
};

/* Conditions that began or ended in this turn. */
void notify_step(struct engine *e);
/* That place in the queue waits for money. */
void notify_budget(struct engine *e, struct run *r, struct slot *s, enum condition binding);
/* Nothing of the run moves but for what a person must release. And: it was released. */
void notify_approval(struct engine *e, struct run *r, const struct approve_wait *w);
/* A payment came that released nothing. */
void notify_payment(struct engine *e, const struct run *r, const char *subject, const char *text, const struct payment_event *p);
void notify_approved(struct engine *e, struct run *r, uint32_t bits);
/* It has ended and its results are written. summary: text, NULL for none. */
void notify_run(struct engine *e, const struct run *r, const char *summary);
void notify_load(struct engine *e);
void notify_drop(struct engine *e);
