/* lib/flow/limit.h by example: sliding and calendar windows, changes while running, the provider's
 * word. */
#include "lib/flow/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS US_PER_MS
#define SEC US_PER_S
#define HOUR (3600 * US_PER_S)
#define DAY US_PER_DAY
#define MIDNIGHT (INT64_C(20000) * DAY) /* of 2024-10-04, UTC */

static const struct now zero = {.boot_us = 1000 * SEC, .wall_us = MIDNIGHT + 12 * HOUR};

/* Both clocks moved on alike. */
static struct now after(struct now now, int64_t us)
{
	return (struct now){now.boot_us + us, now.wall_us + us};
}

static struct window_spec spec(const char *text)
{
	struct window_spec w;

	assert_true(window_parse(text, &w));
	return w;
}

static struct limit *limit_of(const char *a, const char *b, int64_t margin_us)
{
	struct window_spec specs[2] = {spec(a), spec(b != NULL ? b : "1/s")};
	struct limit *l = limit_new(specs, b != NULL ? 2 : 1, margin_us);

	assert_non_null(l);
	return l;
}

static void take(struct limit *l, struct limit_ticket *t, uint32_t weight, struct now now)
{
	assert_int_equal(limit_earliest(l, weight, now, NULL), now.boot_us);
	assert_int_equal(limit_take(l, t, weight, now), 0);
	assert_int_equal(t->state, TICKET_UNSENT);
}

/* Taken, sent at once, answered after `us`. */
static void whole_call(struct limit *l, struct now now, int64_t us)
{
	struct limit_ticket t = {0};

	take(l, &t, 1, now);
	limit_sent(l, &t, now.boot_us);
	limit_arrived(l, &t, after(now, us), now.boot_us + us);
	assert_int_equal(t.state, TICKET_NONE);
}

static struct window_view view(struct limit *l, size_t i, struct now now)
{
	struct window_view v;

	limit_view(l, i, now, &v);
	return v;
}

static void test_one_in_three_seconds(void **state)
{
	struct limit *l = limit_of("1/3s", NULL, SEC);
	struct limit_ticket t = {0};
	size_t i = 7;

	take(l, &t, 1, zero);
	assert_int_equal(limit_earliest(l, 1, after(zero, 50 * MS), &i), TIME_NEVER); /* unsent */
	assert_int_equal(i, 0);
	limit_sent(l, &t, zero.boot_us + 100 * MS);
	/* nobody knows when it arrives: the margin counts */
	assert_int_equal(
	    limit_earliest(l, 1, after(zero, 200 * MS), NULL), zero.boot_us + 4100 * MS);
	limit_arrived(l, &t, after(zero, 300 * MS), zero.boot_us + 290 * MS);
	/* now it is known: it was there after 290 ms at the latest */
	assert_int_equal(
	    limit_earliest(l, 1, after(zero, 300 * MS), NULL), zero.boot_us + 3290 * MS);
	assert_int_equal(
	    limit_earliest(l, 1, after(zero, 3290 * MS - 1), NULL), zero.boot_us + 3290 * MS);
	take(l, &t, 1, after(zero, 3290 * MS));
	limit_drop(l, &t);
	assert_int_equal(t.state, TICKET_NONE);
	take(l, &t, 1, after(zero, 3290 * MS)); /* the dropped one left no trace */
	limit_free(l);
}

static void test_margin_closes_by_itself(void **state)
{
	struct limit *l = limit_of("2/3s", NULL, SEC);
	struct limit_ticket a = {0}, b = {0};

	take(l, &a, 1, zero);
	take(l, &b, 1, zero);
	limit_sent(l, &b, zero.boot_us + 20 * MS); /* not in the order of taking */
	limit_sent(l, &a, zero.boot_us + 10 * MS);
	assert_int_equal(
	    limit_earliest(l, 1, after(zero, 30 * MS), NULL), zero.boot_us + 4010 * MS);
	assert_int_equal(
	    limit_earliest(l, 2, after(zero, 30 * MS), NULL), zero.boot_us + 4020 * MS);
	assert_int_equal(a.state, TICKET_SENT);
	assert_int_equal(view(l, 0, after(zero, 1015 * MS)).used, 2);
	assert_int_equal(a.state, TICKET_NONE);
	assert_int_equal(b.state, TICKET_SENT);
	/* a slow answer changes nothing any more, and it cannot be taken back either */
	limit_arrived(l, &a, after(zero, 2 * SEC), zero.boot_us + 2 * SEC);
	limit_drop(l, &a);
	assert_int_equal(
	    limit_earliest(l, 1, after(zero, 2 * SEC), NULL), zero.boot_us + 4010 * MS);
	assert_int_equal(b.state, TICKET_NONE);
	limit_free(l);
}

