/*
 * lib/flow/ahead.c against what then happens: the same limit on a virtual clock, where each call goes as
 * soon as it may and takes as long as was told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/ids.h"
#include "lib/flow/ahead.h"

#define CALLS 400
#define MARGIN_US US_PER_S
#define WALL INT64_C(1700000000000000)

struct world {
	struct limit *limit;
	struct now now;
	struct limit_ticket tickets[2 * CALLS];
	int64_t due_us[2 * CALLS]; /* of the answer; 0: none to come */
	size_t n;
};

static struct world w;

static void pass_to(int64_t boot_us)
{
	w.now.wall_us += boot_us - w.now.boot_us;
	w.now.boot_us = boot_us;
}

/* The first answer that comes up to then; false when none does. */
static bool next_answer(int64_t boot_us)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < w.n; i++) {
		if (w.due_us[i] != 0 && (best == SIZE_MAX || w.due_us[i] < w.due_us[best])) {
			best = i;
		}
	}
	if (best == SIZE_MAX || w.due_us[best] > boot_us) {
		return false;
	}
	pass_to(w.due_us[best] > w.now.boot_us ? w.due_us[best] : w.now.boot_us);
	limit_arrived(w.limit, &w.tickets[best], w.now, w.due_us[best]);
	w.due_us[best] = 0;
	return true;
}

static void take(int64_t late_us)
{
	assert_int_equal(limit_take(w.limit, &w.tickets[w.n], 1, w.now), 0);
	limit_sent(w.limit, &w.tickets[w.n], w.now.boot_us);
	w.due_us[w.n++] = w.now.boot_us + late_us;
}

/* One call as soon as it may; when it went. */
static int64_t go(int64_t late_us)
{
	int64_t at;

	while ((at = limit_earliest(w.limit, 1, w.now, NULL)) > w.now.boot_us) {
		if (!next_answer(at)) {
			pass_to(at);
		}
	}
	take(late_us);
	return w.now.boot_us;
}

static void begin(const char *const *windows, size_t n)
{
	struct window_spec specs[LIMIT_WINDOWS];

	memset(&w, 0, sizeof(w));
	for (size_t i = 0; i < n; i++) {
		assert_true(window_parse(windows[i], &specs[i]));
	}
	w.now = (struct now){1000 * US_PER_S, WALL};
	w.limit = limit_new(specs, n, MARGIN_US);
	assert_non_null(w.limit);
}

/* What is told for the next n calls is what happens, to the microsecond. */
static void compare(size_t n, int64_t late_us)
{
	struct late_span late = {.least_us = late_us};
	struct ahead *a = ahead_new(w.limit, &late, w.now);
	int64_t told[CALLS];

	assert_non_null(a);
	for (size_t i = 0; i < n; i++) {
		told[i] = ahead_earliest(a);
		assert_int_equal(ahead_take(a, told[i]), 0);
	}
	ahead_free(a);
	for (size_t i = 0; i < n; i++) {
		int64_t at = go(late_us);

		if (at != told[i]) {
			fail_msg("call %zu of %zu went %lld us after what was told", i, n,
			    (long long)(at - told[i]));
		}
	}
}

static void test_against_what_happens(void **state)
{
	static const char *const sets[][3] = {{"1/3s"}, {"5/1s"}, {"3/2s", "10/20s"}, {"50/60s", "2/1s"},
	    {"7/5s", "20/30s", "100/1h"}, {"10/1s", "60/day"}, {"4/1s", "30/day", "50/month"}};
	struct dice d;

	(void)state;
	dice_seed(&d, 11);
	for (int round = 0; round < 700; round++) {
		const char *const *set = sets[round % 7];
		size_t n = set[1] == NULL ? 1 : set[2] == NULL ? 2 : 3;
		int64_t late_us = (int64_t)dice_below(&d, 900) * US_PER_MS;

		begin(set, n);
		for (size_t i = dice_below(&d, CALLS / 2); i > 0; i--) { /* some past */
			(void)go(late_us);
			if (dice_below(&d, 3) == 0) {
				int64_t to = w.now.boot_us + (int64_t)dice_below(&d, 2 * US_PER_S);

				while (next_answer(to)) {
				}
				pass_to(to);
			}
		}
		compare(1 + dice_below(&d, 150), late_us);
		limit_free(w.limit);
	}
}

/* Whatever the calls really take, they never go before what was told; over many windows hardly later. */
static void test_never_later(void **state)
{
	static const char *const set[] = {"3/2s", "40/60s"};
	struct dice d;
	double sum_us = 0, n_us = 0, low = 0, square = 0;
	size_t close = 0, all = 0;

	(void)state;
	dice_seed(&d, 12);
	for (int i = 0; i < 1000; i++) {
		double us = (double)(100 + dice_below(&d, 600)) * 1000;

		sum_us += us;
		square += us * us;
		n_us++;
	}
	low = sum_us / n_us;
	for (int round = 0; round < 300; round++) {
		struct late_span late = {.least_us = 100 * US_PER_MS,
		    .mean_us = low * 0.9,
		    .deviation_us = 180000};
		size_t n = 1 + dice_below(&d, 200);
		struct ahead *a;
		int64_t told = 0, from, came = 0;

		begin(set, 2);
		for (size_t i = dice_below(&d, 100); i > 0; i--) {
			(void)go((int64_t)(100 + dice_below(&d, 600)) * US_PER_MS);
		}
		from = w.now.boot_us;
		a = ahead_new(w.limit, &late, w.now);
		for (size_t i = 0; i < n; i++) {
			told = ahead_earliest(a);
			assert_int_equal(ahead_take(a, told), 0);
		}
		assert_true(ahead_least_us(a, 40) >= 60 * US_PER_S);
		ahead_free(a);
		for (size_t i = 0; i < n; i++) {
			came = go((int64_t)(100 + dice_below(&d, 600)) * US_PER_MS);
		}
		assert_true(told <= came);
		all++;
		close += came - told <= 2 * US_PER_S || came - told <= (came - from) / 10;
		limit_free(w.limit);
	}
	assert_true(close * 10 >= all * 9);
}

/* What the provider said holds until its reset. */
static void test_word(void **state)
{
	static const char *const set[] = {"5/1s"};
	struct late_span late = {0};
	struct ahead *a;

	(void)state;
	begin(set, 1);
	limit_observe(w.limit, 0, 2, w.now.boot_us + 30 * US_PER_S, w.now);
	a = ahead_new(w.limit, &late, w.now);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ahead_earliest(a), w.now.boot_us + (i < 2 ? 0 : 30 * US_PER_S));
		assert_int_equal(ahead_take(a, ahead_earliest(a)), 0);
	}
	ahead_free(a);
	limit_free(w.limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_against_what_happens),
	    cmocka_unit_test(test_never_later),
	    cmocka_unit_test(test_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
