/* daemon/child_kit.h: what the children that reckon something have in common. */
#pragma once

#include "lib/base/error.h"

#include <json-c/json.h>
#include <stdint.h>

struct config;

/*
 * No more processor time and memory than this, not longer than the daemon lives, and behind it. Memory: RLIM_INFINITY for no bound;
 * maps of files, as the store is one, do not count.
 */
void child_bound(unsigned cpu_s, uint64_t memory_bytes);
/*
 * The configuration as its files stand now, without the credentials. missing: a list of the names of those that the daemon lacks; NULL: none
 * are looked at. LEAD_EINPUT: there is a mistake in it, the first is told.
 */
int child_config(const char *file, struct json_object *missing, struct config **ret, struct lead_error *err) MUST_CHECK;