static void test_answer_before_the_send_was_told(void **state)
{
	struct limit *l = limit_of("1/3s", NULL, SEC);
	struct limit_ticket t = {0};

	take(l, &t, 1, zero);
	limit_arrived(
	    l, &t, after(zero, 2 * SEC), zero.boot_us + 1500 * MS); /* never reported as sent */
	assert_int_equal(
	    limit_earliest(l, 1, after(zero, 2 * SEC), NULL), zero.boot_us + 4500 * MS);
	limit_free(l);
}

static void test_times_out_of_order(void **state)
{
	struct limit *l = limit_of("1/3s", NULL, SEC);
	struct limit_ticket t = {0};

	take(l, &t, 1, zero);
	limit_sent(l, &t, zero.boot_us - SEC); /* not before it was granted */
	limit_arrived(l, &t, after(zero, 2 * SEC), zero.boot_us + 1500 * MS); /* past the margin */
	assert_int_equal(limit_earliest(l, 1, after(zero, 2 * SEC), NULL), zero.boot_us + 4 * SEC);
	/* a clock that runs backwards stands still */
	assert_int_equal(limit_earliest(l, 1, after(zero, 4 * SEC), NULL), zero.boot_us + 4 * SEC);
	assert_int_equal(limit_earliest(l, 1, zero, NULL), zero.boot_us + 4 * SEC);
	limit_free(l);
}

static void test_the_longest_wait_binds(void **state)
{
	struct limit *l = limit_of("1/3s", "3/60s", 0);
	size_t i;

	whole_call(l, zero, 0);
	assert_int_equal(limit_earliest(l, 1, zero, &i), zero.boot_us + 3 * SEC);
	assert_int_equal(i, 0);
	whole_call(l, after(zero, 3 * SEC), 0);
	whole_call(l, after(zero, 6 * SEC), 0);
	assert_int_equal(limit_earliest(l, 1, after(zero, 6 * SEC), &i), zero.boot_us + 60 * SEC);
	assert_int_equal(i, 1);
	assert_int_equal(limit_earliest(l, 2, after(zero, 6 * SEC), &i), TIME_NEVER);
	assert_int_equal(i, 0);
	assert_int_equal(limit_count(l), 2);
	limit_free(l);
}

static void test_weights_leave_in_order(void **state)
{
	struct limit *l = limit_of("10/10s", NULL, SEC);
	struct limit_ticket t[4] = {{0}};

	for (int i = 0; i < 4; i++) { /* 1 + 2 + 3 + 4 */
		take(l, &t[i], (uint32_t)i + 1, after(zero, i * SEC / 2));
		limit_sent(l, &t[i], zero.boot_us + i * SEC / 2);
		if (i == 2) {
			limit_arrived(l, &t[1], after(zero, SEC), zero.boot_us + 600 * MS);
		}
	}
	limit_arrived(l, &t[3], after(zero, 1600 * MS), zero.boot_us + 1550 * MS);
	/* late ends: 0.6 s (2), 1 s (1, by its margin), 1.55 s (4), and the open one at 2 s (3) */
	struct now now = after(zero, 1600 * MS);
	assert_int_equal(limit_earliest(l, 2, now, NULL), zero.boot_us + 10600 * MS);
	assert_int_equal(limit_earliest(l, 3, now, NULL), zero.boot_us + 11000 * MS);
	assert_int_equal(limit_earliest(l, 4, now, NULL), zero.boot_us + 11550 * MS);
	assert_int_equal(limit_earliest(l, 7, now, NULL), zero.boot_us + 11550 * MS);
	assert_int_equal(limit_earliest(l, 8, now, NULL), zero.boot_us + 12000 * MS);
	assert_int_equal(limit_earliest(l, 11, now, NULL), TIME_NEVER);
	limit_free(l);
}

