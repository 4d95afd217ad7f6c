/* lib/flow/share.h: proportions, priorities, idle members, coming and going. */
#include "lib/flow/share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void add(struct share *s, uint32_t id, uint8_t priority, uint32_t weight)
{
	struct share_member *m = share_member(s, id);

	assert_non_null(m);
	assert_int_equal(m->id, id);
	m->priority = priority;
	m->weight = weight;
	m->ready = true;
}

/* Grants n turns; counts[id] are the units each member got. */
static void turns(struct share *s, int n, uint32_t cost, unsigned *counts)
{
	for (int i = 0; i < n; i++) {
		struct share_member *m = share_next(s);

		assert_non_null(m);
		assert_true(m->ready);
		counts[m->id] += cost;
		share_charge(s, m, cost);
	}
}

static void test_empty(void **state)
{
	struct share s = {0};

	assert_null(share_next(&s));
	share_remove(&s, 1);
	add(&s, 1, 0, 1);
	share_member(&s, 1)->ready = false;
	assert_null(share_next(&s));
	share_fini(&s);
	assert_null(share_next(&s));
}

static void test_proportions(void **state)
{
	static const uint32_t weights[] = {1, 2, 3, 10, 84, 7, 7};
	unsigned counts[8] = {0}, sum = 0;
	struct share s = {0};

	for (uint32_t i = 0; i < 7; i++) {
		add(&s, 7 - i, 0, weights[i]); /* not in order of id */
		sum += weights[i];
	}
	for (uint32_t i = 1; i < 7; i++) {
		assert_true(s.members[i - 1].id < s.members[i].id);
	}
	turns(&s, 10000, 1, counts);
	for (uint32_t i = 0; i < 7; i++) {
		double exact = 10000.0 * weights[i] / sum;

		assert_true(counts[7 - i] > exact * 0.99 - 1 && counts[7 - i] < exact * 1.01 + 1);
	}
	share_fini(&s);
}

/* Heavy weights do not make long trains: after any number of turns shares are right within two. */
static void test_spread_out(void **state)
{
	unsigned counts[4] = {0};
	struct share s = {0};

	add(&s, 1, 0, 300);
	add(&s, 2, 0, 500);
	add(&s, 3, 0, 200);
	for (int n = 1; n <= 1000; n++) {
		turns(&s, 1, 1, counts);
		assert_true(abs((int)counts[1] * 10 - n * 3) < 20);
		assert_true(abs((int)counts[2] * 10 - n * 5) < 20);
		assert_true(abs((int)counts[3] * 10 - n * 2) < 20);
	}
	share_fini(&s);
}

static void test_looking_is_free(void **state)
{
	struct share s = {0};
	struct share_member *m;

	add(&s, 1, 0, 1);
	add(&s, 2, 0, 1);
	m = share_next(&s);
	for (int i = 0; i < 10; i++) {
		assert_ptr_equal(share_next(&s), m);
	}
	share_charge(&s, m, 1);
	assert_ptr_not_equal(share_next(&s), m);
	share_fini(&s);
}

static void test_equals_take_turns(void **state)
{
	struct share s = {0};

	for (uint32_t id = 1; id <= 5; id++) {
		add(&s, id, 0, 1);
	}
	for (uint32_t i = 0; i < 20; i++) {
		struct share_member *m = share_next(&s);

		assert_int_equal(m->id, 1 + i % 5);
		share_charge(&s, m, 1);
	}
	share_fini(&s);
}

static void test_costs_count(void **state)
{
	unsigned counts[3] = {0};
	struct share s = {0};

	add(&s, 1, 0, 1);
	add(&s, 2, 0, 1);
	for (int i = 0; i < 10000; i++) { /* calls of 1 need ten times the turns of calls of 10 */
		struct share_member *m = share_next(&s);

		counts[m->id] += m->id == 1 ? 1 : 10;
		share_charge(&s, m, m->id == 1 ? 1 : 10);
	}
	assert_in_range(counts[1], counts[2] - counts[2] / 100, counts[2] + counts[2] / 100);
	share_fini(&s);
}

