/* lib/engine/schedule.h: which call next, and why not. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct call;
struct engine;
struct run;
struct service_call;
struct slot;

enum condition {
	COND_NONE, COND_STORE, COND_DRAIN, COND_RUN, COND_PIPELINE, COND_APPROVAL, COND_PAUSED, COND_CONCURRENCY, COND_KEY, COND_BREAKER, COND_THROTTLE, COND_QUOTA,
	COND_WINDOW, COND_BUDGET, COND_FINISH, COND_LINGER, COND_TIME, COND_SETUP
};
struct verdict {
	enum condition binding;
	int64_t earliest_us;    /* boot; now: granted */
	size_t group;
	size_t limit, window;   /* COND_WINDOW */
	int64_t ready_us;       /* the same without windows and COND_TIME */
};
/* The one function that grants and explains. *all (may be NULL) is called for every condition looked at. */
typedef void (*condition_fn)(void *arg, enum condition c, int64_t earliest_us, const char *text);
struct verdict gate_call(struct engine *e, struct run *r, struct slot *s, condition_fn all, void *arg);
const char *condition_word(enum condition c);
/* The same for a poll of that call's job: it has its place and its money already. */
struct verdict gate_poll(struct engine *e, const struct call *c, const struct service_call *poll, condition_fn all, void *arg);
void schedule(struct engine *e);