static void test_view(void **state)
{
	struct limit *l = limit_of("3/10s", NULL, SEC);
	struct limit_ticket t = {0};
	struct window_view v = view(l, 0, zero);

	assert_int_equal(v.used, 0);
	assert_int_equal(v.remaining, 3);
	assert_int_equal(v.free_us, TIME_NEVER);
	take(l, &t, 2, zero);
	v = view(l, 0, zero);
	assert_int_equal(v.used, 2);
	assert_int_equal(v.remaining, 1);
	assert_int_equal(v.free_us, TIME_NEVER); /* only an open call holds it */
	limit_sent(l, &t, zero.boot_us);
	limit_arrived(l, &t, after(zero, SEC / 2), zero.boot_us + SEC / 2);
	v = view(l, 0, after(zero, SEC));
	assert_int_equal(v.used, 2);
	assert_int_equal(v.free_us, zero.boot_us + 10500 * MS);
	assert_int_equal(v.spec.max, 3);
	limit_free(l);
}

static void test_restore_in_any_order(void **state)
{
	static const int64_t late_s[] = {-5, -50, 1, -20, -59, -61, -1, -4000};
	struct limit *l = limit_of("10/60s", NULL, SEC);
	struct now now = {.boot_us = 3 * SEC, .wall_us = MIDNIGHT + 2 * HOUR}; /* just booted */

	for (size_t i = 0; i < sizeof(late_s) / sizeof(late_s[0]); i++) {
		assert_int_equal(limit_restore(l, 1, now.boot_us + late_s[i] * SEC,
				     now.wall_us + late_s[i] * SEC, now),
		    0);
	}
	assert_int_equal(view(l, 0, now).used, 6);
	assert_int_equal(view(l, 0, now).free_us, now.boot_us + 1 * SEC);
	assert_int_equal(limit_earliest(l, 5, now, NULL), now.boot_us + 1 * SEC);
	assert_int_equal(limit_earliest(l, 9, now, NULL), now.boot_us + 59 * SEC);
	assert_int_equal(limit_earliest(l, 10, now, NULL), now.boot_us + 61 * SEC);
	limit_free(l);
}

static void test_lowered_and_raised(void **state)
{
	struct limit *l = limit_of("5/10s", NULL, 0);
	struct window_spec w = spec("2/10s");
	struct now now = after(zero, 5 * SEC);

	for (int i = 0; i < 5; i++) {
		whole_call(l, after(zero, i * SEC), 0);
	}
	assert_int_equal(limit_change(l, &w, 1, 0), 0);
	assert_int_equal(view(l, 0, now).used, 5);
	assert_int_equal(view(l, 0, now).remaining, 0);
	assert_int_equal(view(l, 0, now).free_us, zero.boot_us + 13 * SEC);
	assert_int_equal(limit_earliest(l, 1, now, NULL), zero.boot_us + 13 * SEC);
	w = spec("7/10s");
	assert_int_equal(limit_change(l, &w, 1, 0), 0);
	assert_int_equal(limit_earliest(l, 2, now, NULL), now.boot_us);
	assert_int_equal(limit_earliest(l, 3, now, NULL), zero.boot_us + 10 * SEC);
	limit_free(l);
}

static void test_windows_come_and_go(void **state)
{
	struct limit *l = limit_of("5/10s", NULL, SEC);
	struct window_spec two[] = {spec("1/s"), spec("5/20s")};
	struct limit_ticket t = {0};
	size_t i;

	for (int k = 0; k < 4; k++) {
		whole_call(l, after(zero, k * SEC), 0);
	}
	take(l, &t, 1, after(zero, 4 * SEC));
	limit_sent(l, &t, zero.boot_us + 4 * SEC);
	/* the longer window finds what the shorter one has forgotten, and the open call */
	assert_int_equal(limit_change(l, two, 2, SEC), 0);
	assert_int_equal(limit_earliest(l, 1, after(zero, 15 * SEC), &i), zero.boot_us + 20 * SEC);
	assert_int_equal(i, 1);
	assert_int_equal(limit_change(l, two, 1, SEC), 0);
	assert_int_equal(limit_count(l), 1);
	assert_int_equal(
	    limit_earliest(l, 1, after(zero, 15 * SEC), NULL), zero.boot_us + 15 * SEC);
	assert_int_equal(limit_change(l, NULL, 0, SEC), 0);
	take(l, &t, 1000, after(zero, 15 * SEC)); /* no window, no limit */
	limit_free(l);
}

