/* lib/base/time.h: moments and durations as text, and the calendar of time zones. */
#include "lib/base/time.h"
#include "lib/base/civil.h"
#include "lib/base/zone_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static int64_t utc(const char *text)
{
	int64_t us = 0;

	if (!time_parse_rfc3339(text, &us)) {
		fail_msg("no time: %s", text);
	}
	return us;
}

static void test_civil(void **state)
{
	int64_t day = day_from_civil(-800, 1, 1);
	struct civil c = civil_from_day(day), before;

	(void)state;
	assert_int_equal(day_from_civil(1970, 1, 1), 0);
	assert_int_equal(day_from_civil(2000, 3, 1), 11017);
	for (int i = 0; i < 1200000; i++) { /* some 3,200 years, day by day */
		assert_int_equal(day_from_civil(c.year, c.month, c.day), day);
		before = c;
		c = civil_from_day(++day);
		if (c.month == before.month) {
			assert_int_equal(c.day, before.day + 1);
		} else {
			assert_int_equal(c.day, 1);
			assert_int_equal(c.month, before.month % 12 + 1);
			assert_int_equal(c.year, before.year + (before.month == 12));
		}
	}
	assert_true(civil_exists(2024, 2, 29) && civil_exists(2000, 2, 29));
	assert_false(civil_exists(2023, 2, 29) || civil_exists(1900, 2, 29));
	assert_false(
	    civil_exists(2024, 13, 1) || civil_exists(2024, 0, 1) || civil_exists(2024, 4, 31));
}

static void check_write(int64_t us, const char *expected)
{
	char text[25];

	time_write_utc(us, text);
	assert_string_equal(text, expected);
}

static void test_write_utc(void **state)
{
	(void)state;
	check_write(0, "1970-01-01T00:00:00.000Z");
	check_write(-1, "1969-12-31T23:59:59.999Z");
	check_write(INT64_C(951782399999999), "2000-02-28T23:59:59.999Z");
	check_write(TIME_NEVER, "9999-12-31T23:59:59.999Z");
	check_write(INT64_MIN, "0000-01-01T00:00:00.000Z");
	check_write(utc("2026-11-22T01:02:03.004Z"), "2026-11-22T01:02:03.004Z");
}

static void test_write_local(void **state)
{
	char text[32];

	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	time_write_local(utc("2026-11-22T01:02:03Z"), text);
	assert_string_equal(text, "2026-11-22 02:02:03 +0100");
	time_write_local(INT64_MAX, text); /* must only stay within its 32 bytes */
	assert_in_range(strlen(text), 1, 31);
	unsetenv("TZ");
	tzset();
}

static void test_rfc3339(void **state)
{
	static const char *const bad[] = {"", "2026-11-22", "2026-11-22T01:02:03",
	    "2026-11-22T01:02Z", "2026-13-22T01:02:03Z", "2026-02-29T01:02:03Z",
	    "2026-11-22T24:00:00Z", "2026-11-22T01:60:00Z", "2026-11-22T01:02:61Z",
	    "2026-11-22T01:02:03.Z", "2026-11-22T01:02:03+0100", "2026-11-22T01:02:03+24:00",
	    "2026-11-22T01:02:03Zx", "26-11-22T01:02:03Z", " 2026-11-22T01:02:03Z",
	    "2026-11-22_01:02:03Z"};
	int64_t us = 7;

	(void)state;
	assert_int_equal(utc("2026-11-22T01:02:03Z"), INT64_C(1795309323000000));
	assert_int_equal(utc("2026-11-22t01:02:03.5z"), INT64_C(1795309323500000));
	assert_int_equal(utc("2026-11-22 02:32:03.123456789+01:30"), INT64_C(1795309323123456));
	assert_int_equal(utc("2026-11-21T17:02:03-08:00"), INT64_C(1795309323000000));
	assert_int_equal(utc("2016-12-31T23:59:60Z"), utc("2017-01-01T00:00:00Z"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (time_parse_rfc3339(bad[i], &us)) {
			fail_msg("a time: %s", bad[i]);
		}
		assert_int_equal(us, 7);
	}
}

static void test_http_date(void **state)
{
	static const char *const good[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
	    "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"};
	static const char *const bad[] = {"", "120", "Sun, 06 Nov 1994 08:49:37",
	    "Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 31 Feb 1994 08:49:37 GMT",
	    "Sun, 6 Nov 1994 08:49:37 GMT", "Son, 06 Nov 1994 08:49:37 GMT",
	    "Sun, 06 Nov 1994 08:49:37 GMTx", "Sun Nov 6 08:49:37 1994",
	    "Sunday, 06-Nov-1994 08:49:37 GMT"};
	int64_t us;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		us = 0;
		assert_true(time_parse_http_date(good[i], &us));
		assert_int_equal(us, INT64_C(784111777000000));
	}
	assert_true(time_parse_http_date("Wednesday, 09-Nov-69 23:12:40 GMT", &us));
	assert_int_equal(us, utc("2069-11-09T23:12:40Z"));
	assert_true(time_parse_http_date("Fri Nov 16 08:49:37 2029", &us));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (time_parse_http_date(bad[i], &us)) {
			fail_msg("a date: %s", bad[i]);
		}
	}
}

