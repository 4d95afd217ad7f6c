/* See agenda.h. */
#include "lib/flow/agenda.h"

#define DAYS 8 /* of the same weekday two lie within them */

int64_t agenda_last(const struct agenda *a, const struct zone *z, int64_t wall_us)
{
	int64_t day_us = wall_us, start_us, next_us;

	for (int i = 0; i < DAYS; i++, day_us = start_us - 1) {
		unsigned weekday;
		int64_t at_us = zone_at(z, day_us, a->minute, &weekday);

		if ((a->days >> weekday & 1) != 0 && at_us <= wall_us) {
			return at_us;
		}
		zone_day(z, day_us, &start_us, &next_us);
	}
	return INT64_MIN; /* the calendar has ended */
}

int64_t agenda_next(const struct agenda *a, const struct zone *z, int64_t wall_us)
{
	int64_t day_us = wall_us, start_us, next_us;

	for (int i = 0; i < DAYS; i++, day_us = next_us) {
		unsigned weekday;
		int64_t at_us = zone_at(z, day_us, a->minute, &weekday);

		if ((a->days >> weekday & 1) != 0 && at_us > wall_us) {
			return at_us;
		}
		zone_day(z, day_us, &start_us, &next_us);
	}
	return TIME_NEVER;
}