static void test_shorter_margin_does_not_hurry_what_has_left(void **state)
{
	struct limit *l = limit_of("1/10s", NULL, 2 * SEC);
	struct window_spec w = spec("1/10s");
	struct limit_ticket t = {0};

	take(l, &t, 1, zero);
	limit_sent(l, &t, zero.boot_us);
	assert_int_equal(limit_change(l, &w, 1, 0), 0);
	assert_int_equal(limit_earliest(l, 1, after(zero, MS), NULL), zero.boot_us + 12 * SEC);
	limit_arrived(l, &t, after(zero, MS), zero.boot_us + MS);
	limit_free(l);
}

static void test_day(void **state)
{
	struct limit *l = limit_of("2/day", NULL, SEC);
	int64_t midnight_us = zero.boot_us + 12 * HOUR;
	struct limit_ticket t = {0};

	whole_call(l, zero, 0);
	take(l, &t, 1, zero);
	assert_int_equal(limit_earliest(l, 1, zero, NULL), midnight_us);
	assert_int_equal(view(l, 0, zero).free_us, midnight_us);
	limit_drop(l, &t);
	assert_int_equal(view(l, 0, zero).used, 1); /* taken back */
	whole_call(l, after(zero, HOUR), MS);
	assert_int_equal(limit_earliest(l, 1, after(zero, 12 * HOUR - 1), NULL), midnight_us);
	whole_call(l, after(zero, 12 * HOUR), MS);
	assert_int_equal(view(l, 0, after(zero, 12 * HOUR + SEC)).used, 1);
	assert_int_equal(view(l, 0, after(zero, 40 * HOUR)).used, 0);
	limit_free(l);
}

static void test_day_counts_both_sides_of_midnight(void **state)
{
	struct limit *l = limit_of("2/day", NULL, SEC);
	struct now eve = after(zero, 12 * HOUR - SEC / 2);
	struct now morning = after(zero, 12 * HOUR + SEC);
	struct limit_ticket a = {0}, b = {0};

	take(l, &a, 1, eve);
	take(l, &b, 1, eve);
	limit_sent(l, &a, eve.boot_us); /* may arrive up to half a second after midnight */
	/* the coming day is full as well: one may straddle, the other has not even left */
	assert_int_equal(limit_earliest(l, 1, eve, NULL), zero.boot_us + 36 * HOUR);
	limit_sent(l, &b, eve.boot_us);
	assert_int_equal(limit_earliest(l, 1, eve, NULL), zero.boot_us + 36 * HOUR);
	limit_arrived(l, &a, after(eve, MS), eve.boot_us + MS); /* no: it was there before */
	assert_int_equal(limit_earliest(l, 1, after(eve, MS), NULL), zero.boot_us + 12 * HOUR);
	assert_int_equal(view(l, 0, morning).used, 1);
	whole_call(l, morning, 0);
	assert_int_equal(limit_earliest(l, 1, morning, NULL), zero.boot_us + 36 * HOUR);
	limit_free(l);
}

static void test_unsent_over_midnight_counts_in_the_new_day(void **state)
{
	struct limit *l = limit_of("1/day", NULL, SEC);
	struct now eve = after(zero, 12 * HOUR - SEC);
	struct limit_ticket t = {0};

	take(l, &t, 1, eve);
	assert_int_equal(limit_earliest(l, 1, eve, NULL), TIME_NEVER);
	assert_int_equal(view(l, 0, after(eve, 2 * SEC)).used, 1);
	assert_int_equal(view(l, 0, after(eve, 2 * SEC)).free_us, TIME_NEVER);
	limit_sent(l, &t, eve.boot_us + 2 * SEC);
	limit_arrived(l, &t, after(eve, 3 * SEC), eve.boot_us + 3 * SEC);
	assert_int_equal(limit_earliest(l, 1, after(eve, 3 * SEC), NULL), zero.boot_us + 36 * HOUR);
	limit_free(l);
}