static void test_priorities_are_strict(void **state)
{
	unsigned counts[5] = {0};
	struct share s = {0};

	add(&s, 1, 2, 1000);
	add(&s, 2, 0, 1);
	add(&s, 3, 0, 1);
	add(&s, 4, 1, 1);
	turns(&s, 1000, 1, counts);
	assert_int_equal(counts[1] + counts[4], 0);
	assert_int_equal(counts[2], 500);
	share_member(&s, 2)->ready = share_member(&s, 3)->ready = false;
	turns(&s, 10, 1, counts);
	assert_int_equal(counts[4], 10);
	/* waiting behind others earned nothing */
	share_member(&s, 4)->priority = 2;
	counts[1] = counts[4] = 0;
	share_member(&s, 1)->weight = 1;
	turns(&s, 100, 1, counts);
	assert_int_equal(counts[4], 50);
	share_fini(&s);
}

static void test_idle_members_gain_nothing(void **state)
{
	unsigned counts[4] = {0};
	struct share s = {0};

	add(&s, 1, 0, 1);
	add(&s, 2, 0, 1);
	add(&s, 3, 0, 2);
	turns(&s, 3, 1, counts); /* in the middle of a round */
	share_member(&s, 2)->ready = false;
	counts[1] = counts[2] = counts[3] = 0;
	turns(&s, 3000, 1, counts);
	assert_int_equal(counts[2], 0);
	assert_in_range(counts[1], 999, 1001); /* the others share what it leaves */
	share_member(&s, 2)->ready = true;
	counts[1] = counts[2] = counts[3] = 0;
	turns(&s, 40, 1, counts);
	assert_in_range(counts[2], 9, 11);
	assert_in_range(counts[3], 19, 21);
	share_fini(&s);
}

/* A run that blinks must not be served more than its share of the turns it was there for. */
static void test_blinking(void **state)
{
	unsigned counts[3] = {0};
	struct share s = {0};

	add(&s, 1, 0, 1);
	add(&s, 2, 0, 1);
	for (int i = 0; i < 10000; i++) {
		share_member(&s, 2)->ready = i % 2 == 0;
		turns(&s, 1, 1, counts);
	}
	assert_true(counts[2] <= 5000);
	assert_true(counts[2] >= 2499);
	share_fini(&s);
}

static void test_coming_and_going(void **state)
{
	unsigned counts[200] = {0};
	struct share s = {0};

	for (uint32_t id = 199; id > 0; id--) {
		add(&s, id, 0, 1);
	}
	turns(&s, 100, 1, counts); /* 1 to 100 have had theirs */
	for (uint32_t id = 2; id < 200; id += 2) {
		share_remove(&s, id);
		share_remove(&s, id);
	}
	assert_int_equal(s.n, 100);
	turns(&s, 50, 1, counts);
	for (uint32_t id = 101; id < 200; id += 2) {
		assert_int_equal(counts[id], 1);
	}
	add(&s, 1000, 0, UINT32_MAX);
	assert_int_equal(share_member(&s, 1000)->weight, UINT32_MAX);
	share_charge(&s, share_next(&s), UINT32_MAX);
	while (s.n > 0) {
		share_remove(&s, s.members[s.n / 2].id);
	}
	assert_null(share_next(&s));
	share_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_proportions),
	    cmocka_unit_test(test_spread_out),
	    cmocka_unit_test(test_looking_is_free),
	    cmocka_unit_test(test_equals_take_turns),
	    cmocka_unit_test(test_costs_count),
	    cmocka_unit_test(test_priorities_are_strict),
	    cmocka_unit_test(test_idle_members_gain_nothing),
	    cmocka_unit_test(test_blinking),
	    cmocka_unit_test(test_coming_and_going),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
