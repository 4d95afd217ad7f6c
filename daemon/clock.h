/* daemon/clock.h: the only place that reads the clocks. */
#pragma once

#include "lib/base/time.h"

#include <time.h>

static inline int64_t clock_read(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

/* Goes on through suspend, never steps. */
static inline int64_t clock_boot_us(void)
{
	return clock_read(CLOCK_BOOTTIME);
}

static inline struct now clock_now(void)
{
	return (struct now){.boot_us = clock_boot_us(), .wall_us = clock_read(CLOCK_REALTIME)};
}