static void test_month(void **state)
{
	struct limit *l = limit_of("1/month", NULL, 0);
	int64_t november_us = zero.boot_us + 27 * DAY + 12 * HOUR; /* 4 October, noon */

	whole_call(l, zero, 0);
	assert_int_equal(limit_earliest(l, 1, after(zero, 20 * DAY), NULL), november_us);
	whole_call(l, after(zero, 27 * DAY + 12 * HOUR), 0);
	assert_int_equal(limit_earliest(l, 1, after(zero, 30 * DAY), NULL), november_us + 30 * DAY);
	limit_free(l);
}

static void test_step_forward_frees_nothing(void **state)
{
	struct limit *l = limit_of("1/day", NULL, 0);
	struct now now = after(zero, HOUR);

	whole_call(l, zero, 0);
	now.wall_us += 3 * DAY;
	assert_int_equal(limit_earliest(l, 1, now, NULL), zero.boot_us + 12 * HOUR);
	now = after(now, 11 * HOUR - 1);
	assert_int_equal(view(l, 0, now).used, 1);
	now = after(now, 1); /* the wall clock has long been past midnight; now the other agrees */
	whole_call(l, now, 0);
	assert_int_equal(limit_earliest(l, 1, now, NULL), now.boot_us + DAY);
	limit_free(l);
}

static void test_step_just_over_midnight_frees_nothing(void **state)
{
	struct limit *l = limit_of("1/day", NULL, 0);
	struct now now = after(zero, HOUR);

	whole_call(l, zero, 0);
	now.wall_us += 11 * HOUR + HOUR / 2; /* 00:30 */
	assert_int_equal(limit_earliest(l, 1, now, NULL), zero.boot_us + 12 * HOUR);
	now.wall_us -= 11 * HOUR + HOUR / 2; /* and back */
	assert_int_equal(limit_earliest(l, 1, now, NULL), zero.boot_us + 12 * HOUR);
	limit_free(l);
}

/* A day that does not end by the wall clock keeps its calls longer than the log would. */
static void test_stepped_back_again_and_again(void **state)
{
	struct limit *l = limit_of("1/day", NULL, 0);
	struct now now = zero;

	whole_call(l, now, 0);
	for (int i = 0; i < 8; i++) {
		now.wall_us -= 11 * HOUR;
		now = after(now, 11 * HOUR);
		assert_int_equal(limit_earliest(l, 1, now, NULL), now.boot_us + 12 * HOUR);
	}
	limit_free(l);
}

static void test_step_back_frees_nothing(void **state)
{
	struct limit *l = limit_of("2/day", NULL, 0);
	struct now now = after(zero, 11 * HOUR);

	whole_call(l, zero, 0);
	whole_call(l, now, 0);
	now.wall_us -= 5 * HOUR; /* 18:00 of the same day */
	assert_int_equal(limit_earliest(l, 1, now, NULL), now.boot_us + 6 * HOUR);
	now = after(now, 2 * HOUR); /* midnight by the boot clock, 20:00 by the wall */
	assert_int_equal(view(l, 0, now).used, 2);
	/* what is sent between the two midnights counts on both sides */
	limit_free(l);
	l = limit_of("2/day", NULL, 0);
	now = zero;
	whole_call(l, now, 0);
	now.wall_us -= 5 * HOUR;
	now = after(now, 13 * HOUR); /* 01:00 by the boot clock, 20:00 by the wall */
	whole_call(l, now, 0);
	assert_int_equal(limit_earliest(l, 1, now, NULL), now.boot_us + 4 * HOUR);
	now = after(now, 4 * HOUR);
	assert_int_equal(view(l, 0, now).used, 1);
	limit_free(l);
}

