/* lib/engine/call/feed.h: what the way of a call says at once, before its turn, to the windows, breakers, quotas and holds of its service. */
#pragma once

#include "lib/base/time.h"

struct answer;
struct call;
struct engine;
struct http_answer;

/* Its first byte leaves, its answer's first byte is there. Boot times; each counts once. */
void feed_sent(struct call *c, int64_t boot_us);
void feed_first_byte(struct call *c, struct now now);

/* The end of the call, whatever it was. */
void feed_ended(struct engine *e, struct call *c, const struct http_answer *h, const struct answer *a, struct now now);

/* What a job's result says about the keys of the service. */
void feed_told(struct engine *e, struct call *c, const struct answer *a);
