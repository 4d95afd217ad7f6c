/*
 * lib/flow/window.c: how a window is written: `50/60s`, `10000/day`.
 */
#include "lib/flow/limit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHORTEST_US US_PER_MS
#define LONGEST_US (31 * US_PER_DAY)
#define MOST_DIGITS 18 /* of the count: fits a uint64_t with room to spare */

static bool parse_length(const char *text, struct window_spec *w)
{
	char one[8];

	if (strcmp(text, "day") == 0 || strcmp(text, "month") == 0) {
		w->kind = text[0] == 'd' ? WINDOW_DAY : WINDOW_MONTH;
		return true;
	}
	if (text[0] < '0' || text[0] > '9') { /* `/min` is `/1min` */
		if (snprintf(one, sizeof(one), "1%s", text) >= (int)sizeof(one)) {
			return false;
		}
		text = one;
	}
	w->kind = WINDOW_SLIDING;
	return duration_parse(text, &w->length_us) && w->length_us >= SHORTEST_US &&
	       w->length_us <= LONGEST_US;
}

bool window_parse(const char *text, struct window_spec *ret)
{
	size_t digits = strspn(text, "0123456789");
	struct window_spec w = {0};

	if (digits == 0 || digits > MOST_DIGITS || text[digits] != '/') {
		return false;
	}
	for (size_t i = 0; i < digits; i++) {
		w.max = w.max * 10 + (uint64_t)(text[i] - '0');
	}
	if (w.max == 0 || !parse_length(text + digits + 1, &w)) {
		return false;
	}
	*ret = w;
	return true;
}

void window_write(const struct window_spec *w, char out[48])
{
	static const struct {
		const char *name;
		int64_t us;
	} units[] = {{"us", 1}, {"ms", US_PER_MS}, {"s", US_PER_S}, {"min", 60 * US_PER_S},
	    {"h", 3600 * US_PER_S}, {"d", US_PER_DAY}};
	size_t unit = 0;

	if (w->kind != WINDOW_SLIDING) {
		snprintf(
		    out, 48, "%" PRIu64 "/%s", w->max, w->kind == WINDOW_DAY ? "day" : "month");
		return;
	}
	/* people say 60s, 60min and 24h, but 1s: from minutes on one unit is told in the next
	 * smaller */
	for (size_t i = 1; i < sizeof(units) / sizeof(units[0]); i++) {
		if (w->length_us % units[i].us == 0 &&
		    w->length_us / units[i].us >= (i > 2 ? 2 : 1)) {
			unit = i;
		}
	}
	snprintf(out, 48, "%" PRIu64 "/%" PRId64 "%s", w->max, w->length_us / units[unit].us,
	    units[unit].name);
}