static void test_step_back_over_midnight(void **state)
{
	struct limit *l = limit_of("3/day", NULL, 0);
	struct now now = after(zero, 13 * HOUR);

	whole_call(l, zero, 0);
	whole_call(l, zero, 0);
	whole_call(l, now, 0); /* in the new day */
	assert_int_equal(view(l, 0, now).used, 1);
	now.wall_us -= 2 * HOUR; /* it was not midnight after all */
	assert_int_equal(view(l, 0, now).used, 3);
	assert_int_equal(limit_earliest(l, 1, now, NULL), now.boot_us + HOUR);
	now = after(now, HOUR);
	assert_int_equal(view(l, 0, now).used, 0);
	/* a clock that was years ahead does not hold the window for years */
	whole_call(l, now, 0);
	whole_call(l, now, 0);
	whole_call(l, now, 0);
	now.wall_us += 4000 * DAY;
	now = after(now, DAY);
	assert_int_equal(view(l, 0, now).used, 0);
	whole_call(l, now, 0);
	now.wall_us -= 4000 * DAY;
	assert_int_equal(view(l, 0, now).used, 1);
	now = after(now, DAY);
	assert_int_equal(view(l, 0, now).used, 0);
	limit_free(l);
}

static void restore(struct limit *l, int64_t boot_ago_us, int64_t wall_ago_us)
{
	assert_int_equal(
	    limit_restore(l, 1, zero.boot_us - boot_ago_us, zero.wall_us - wall_ago_us, zero), 0);
}

static void test_restore_into_the_day(void **state)
{
	struct limit *l = limit_of("9/day", NULL, SEC);
	struct now back = zero;

	for (int i = 9; i > 0; i--) {
		restore(l, 13 * HOUR + i, 13 * HOUR + i); /* yesterday */
	}
	restore(l, HOUR, HOUR);
	restore(l, -SEC, -SEC);                   /* open at the crash */
	restore(l, 14 * HOUR, HOUR);              /* only its wall time puts it into today */
	restore(l, 12 * HOUR, 12 * HOUR);         /* at midnight */
	restore(l, 12 * HOUR + 1, 12 * HOUR + 1); /* just before */
	restore(l, 13 * HOUR, 13 * HOUR);
	assert_int_equal(view(l, 0, zero).used, 4);
	assert_int_equal(view(l, 0, after(zero, 12 * HOUR)).used, 0);
	limit_free(l);
	l = limit_of("9/day", NULL, SEC);
	restore(l, 40 * HOUR, HOUR);
	back.wall_us -= 13 * HOUR; /* yesterday after all: nothing is freed */
	assert_int_equal(view(l, 0, back).used, 1);
	limit_free(l);
}

static void test_day_lives_through_a_change(void **state)
{
	struct limit *l = limit_of("5/day", NULL, 0);
	struct window_spec w[2] = {spec("2/day"), spec("4/24h")};
	struct now now = after(zero, HOUR);

	for (int i = 0; i < 3; i++) {
		whole_call(l, zero, 0);
	}
	now.wall_us += DAY; /* a step, then a reload: still nothing is free */
	assert_int_equal(limit_change(l, w, 2, 0), 0);
	assert_int_equal(view(l, 0, now).used, 3);
	assert_int_equal(view(l, 1, now).used, 3); /* a new window knows the calls before it */
	assert_int_equal(limit_earliest(l, 1, now, NULL), zero.boot_us + 12 * HOUR);
	w[1] = spec("7/month");
	assert_int_equal(limit_change(l, w, 2, 0), 0);
	assert_int_equal(view(l, 1, now).used, 3);
	limit_free(l);
}