struct duration_case {
	const char *text;
	int64_t us;
};

static void test_duration_go(void **state)
{
	static const struct duration_case good[] = {{"6m0s", 360000000}, {"12ms", 12000},
	    {"1h2m3.5s", 3723500000}, {"0", 0}, {"0s", 0}, {"1ns", 1}, {"1500ns", 2},
	    {"10\xC2\xB5s", 10}, {"10\xCE\xBCs", 10}, {"7us", 7}, {"1.0000001s", 1000001},
	    {"0.5h", 1800000000}, {"100000h", INT64_C(360000000000000)}, {"2m59.56s", 179560000}};
	static const char *const bad[] = {"", "1", "s", "-1s", "1.s", ".5s", "1h 2m", "1d",
	    "9999999999h", "1e3s", "1sx", "9223372036854.7758079s"};
	int64_t us;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(duration_parse_go(good[i].text, &us));
		assert_int_equal(us, good[i].us);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (duration_parse_go(bad[i], &us)) {
			fail_msg("a duration: %s", bad[i]);
		}
	}
}

static void test_duration(void **state)
{
	static const struct duration_case good[] = {{"300s", 300000000}, {"15min", 900000000},
	    {"15m", 900000000}, {"1.5s", 1500000}, {"250ms", 250000}, {"2h", 7200000000},
	    {"1d", 86400000000}, {"1w", 604800000000}, {"3us", 3}, {"0s", 0}, {"0.000001s", 1},
	    {"0.5ms", 500}};
	static const char *const bad[] = {"", "300", "s", "-1s", "1.5us", "0.0000001s", "1s1s",
	    "1 s", "1M", "1S", "9999999999999w", "1hour"};
	int64_t us;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(duration_parse(good[i].text, &us));
		assert_int_equal(us, good[i].us);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (duration_parse(bad[i], &us)) {
			fail_msg("a duration: %s", bad[i]);
		}
	}
}

static void test_duration_write(void **state)
{
	static const struct duration_case cases[] = {{"0 us", 0}, {"999 us", 999}, {"12 ms", 12999},
	    {"1.2 s", 1250000}, {"59.9 s", 59999999}, {"3 min 20 s", 200000000},
	    {"2 h 05 min", 7500000000}, {"4 d 3 h", 356400000000}, {"never", TIME_NEVER},
	    {"-1.5 s", -1500000}};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		duration_write(cases[i].us, text);
		assert_string_equal(text, cases[i].text);
	}
	duration_write(INT64_MIN, text);
	assert_string_equal(text, "-106751991 d 4 h");
}

static void check_day(const char *zone, const char *at, const char *start, const char *next)
{
	struct lead_error err = {0};
	struct zone *z = NULL;
	int64_t got_start, got_next;

	if (zone_load(zone, &z, &err) != 0) {
		fail_msg("%s", err.text);
	}
	zone_day(z, utc(at), &got_start, &got_next);
	if (got_start != utc(start) || got_next != utc(next)) {
		char a[25], b[25];

		time_write_utc(got_start, a);
		time_write_utc(got_next, b);
		fail_msg("%s at %s: %s to %s", zone, at, a, b);
	}
	zone_free(z);
}

static void check_month(const char *zone, const char *at, const char *start, const char *next)
{
	struct zone *z = NULL;
	int64_t got_start, got_next;

	assert_int_equal(zone_load(zone, &z, NULL), 0);
	zone_month(z, utc(at), &got_start, &got_next);
	assert_int_equal(got_start, utc(start));
	assert_int_equal(got_next, utc(next));
	zone_free(z);
}

