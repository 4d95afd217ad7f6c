/*
 * lib/base/zone_rule.c: `CET-1CEST,M3.5.0,M10.5.0/3` and what follows from it. To
 * look at a moment, the two changes of its year and of the years beside it are
 * laid out in order.
 */
#include "lib/base/zone_rule.h"

#include "lib/base/civil.h"

#include <string.h>

#define DAY_S INT64_C(86400)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool read_number(const char **p, int most, int *ret)
{
	int number = 0;

	if (!is_digit(**p)) {
		return false;
	}
	while (is_digit(**p) && number <= most) {
		number = number * 10 + (*(*p)++ - '0');
	}
	*ret = number;
	return number <= most;
}

/* `CET` or `<+0630>`; nobody needs the name. */
static bool skip_name(const char **p)
{
	const char *first = *p;

	if (**p == '<') {
		*p += strcspn(*p, ">");
		return *(*p) == '>' && ++*p;
	}
	while ((**p >= 'A' && **p <= 'Z') || (**p >= 'a' && **p <= 'z')) {
		(*p)++;
	}
	return *p - first >= 3;
}

/* `[+-]hh[:mm[:ss]]` */
static bool read_time(const char **p, int most_hours, int32_t *ret_s)
{
	int sign = **p == '-' ? -1 : 1;
	int h, m = 0, s = 0;

	*p += **p == '-' || **p == '+';
	if (!read_number(p, most_hours, &h)) {
		return false;
	}
	if (**p == ':') {
		(*p)++;
		if (!read_number(p, 59, &m)) {
			return false;
		}
		if (**p == ':') {
			(*p)++;
			if (!read_number(p, 59, &s)) {
				return false;
			}
		}
	}
	*ret_s = sign * (h * 3600 + m * 60 + s);
	return true;
}

/* `Mm.w.d`, `Jn` or `n`, then perhaps `/time`. */
static bool read_date(const char **p, struct zone_date *ret)
{
	struct zone_date d = {.time_s = 2 * 3600};
	int month, week;

	if (**p == 'M') {
		(*p)++;
		d.form = ZONE_DATE_WEEKDAY;
		if (!read_number(p, 12, &month) || month < 1 || *(*p)++ != '.' ||
		    !read_number(p, 5, &week) || week < 1 || *(*p)++ != '.' ||
		    !read_number(p, 6, &d.day)) {
			return false;
		}
		d.month = (unsigned)month;
		d.week = (unsigned)week;
	} else if (**p == 'J') {
		(*p)++;
		d.form = ZONE_DATE_JULIAN;
		if (!read_number(p, 365, &d.day) || d.day < 1) {
			return false;
		}
	} else {
		d.form = ZONE_DATE_DAY;
		if (!read_number(p, 365, &d.day)) {
			return false;
		}
	}
	if (**p == '/') {
		(*p)++;
		if (!read_time(p, 167, &d.time_s)) {
			return false;
		}
	}
	*ret = d;
	return true;
}

bool zone_rule_parse(const char *text, struct zone_rule *ret)
{
	struct zone_rule rule = {0};
	const char *p = text;

	if (!skip_name(&p) || !read_time(&p, 24, &rule.standard_s)) {
		return false;
	}
	rule.standard_s = -rule.standard_s; /* POSIX counts to the west */
	if (*p != '\0') {
		rule.has_summer = true;
		rule.summer_s = -rule.standard_s - 3600;
		if (!skip_name(&p) || (*p != ',' && !read_time(&p, 24, &rule.summer_s))) {
			return false;
		}
		rule.summer_s = -rule.summer_s;
		if (*p++ != ',' || !read_date(&p, &rule.start) || *p++ != ',' ||
		    !read_date(&p, &rule.end) || *p != '\0') {
			return false;
		}
	}
	*ret = rule;
	return true;
}

/* The moment of a date in a year, on a clock that is offset_s ahead of UTC. */
static int64_t moment(const struct zone_date *d, int64_t year, int32_t offset_s)
{
	int64_t day = day_from_civil(year, 1, 1);

	switch (d->form) {
	case ZONE_DATE_DAY:
		day += d->day;
		break;
	case ZONE_DATE_JULIAN:
		day += d->day - 1 + (d->day > 59 && civil_exists(year, 2, 29));
		break;
	case ZONE_DATE_WEEKDAY: {
		int64_t first = day_from_civil(year, d->month, 1);
		int64_t weekday =
		    first + 4 - 7 * floor_div(first + 4, 7); /* 1970 began on a Thursday */
		unsigned in_month = (unsigned)((d->day - weekday + 7) % 7) + 7 * (d->week - 1) + 1;

		day = first + in_month - 1;
		if (!civil_exists(year, d->month, in_month)) {
			day -= 7;
		}
		break;
	}
	}
	return day * DAY_S + d->time_s - offset_s;
}

void zone_rule_at(
    const struct zone_rule *rule, int64_t t_s, int32_t *ret_offset_s, int64_t *ret_next_s)
{
	int64_t year = civil_from_day(floor_div(t_s, DAY_S)).year;
	int64_t latest = INT64_MIN, next = INT64_MAX;
	int32_t offset_s = rule->standard_s;

	/* an end comes before a start at the same moment: that is how summer all the year is
	 * written */
	for (int64_t y = year - 1; rule->has_summer && y <= year + 1; y++) {
		for (int starts = 0; starts < 2; starts++) {
			int64_t at = starts ? moment(&rule->start, y, rule->standard_s)
					    : moment(&rule->end, y, rule->summer_s);

			if (at > t_s) {
				next = at < next ? at : next;
			} else if (at >= latest) {
				latest = at;
				offset_s = starts ? rule->summer_s : rule->standard_s;
			}
		}
	}
	*ret_offset_s = offset_s;
	*ret_next_s = next;
}