static void test_providers_word(void **state)
{
	struct limit *l = limit_of("50/60s", NULL, SEC);
	struct limit_ticket t = {0}, unsent = {0};
	int64_t reset_us = zero.boot_us + 30 * SEC;

	whole_call(l, zero, 0);
	limit_observe(l, 0, 49, reset_us, zero); /* no tighter than our own count */
	assert_int_equal(view(l, 0, zero).remaining, 49);
	take(l, &unsent, 1, zero);
	limit_observe(l, 0, 3, reset_us, zero); /* it has not seen the unsent one */
	assert_int_equal(view(l, 0, zero).remaining, 2);
	assert_int_equal(view(l, 0, zero).free_us, reset_us);
	assert_int_equal(limit_earliest(l, 3, zero, NULL), reset_us);
	take(l, &t, 2, zero);
	assert_int_equal(limit_earliest(l, 1, zero, NULL), reset_us);
	limit_observe(l, 0, 9, reset_us + SEC / 2, zero); /* overtaken by the tighter word */
	assert_int_equal(limit_earliest(l, 1, zero, NULL), reset_us);
	limit_drop(l, &t);
	assert_int_equal(view(l, 0, zero).remaining, 2);
	limit_observe(l, 0, UINT64_MAX, reset_us + 60 * SEC, zero); /* says nothing */
	limit_observe(l, 5, 0, reset_us, zero);                     /* no such window */
	limit_observe(l, 0, 0, zero.boot_us, zero);                 /* already over */
	assert_int_equal(view(l, 0, zero).remaining, 2);
	limit_observe(l, 0, 1, reset_us, zero);
	assert_int_equal(limit_earliest(l, 1, zero, NULL), reset_us); /* the unsent one needs it */
	limit_observe(l, 0, 21, reset_us + 20 * SEC, zero);           /* its window has moved on */
	assert_int_equal(view(l, 0, zero).remaining, 20);
	assert_int_equal(view(l, 0, after(zero, 50 * SEC)).remaining, 48);
	limit_free(l);
}

/* What a window holds, as the provider has it: never more than configured. */
static void test_providers_limit(void **state)
{
	struct limit *l = limit_of("50/60s", NULL, SEC);
	struct window_spec w[1];

	whole_call(l, zero, 0);
	limit_said(l, 0, 80);
	assert_int_equal(view(l, 0, zero).remaining, 49);
	limit_said(l, 0, 3);
	assert_int_equal(view(l, 0, zero).spec.max, 3);
	assert_int_equal(view(l, 0, zero).remaining, 2);
	assert_int_equal(limit_earliest(l, 4, zero, NULL), TIME_NEVER);
	assert_int_equal(limit_earliest(l, 3, zero, NULL), zero.boot_us + 60 * SEC);
	limit_said(l, 0, 0);                                            /* says nothing */
	limit_said(l, 3, 1);                                            /* no such window */
	assert_int_equal(view(l, 0, zero).remaining, 2);
	w[0] = spec("2/60s");
	assert_int_equal(limit_change(l, w, 1, SEC), 0);
	assert_int_equal(view(l, 0, zero).spec.max, 2);
	w[0] = spec("90/60s");
	assert_int_equal(limit_change(l, w, 1, SEC), 0);
	assert_int_equal(view(l, 0, zero).spec.max, 3);
	limit_said(l, 0, 60);
	assert_int_equal(view(l, 0, zero).spec.max, 60);
	limit_said(l, 0, 200);
	assert_int_equal(view(l, 0, zero).spec.max, 90);
	limit_said(l, 0, 7);
	assert_int_equal(view(l, 0, after(zero, 3600 * SEC)).spec.max, 7); /* until it says otherwise */
	limit_free(l);
}

