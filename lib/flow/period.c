/*
 * lib/flow/period.c: where a calendar window begins, in boot time. A new period
 * begins at its midnight; when the clocks disagree about when that was, at the
 * earlier moment, so that calls around it count in both periods.
 */
#include "lib/flow/period.h"

static int64_t min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void period_bounds(enum window_kind kind, const struct zone *zone, int64_t wall_us,
    int64_t *ret_start_us, int64_t *ret_next_us)
{
	if (kind == WINDOW_MONTH) {
		zone_month(zone, wall_us, ret_start_us, ret_next_us);
	} else {
		zone_day(zone, wall_us, ret_start_us, ret_next_us);
	}
}

bool period_follow(struct period *p, enum window_kind kind, const struct zone *zone, struct now now)
{
	bool back = now.wall_us < p->start_wall_us;
	bool over = now.wall_us >= p->next_wall_us && now.boot_us >= p->until_us;
	int64_t start, next, begin;

	if (p->entered && !back && !over) {
		return false;
	}
	period_bounds(kind, zone, now.wall_us, &start, &next);
	begin = now.boot_us - (now.wall_us - start);
	if (p->entered) {
		begin = min(begin, back ? p->begin_us : p->until_us);
	}
	*p = (struct period){.entered = true,
	    .start_wall_us = start,
	    .next_wall_us = next,
	    .begin_us = begin,
	    .until_us = now.boot_us + (next - now.wall_us)};
	return true;
}

int64_t period_end(const struct period *p, struct now now)
{
	int64_t wall_says = now.boot_us + (p->next_wall_us - now.wall_us);

	return wall_says > p->until_us ? wall_says : p->until_us;
}
