/*
 * lib/flow/agenda.h: the moments at which something is to begin: a time of day on some days of the week, in a zone.
 *
 * A time that the local clock skips is the moment it is past it; one that it shows twice is the first of them. Each day has one.
 */
#pragma once

#include "lib/base/time.h"

struct agenda {
	unsigned minute; /* of the day, 0 to 1439 */
	uint8_t days;    /* bit per weekday, bit 0 Sunday; never 0 */
};

/* The latest moment not after wall_us; the first one after it. */
int64_t agenda_last(const struct agenda *a, const struct zone *z, int64_t wall_us);
int64_t agenda_next(const struct agenda *a, const struct zone *z, int64_t wall_us);
