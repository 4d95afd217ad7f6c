/*
 * lib/flow/agenda.c and zone_at: moments in a zone whose clock skips and repeats hours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/flow/agenda.h"

#define DAILY 0x7f

static struct zone *zone(const char *name)
{
	struct zone *z = NULL;
	struct lead_error err;

	assert_int_equal(zone_load(name, &z, &err), 0);
	return z;
}

static int64_t at(const char *text)
{
	int64_t us;

	assert_true(time_parse_rfc3339(text, &us));
	return us;
}

static void is(int64_t us, const char *text)
{
	char got[25], want[25];

	time_write_utc(us, got);
	time_write_utc(at(text), want);
	assert_string_equal(got, want);
}

static void test_plain(void **state)
{
	struct agenda a = {.minute = 22 * 60, .days = DAILY};

	is(agenda_next(&a, NULL, at("2026-11-28T21:59:59Z")), "2026-11-28T22:00:00Z");
	is(agenda_next(&a, NULL, at("2026-11-28T22:00:00Z")), "2026-11-29T22:00:00Z");
	is(agenda_last(&a, NULL, at("2026-11-28T22:00:00Z")), "2026-11-28T22:00:00Z");
	is(agenda_last(&a, NULL, at("2026-11-28T21:59:59Z")), "2026-11-27T22:00:00Z");
}

static void test_days(void **state)
{
	struct agenda a = {.minute = 0, .days = 1u << 1 | 1u << 4}; /* Monday, Thursday */

	is(agenda_next(&a, NULL, at("2026-11-28T12:00:00Z")), "2026-11-30T00:00:00Z"); /* a Saturday */
	is(agenda_next(&a, NULL, at("2026-11-30T00:00:00Z")), "2026-12-03T00:00:00Z");
	is(agenda_last(&a, NULL, at("2026-11-28T12:00:00Z")), "2026-11-26T00:00:00Z");
	a.days = 1u << 6;
	is(agenda_next(&a, NULL, at("2026-11-28T00:00:00Z")), "2026-12-05T00:00:00Z"); /* a whole week */
	is(agenda_last(&a, NULL, at("2026-12-04T23:59:59Z")), "2026-11-28T00:00:00Z");
}

/* In spring 02:30 does not come: 03:00 it is. In autumn it comes twice: the first counts, once. */
static void test_summer_time(void **state)
{
	struct zone *z = zone("Europe/Berlin");
	struct agenda a = {.minute = 2 * 60 + 30, .days = DAILY}, late = {.minute = 22 * 60, .days = DAILY};

	is(agenda_next(&a, z, at("2026-03-28T12:00:00+01:00")), "2026-03-29T03:00:00+02:00");
	is(agenda_next(&a, z, at("2026-03-29T03:00:00+02:00")), "2026-03-30T02:30:00+02:00");
	is(agenda_last(&a, z, at("2026-03-29T01:59:59+01:00")), "2026-03-28T02:30:00+01:00");
	is(agenda_next(&a, z, at("2026-10-24T12:00:00+02:00")), "2026-10-25T02:30:00+02:00");
	is(agenda_next(&a, z, at("2026-10-25T02:30:00+02:00")), "2026-10-26T02:30:00+01:00");
	is(agenda_last(&a, z, at("2026-10-25T02:45:00+01:00")), "2026-10-25T02:30:00+02:00");
	is(agenda_next(&late, z, at("2026-03-29T12:00:00+02:00")), "2026-03-29T22:00:00+02:00");
	is(agenda_next(&late, z, at("2026-10-25T12:00:00+01:00")), "2026-10-25T22:00:00+01:00");
	zone_free(z);
}

/* Clocks that skip midnight itself, and a day that never was. */
static void test_odd_zones(void **state)
{
	struct zone *z = zone("America/Asuncion");
	struct agenda a = {.minute = 0, .days = DAILY};

	is(agenda_next(&a, z, at("2023-09-30T12:00:00-04:00")), "2023-10-01T01:00:00-03:00");
	zone_free(z);
	z = zone("Pacific/Apia");
	a.minute = 12 * 60;
	is(agenda_next(&a, z, at("2011-12-29T12:00:00-10:00")), "2011-12-31T12:00:00+14:00");
	zone_free(z);
}

/* Whatever the zone and the moment: last <= now < next, neighbours of each other, and a day has one. */
static void test_steps(void **state)
{
	static const char *const names[] = {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"};

	for (size_t n = 0; n < 4; n++) {
		struct zone *z = zone(names[n]);

		for (unsigned minute = 0; minute < 1440; minute += 67) {
			struct agenda a = {.minute = minute, .days = DAILY};
			int64_t us = at("2026-01-01T00:00:00Z");

			for (int i = 0; i < 370; i++) {
				int64_t next = agenda_next(&a, z, us);

				assert_true(next > us && next - us <= 26 * 3600 * US_PER_S);
				assert_int_equal(agenda_last(&a, z, next), next);
				assert_int_equal(agenda_next(&a, z, next - 1), next);
				assert_int_equal(agenda_last(&a, z, agenda_next(&a, z, next) - 1), next);
				us = next;
			}
			assert_true(us > at("2027-01-04T00:00:00Z") && us < at("2027-01-08T00:00:00Z"));
		}
		zone_free(z);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_days),
	    cmocka_unit_test(test_summer_time),
	    cmocka_unit_test(test_odd_zones),
	    cmocka_unit_test(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
