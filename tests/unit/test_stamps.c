/* lib/flow/stamps.h and period.h: the log against a plain sorted array; months of a zone with clock
 * changes. */
#include "lib/flow/stamps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/ids.h"
#include "lib/base/time.h"
#include "lib/flow/period.h"

#define MOST 600

struct plain {
	int64_t late_us[MOST];
	uint64_t weight[MOST];
	size_t n;
};

static void plain_insert(struct plain *p, int64_t late_us, uint64_t weight)
{
	size_t i = p->n++;

	while (i > 0 && p->late_us[i - 1] > late_us) {
		p->late_us[i] = p->late_us[i - 1];
		p->weight[i] = p->weight[i - 1];
		i--;
	}
	p->late_us[i] = late_us;
	p->weight[i] = weight;
}

static void plain_trim(struct plain *p, size_t n)
{
	p->n -= n;
	memmove(p->late_us, p->late_us + n, p->n * sizeof(*p->late_us));
	memmove(p->weight, p->weight + n, p->n * sizeof(*p->weight));
}

static void compare(const struct stamps *s, const struct plain *p, struct dice *dice)
{
	size_t from = p->n == 0 ? 0 : dice_below(dice, p->n);
	uint64_t want = 1 + dice_below(dice, 40), sum = 0, all = 0;
	int64_t reach = TIME_NEVER, find = (int64_t)dice_below(dice, 1000);
	size_t later = 0;

	assert_int_equal(stamps_count(s), p->n);
	for (size_t i = 0; i < p->n; i++) {
		assert_int_equal(stamps_late(s, s->first + i), p->late_us[i]);
		later += p->late_us[i] <= find;
		if (i >= from) {
			all += p->weight[i];
			sum += p->weight[i];
			reach = sum >= want && reach == TIME_NEVER ? p->late_us[i] : reach;
		}
	}
	assert_int_equal(stamps_weight(s, s->first + from), all);
	assert_int_equal(stamps_reach(s, s->first + from, want), reach);
	assert_int_equal(stamps_find(s, find) - s->first, later);
}

static void test_against_plain_array(void **state)
{
	struct dice dice;
	struct stamps s = {0};
	struct plain p = {0};

	dice_seed(&dice, 11);
	for (int round = 0; round < 4000; round++) {
		if (p.n < MOST && dice_below(&dice, 10) > 0) {
			int64_t late_us = (int64_t)dice_below(&dice, 1000);
			uint64_t weight = dice_below(&dice, 6);
			size_t first = s.first, end = s.end;
			bool down;

			assert_int_equal(stamps_reserve(&s, p.n + 1), 0);
			down = stamps_insert(&s, late_us, weight);
			assert_int_equal(s.first, first - down);
			assert_int_equal(s.end, end + !down);
			plain_insert(&p, late_us, weight);
		} else {
			int64_t late_us = (int64_t)dice_below(&dice, 500);
			size_t keep = dice_below(&dice, p.n + 1), n = 0;

			stamps_trim(&s, late_us, s.first + keep);
			while (n < keep && p.late_us[n] <= late_us) {
				n++;
			}
			plain_trim(&p, n);
		}
		compare(&s, &p, &dice);
	}
	stamps_fini(&s);
}

/* Backwards is how a ledger is read; it must not cost the square. */
static void test_fills_from_either_end(void **state)
{
	struct stamps s = {0};

	for (int64_t i = 0; i < 300000; i++) {
		assert_int_equal(stamps_reserve(&s, stamps_count(&s) + 1), 0);
		stamps_insert(&s, i % 3 == 0 ? i : -i, 2);
	}
	assert_int_equal(stamps_weight(&s, s.first), 600000);
	assert_int_equal(stamps_late(&s, s.first), -299999);
	assert_int_equal(stamps_reach(&s, s.first, 1), -299999);
	assert_int_equal(stamps_reach(&s, s.first, 600001), TIME_NEVER);
	stamps_fini(&s);
}

static struct now at(const char *utc, int64_t boot_us)
{
	struct now now = {.boot_us = boot_us};

	assert_true(time_parse_rfc3339(utc, &now.wall_us));
	return now;
}

static void test_day_of_a_zone(void **state)
{
	struct now now = at("2026-10-25T10:00:00Z", 0); /* the day has 25 hours in Berlin */
	struct period p = {0};
	struct zone *zone;

	assert_int_equal(zone_load("Europe/Berlin", &zone, NULL), 0);
	assert_true(period_follow(&p, WINDOW_DAY, zone, now));
	assert_false(period_follow(&p, WINDOW_DAY, zone, now));
	assert_int_equal(p.begin_us, -12 * 3600 * US_PER_S);
	assert_int_equal(period_end(&p, now), 13 * 3600 * US_PER_S);
	now = at("2026-10-25T22:59:59.999999Z", 13 * 3600 * US_PER_S - 1);
	assert_false(period_follow(&p, WINDOW_DAY, zone, now));
	now = at("2026-10-25T23:00:00Z", 13 * 3600 * US_PER_S);
	assert_true(period_follow(&p, WINDOW_DAY, zone, now));
	assert_int_equal(p.begin_us, now.boot_us);
	assert_int_equal(p.until_us, now.boot_us + US_PER_DAY);
	zone_free(zone);
}

/* When the clocks disagree about midnight, the earlier one begins the new period. */
static void test_disagreeing_clocks(void **state)
{
	struct period p = {0};

	assert_true(period_follow(&p, WINDOW_DAY, NULL, at("2026-01-01T12:00:00Z", 0)));
	/* the wall clock was stepped back by two hours */
	assert_false(
	    period_follow(&p, WINDOW_DAY, NULL, at("2026-01-01T22:00:00Z", 12 * 3600 * US_PER_S)));
	assert_int_equal(
	    period_end(&p, at("2026-01-01T22:00:00Z", 12 * 3600 * US_PER_S)), 14 * 3600 * US_PER_S);
	assert_true(
	    period_follow(&p, WINDOW_DAY, NULL, at("2026-01-02T00:00:00Z", 14 * 3600 * US_PER_S)));
	assert_int_equal(p.begin_us, 12 * 3600 * US_PER_S);
	/* it was stepped forward by two hours */
	assert_false(
	    period_follow(&p, WINDOW_DAY, NULL, at("2026-01-03T00:00:00Z", 36 * 3600 * US_PER_S)));
	assert_true(
	    period_follow(&p, WINDOW_DAY, NULL, at("2026-01-03T02:00:00Z", 38 * 3600 * US_PER_S)));
	assert_int_equal(p.begin_us, 36 * 3600 * US_PER_S);
	/* and back into the day before, which now holds what both of them held */
	assert_true(
	    period_follow(&p, WINDOW_DAY, NULL, at("2026-01-02T23:00:00Z", 39 * 3600 * US_PER_S)));
	assert_int_equal(p.begin_us, 16 * 3600 * US_PER_S);
	assert_int_equal(p.until_us, 40 * 3600 * US_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_against_plain_array),
	    cmocka_unit_test(test_fills_from_either_end),
	    cmocka_unit_test(test_day_of_a_zone),
	    cmocka_unit_test(test_disagreeing_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
