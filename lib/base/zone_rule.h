/* lib/base/zone_rule.h: the rule for the years behind a zone file's table (POSIX TZ, as RFC 8536
 * section 3.3 wants it). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A day of the year in one of three forms, and a time of that day. */
struct zone_date {
	enum { ZONE_DATE_JULIAN, ZONE_DATE_DAY, ZONE_DATE_WEEKDAY } form;
	int day; /* 1 to 365 without 29 February; 0 to 365 with it; weekday, 0 is Sunday */
	unsigned month, week; /* ZONE_DATE_WEEKDAY: week 5 is the last */
	int32_t time_s;       /* after midnight; may be negative or beyond the day */
};

struct zone_rule {
	int32_t standard_s, summer_s; /* seconds east of UTC */
	bool has_summer;
	struct zone_date start, end; /* of summer time */
};

/* False for what is no such rule. */
bool zone_rule_parse(const char *text, struct zone_rule *ret);
/* The offset in force at t_s (seconds since 1970) and when it changes next (INT64_MAX: never). */
void zone_rule_at(
    const struct zone_rule *rule, int64_t t_s, int32_t *ret_offset_s, int64_t *ret_next_s);
