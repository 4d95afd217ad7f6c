/* lib/engine/call/grant.h: a call is made: reserved and written before it goes. */
#pragma once

struct call;
struct engine;
struct run;
struct service_call;
struct slot;
struct verdict;

/* How many items a call was granted for; 0: the item went elsewhere without one. */
int grant(struct engine *e, struct run *r, struct slot *s, const struct verdict *v);
/* The first lead there goes on without the call: its service has been down too long. 0 when there is none. */
int grant_down(struct engine *e, struct run *r, struct slot *s);
/* Asks for the job of that call: 1 granted, 0 it could not be asked. */
int grant_poll(struct engine *e, struct call *job, const struct service_call *poll, const struct verdict *v);