static void test_parse_and_write(void **state)
{
	static const struct {
		const char *text, *again;
		enum window_kind kind;
		uint64_t max;
		int64_t length_us;
	} good[] = {{"1/3s", "1/3s", WINDOW_SLIDING, 1, 3 * SEC},
	    {"50/60s", "50/60s", WINDOW_SLIDING, 50, 60 * SEC},
	    {"100/min", "100/60s", WINDOW_SLIDING, 100, 60 * SEC},
	    {"10/s", "10/1s", WINDOW_SLIDING, 10, SEC}, {"5/h", "5/60min", WINDOW_SLIDING, 5, HOUR},
	    {"10000/day", "10000/day", WINDOW_DAY, 10000, 0},
	    {"1000/month", "1000/month", WINDOW_MONTH, 1000, 0},
	    {"10000/24h", "10000/24h", WINDOW_SLIDING, 10000, DAY},
	    {"10000/d", "10000/24h", WINDOW_SLIDING, 10000, DAY},
	    {"7/31d", "7/31d", WINDOW_SLIDING, 7, 31 * DAY},
	    {"2/1ms", "2/1ms", WINDOW_SLIDING, 2, MS},
	    {"2/1.5s", "2/1500ms", WINDOW_SLIDING, 2, 1500 * MS},
	    {"2/1500us", "2/1500us", WINDOW_SLIDING, 2, 1500},
	    {"999999999999999999/s", "999999999999999999/1s", WINDOW_SLIDING, 999999999999999999u,
		SEC}};
	static const char *const bad[] = {"", "1", "1/", "/s", "0/s", "-1/s", "1.5/s", "1/0s",
	    "1/999us", "1/32d", "1/Day", "1/days", "1/2day", "1/year", "1 / s", "1/s ", "1/3",
	    "1//s", "1000000000000000000/s", "1/minutes"};
	struct window_spec w;
	char out[48];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(window_parse(good[i].text, &w));
		assert_int_equal(w.kind, good[i].kind);
		assert_int_equal(w.max, good[i].max);
		assert_int_equal(w.length_us, good[i].length_us);
		window_write(&w, out);
		assert_string_equal(out, good[i].again);
		assert_true(window_parse(out, &w));
		assert_int_equal(w.length_us, good[i].length_us);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (window_parse(bad[i], &w)) {
			fail_msg("accepted: %s", bad[i]);
		}
	}
	w = (struct window_spec){.max = UINT64_MAX, .length_us = 31 * DAY - 1};
	window_write(&w, out);
	assert_string_equal(out, "18446744073709551615/2678399999999us");
}

static void test_horizon(void **state)
{
	struct window_spec w[] = {spec("1/3s"), spec("1/60s"), spec("1/day"), spec("1/month")};
	struct now last = {.wall_us = MIDNIGHT + 26 * DAY + 23 * HOUR}; /* of October */

	assert_int_equal(limit_horizon(w, 0, zero), 0);
	assert_int_equal(limit_horizon(w, 2, zero), 120 * SEC);
	assert_int_equal(limit_horizon(w, 3, zero), 2 * DAY);
	assert_int_equal(limit_horizon(w, 4, last), 31 * DAY);
}

/* The log must not grow beyond what the windows can still look at. */
static void test_forgets(void **state)
{
	struct limit *l = limit_of("10/100ms", NULL, 0);
	struct now now = zero;

	for (int i = 0; i < 100000; i++) {
		now.boot_us = limit_earliest(l, 1, now, NULL);
		whole_call(l, now, 0);
	}
	assert_int_equal(now.boot_us, zero.boot_us + 9999 * 100 * MS);
	assert_int_equal(view(l, 0, now).used, 10);
	limit_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_in_three_seconds),
	    cmocka_unit_test(test_margin_closes_by_itself),
	    cmocka_unit_test(test_answer_before_the_send_was_told),
	    cmocka_unit_test(test_times_out_of_order),
	    cmocka_unit_test(test_the_longest_wait_binds),
	    cmocka_unit_test(test_weights_leave_in_order),
	    cmocka_unit_test(test_view),
	    cmocka_unit_test(test_restore_in_any_order),
	    cmocka_unit_test(test_lowered_and_raised),
	    cmocka_unit_test(test_windows_come_and_go),
	    cmocka_unit_test(test_shorter_margin_does_not_hurry_what_has_left),
	    cmocka_unit_test(test_day),
	    cmocka_unit_test(test_day_counts_both_sides_of_midnight),
	    cmocka_unit_test(test_unsent_over_midnight_counts_in_the_new_day),
	    cmocka_unit_test(test_month),
	    cmocka_unit_test(test_step_forward_frees_nothing),
	    cmocka_unit_test(test_step_just_over_midnight_frees_nothing),
	    cmocka_unit_test(test_stepped_back_again_and_again),
	    cmocka_unit_test(test_step_back_frees_nothing),
	    cmocka_unit_test(test_step_back_over_midnight),
	    cmocka_unit_test(test_restore_into_the_day),
	    cmocka_unit_test(test_day_lives_through_a_change),
	    cmocka_unit_test(test_providers_word), cmocka_unit_test(test_providers_limit),
	    cmocka_unit_test(test_parse_and_write),
	    cmocka_unit_test(test_horizon),
	    cmocka_unit_test(test_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
