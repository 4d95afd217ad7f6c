/*
 * daemon/sandbox.h: a process that reads what others have made and could be tricked by it: from sandbox_enter on it can
 * read the descriptors it has, write to them and take memory; it cannot open, connect, start or signal anything.
 */
#pragma once

#include "lib/base/error.h"

#include <stdint.h>

struct sandbox_bounds {
	uint64_t memory_bytes; /* address space */
	uint64_t file_bytes;   /* of a file that is written */
	unsigned cpu_s;
};

/* Bounds, no new privileges, then a filter of system calls; for good. Refuses where the filter is not known to work. */
int sandbox_enter(const struct sandbox_bounds *b, struct lead_error *err) MUST_CHECK;
