/*
 * lib/engine/show/audit.h: every window counted again, from the ledger alone.
 *
 * The largest count in each window of each limit over the calls of the last so many microseconds, newest first, in
 * slices of short transactions: a day may hold a hundred thousand calls.
 */
#pragma once

#include "lib/engine/engine.h"

struct json_object;
struct audit;

/* The limits are those of now; a reload on the way is not seen. NULL: out of memory. */
struct audit *audit_new(struct engine *e, int64_t since_us, struct now now);
/* Looks at up to `rows` more calls. false: that was the end, or it failed (err says so then). */
bool audit_next(struct audit *a, unsigned rows, struct lead_error *err);
/* The result, owned by the caller, in the shape of daemon/API.md. */
struct json_object *audit_json(struct audit *a);
void audit_free(struct audit *a);
