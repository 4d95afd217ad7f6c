/* lib/engine/call/schedule.h: which call next, and why not. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct call;
struct engine;
struct run;
struct service_call;
struct slot;

/* What a place in a queue may wait for, in the words of `why` (condition_word). */
enum condition {
	COND_NONE,        /* nothing: it may go */
	COND_STORE,       /* room on the disk */
	COND_DRAIN,       /* leadd is stopping */
	COND_RUN,         /* the run is paused or over */
	COND_PIPELINE,    /* it is gone from the configuration */
	COND_APPROVAL,    /* a person has to release it */
	COND_PAUSED,      /* an operator has paused the service */
	COND_CONCURRENCY, /* as many calls as may be are under way */
	COND_KEY,         /* its credential is missing or refused */
	COND_BREAKER,     /* the service does not answer */
	COND_THROTTLE,    /* it asked to wait */
	COND_QUOTA,       /* its own allowance is used up */
	COND_WINDOW,      /* a limit of ours */
	COND_BUDGET,      /* money for this call */
	COND_FINISH,      /* money for a lead to its end: it is not begun */
	COND_LINGER,      /* a batch waits to be full */
	COND_TIME,        /* a lead could not be finished in time: it is not begun */
	COND_SETUP        /* the run's own item has not set everything up */
};
/* The condition that holds longest, and until when. */
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
/* Grants, service by service, what may go now, and sets when each service is next to be looked at (lane.wake_us). */
void schedule(struct engine *e);