static void test_zone_day(void **state)
{
	(void)state;
	check_day("UTC", "2026-11-22T12:00:00Z", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z");
	check_day("UTC", "1969-12-31T23:59:59.9Z", "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z");
	check_day(
	    "Etc/UTC", "2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z");
	check_day("Europe/Berlin", "2026-07-01T12:00:00Z", "2026-06-30T22:00:00Z",
	    "2026-07-01T22:00:00Z");
	/* days of 23 and of 25 hours, within the table and by the rule behind it */
	check_day("Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z",
	    "2026-03-29T22:00:00Z");
	check_day("Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z",
	    "2026-10-25T23:00:00Z");
	check_day("Europe/Berlin", "2090-03-26T12:00:00Z", "2090-03-25T23:00:00Z",
	    "2090-03-26T22:00:00Z");
	check_day("America/New_York", "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z",
	    "2026-03-09T04:00:00Z");
	check_day("Asia/Kathmandu", "2026-01-01T00:00:00Z", "2025-12-31T18:15:00Z",
	    "2026-01-01T18:15:00Z");
	/* summer at the other end of the year, negative summer time, a half hour */
	check_day("Australia/Sydney", "2100-01-15T00:00:00Z", "2100-01-14T13:00:00Z",
	    "2100-01-15T13:00:00Z");
	check_day("Europe/Dublin", "2060-01-15T12:00:00Z", "2060-01-15T00:00:00Z",
	    "2060-01-16T00:00:00Z");
	check_day("Europe/Dublin", "2060-07-15T12:00:00Z", "2060-07-14T23:00:00Z",
	    "2060-07-15T23:00:00Z");
	check_day("Australia/Lord_Howe", "2060-07-15T00:00:00Z", "2060-07-14T13:30:00Z",
	    "2060-07-15T13:30:00Z");
}

static void test_zone_day_odd(void **state)
{
	(void)state;
	/* midnight skipped: the day begins at one o'clock */
	check_day("America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z",
	    "2018-11-05T02:00:00Z");
	check_day(
	    "Asia/Beirut", "2060-03-28T12:00:00Z", "2060-03-27T22:00:00Z", "2060-03-28T21:00:00Z");
	/* midnight twice: set back at 00:01 to 23:01, when the new day had begun */
	check_day("America/St_Johns", "2010-11-07T02:30:30Z", "2010-11-07T02:30:00Z",
	    "2010-11-08T03:30:00Z");
	check_day("America/St_Johns", "2010-11-07T02:45:00Z", "2010-11-07T02:30:00Z",
	    "2010-11-08T03:30:00Z");
	check_day("America/St_Johns", "2010-11-07T02:29:59Z", "2010-11-06T02:30:00Z",
	    "2010-11-07T02:30:00Z");
	/* a date that never was: 30 December 2011 in Samoa */
	check_day(
	    "Pacific/Apia", "2011-12-30T09:00:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z");
	check_day(
	    "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z");
}

static void test_zone_month(void **state)
{
	int64_t start, next;

	(void)state;
	check_month("UTC", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z");
	check_month("UTC", "2024-02-29T00:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
	check_month("Europe/Berlin", "2026-10-31T23:30:00Z", "2026-10-31T23:00:00Z",
	    "2026-11-30T23:00:00Z");
	check_month("Europe/Berlin", "2026-03-31T21:59:59Z", "2026-02-28T23:00:00Z",
	    "2026-03-31T22:00:00Z");
	zone_month(NULL, INT64_MAX, &start, &next);
	assert_true(start < next);
	zone_day(NULL, INT64_MIN, &start, &next);
	assert_true(start < next);
}

/* Every hour of some years: days follow each other without hole or overlap and hold their moment.
 */
static void test_zone_partition(void **state)
{
	static const char *const zones[] = {"Europe/Berlin", "America/St_Johns",
	    "America/Sao_Paulo", "Pacific/Apia", "Africa/Casablanca", "Africa/Cairo",
	    "America/Havana", "Antarctica/Troll"};

	(void)state;
	for (size_t i = 0; i < sizeof(zones) / sizeof(*zones); i++) {
		struct zone *z = NULL;
		int64_t start, next, month, month_next, end = utc("2013-01-01T00:00:00Z"),
							last_next = INT64_MIN;

		assert_int_equal(zone_load(zones[i], &z, NULL), 0);
		for (int64_t t = utc("2009-12-31T00:00:00Z"); t < end; t += 3600 * US_PER_S) {
			zone_day(z, t, &start, &next);
			zone_month(z, t, &month, &month_next);
			assert_true(start <= t && t < next);
			assert_true(month <= start && next <= month_next);
			assert_true(
			    last_next == INT64_MIN || start == last_next || next == last_next);
			last_next = next;
		}
		zone_free(z);
	}
}

/* What the C library makes of the same file: local date and hour must begin and end with our day.
 */
static void test_zone_against_libc(void **state)
{
	static const char *const zones[] = {"Europe/Berlin", "America/New_York", "Europe/Dublin",
	    "Australia/Lord_Howe", "America/Nuuk", "Asia/Jerusalem", "Pacific/Chatham",
	    "Asia/Gaza"};

	(void)state;
	for (size_t i = 0; i < sizeof(zones) / sizeof(*zones); i++) {
		struct zone *z = NULL;

		assert_int_equal(zone_load(zones[i], &z, NULL), 0);
		setenv("TZ", zones[i], 1);
		tzset();
		for (int64_t t = utc("2024-01-01T12:00:00Z"); t < utc("2110-01-01T00:00:00Z");
		     t += US_PER_DAY * 3) {
			int64_t start, next;
			struct tm now, first, last, behind;
			time_t s = (time_t)(t / US_PER_S);

			zone_day(z, t, &start, &next);
			localtime_r(&s, &now);
			s = (time_t)(start / US_PER_S);
			localtime_r(&s, &first);
			s = (time_t)(next / US_PER_S) - 1;
			localtime_r(&s, &last);
			s++;
			localtime_r(&s, &behind);
			assert_int_equal(first.tm_yday, now.tm_yday);
			assert_int_equal(last.tm_yday, now.tm_yday);
			assert_int_not_equal(behind.tm_yday, now.tm_yday);
		}
		zone_free(z);
	}
	unsetenv("TZ");
	tzset();
}

static void test_zone_names(void **state)
{
	static const char *const bad[] = {"", "/etc/passwd", "../passwd", "Europe/../Europe/Berlin",
	    "Nowhere/Land", "Europe", "zone.tab", "Europe/Berlin\n", "right/Europe/Berlin/x",
	    "tzdata.zi"};
	struct lead_error err;
	struct zone *z = (struct zone *)1;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (zone_load(bad[i], &z, &err) != LEAD_EINPUT) {
			fail_msg("a zone: %s", bad[i]);
		}
	}
	assert_ptr_equal(z, (struct zone *)1);
	assert_int_equal(zone_load("UTC", &z, &err), 0);
	assert_null(z);
	zone_free(NULL);
}

static void test_zone_rule(void **state)
{
	static const char *const bad[] = {"", "CE-1", "CET", "CET-1CEST", "CET-1CEST,M3.5.0",
	    "CET-1CEST,M13.1.0,M1.1.0", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0",
	    "CET-1CEST,M3.5.0,M10.5.0x", "<+01-1", "CET-25", "CET-1CEST,J0,J1", "CET-1CEST,366,1",
	    "CET-1:60", "CET-1CEST,M3.5.0/168,M10.5.0"};
	struct zone_rule rule;
	int32_t offset_s;
	int64_t next_s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (zone_rule_parse(bad[i], &rule)) {
			fail_msg("a rule: %s", bad[i]);
		}
	}
	assert_true(zone_rule_parse("<+0630>-6:30", &rule));
	zone_rule_at(&rule, 0, &offset_s, &next_s);
	assert_int_equal(offset_s, 23400);
	assert_true(next_s == INT64_MAX);
	/* summer time all the year, RFC 8536 section 3.3.1 */
	assert_true(zone_rule_parse("XXX3EDT4,0/0,J365/23", &rule));
	for (int64_t t = 0; t < INT64_C(4000000000); t += 86400 * 5 + 3600) {
		zone_rule_at(&rule, t, &offset_s, &next_s);
		assert_int_equal(offset_s, -14400);
	}
	/* day numbers with and without the leap day: both are 1 March 2024 */
	assert_true(zone_rule_parse("AAA0BBB,J60/0,60/1", &rule));
	zone_rule_at(&rule, utc("2024-02-29T23:59:59Z") / US_PER_S, &offset_s, &next_s);
	assert_int_equal(offset_s, 0);
	assert_int_equal(next_s, utc("2024-03-01T00:00:00Z") / US_PER_S);
	zone_rule_at(&rule, next_s, &offset_s, &next_s);
	assert_int_equal(offset_s, 3600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_civil),
	    cmocka_unit_test(test_write_utc),
	    cmocka_unit_test(test_write_local),
	    cmocka_unit_test(test_rfc3339),
	    cmocka_unit_test(test_http_date),
	    cmocka_unit_test(test_duration_go),
	    cmocka_unit_test(test_duration),
	    cmocka_unit_test(test_duration_write),
	    cmocka_unit_test(test_zone_day),
	    cmocka_unit_test(test_zone_day_odd),
	    cmocka_unit_test(test_zone_month),
	    cmocka_unit_test(test_zone_partition),
	    cmocka_unit_test(test_zone_against_libc),
	    cmocka_unit_test(test_zone_names),
	    cmocka_unit_test(test_zone_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
