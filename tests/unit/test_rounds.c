/*
 * lib/engine/item/rounds.c: how often a source is asked, and for how much.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "lib/engine/item/rounds.h"

static const struct rounds_spec spec = {.most = 8, .buffer = 1.5, .ask_most = 500, .idle = 1, .good = true};

static void asks(struct rounds_seen seen, uint64_t count, bool widen)
{
	struct rounds_next n = rounds_decide(&spec, &seen);

	assert_int_equal(n.what, ROUNDS_ASK);
	assert_int_equal(n.count, count);
	assert_int_equal(n.widen, widen);
}

static void stops(const struct rounds_spec *s, struct rounds_seen seen, const char *why)
{
	struct rounds_next n = rounds_decide(s, &seen);

	assert_int_equal(n.what, ROUNDS_STOP);
	assert_string_equal(n.why, why);
}

static void test_the_first_round_asks_for_more_by_the_buffer(void **state)
{
	(void)state;
	asks((struct rounds_seen){.wanted = 50}, 75, false);
	asks((struct rounds_seen){.wanted = 1000}, 500, false); /* ask_most */
}

static void test_the_buffer_is_learned(void **state)
{
	(void)state;
	/* 10 of 50 came through: (10 + 4/1.5) / 54 = 0.235; 40 more need 171 */
	asks((struct rounds_seen){.wanted = 50, .good = 10, .bad = 40, .rounds = 1, .last_new = 50}, 171, false);
	/* those on their way count with their chance */
	asks((struct rounds_seen){.wanted = 50, .good = 10, .bad = 40, .open = 85, .rounds = 1, .last_new = 50}, 86, false);
}

static void test_it_waits_for_those_that_will_probably_do(void **state)
{
	struct rounds_seen seen = {.wanted = 10, .open = 20, .rounds = 1, .last_new = 20};

	(void)state;
	assert_int_equal(rounds_decide(&spec, &seen).what, ROUNDS_WAIT);
	seen.good = 10;
	stops(&spec, seen, "enough");
}

static void test_rounds_without_anything_new_widen_and_end(void **state)
{
	struct rounds_seen seen = {.wanted = 10, .rounds = 2, .idle = 1, .widen_left = 2};

	(void)state;
	asks(seen, 15, true);
	seen.widen_left = 0;
	stops(&spec, seen, "nothing-new");
	seen.idle = 0;
	seen.rounds = 8;
	stops(&spec, seen, "rounds");
	seen.open = 3; /* whatever becomes of them: it will not be asked again */
	stops(&spec, seen, "rounds");
}

static void test_a_round_that_costs_more_than_it_brings_is_the_last(void **state)
{
	struct rounds_spec dear = spec;
	struct rounds_seen seen = {.wanted = 50, .good = 6, .bad = 6, .rounds = 1, .last_new = 12, .last_cost_micro = 2000000};

	(void)state;
	dear.worth_micro = 1000000;
	assert_int_equal(rounds_decide(&dear, &seen).what, ROUNDS_ASK); /* 2.00 for about 6.5 that are worth 1 each */
	seen.last_cost_micro = 7000000;
	stops(&dear, seen, "too-dear");
}

static void test_pages_go_before_rounds(void **state)
{
	struct rounds_spec one = {.most = 1, .buffer = 1, .ask_most = 500, .idle = 1};
	struct rounds_seen seen = {.wanted = 0, .rounds = 1, .last_new = 100, .good = 100, .pages_left = true};

	(void)state;
	assert_int_equal(rounds_decide(&one, &seen).what, ROUNDS_PAGE);
	seen.pages_left = false;
	stops(&one, seen, "all-there-is");
	seen = (struct rounds_seen){.wanted = 150, .rounds = 1, .last_new = 100, .good = 100, .pages_left = true};
	assert_int_equal(rounds_decide(&one, &seen).what, ROUNDS_PAGE);
	/* refusals come first: whoever is still on the way may be enough */
	one.good = true;
	one.buffer = 1.5;
	seen = (struct rounds_seen){.wanted = 10, .rounds = 1, .last_new = 15, .open = 10, .bad = 5, .pages_left = true};
	assert_int_equal(rounds_decide(&one, &seen).what, ROUNDS_WAIT);
	seen.open--;
	seen.bad++;
	assert_int_equal(rounds_decide(&one, &seen).what, ROUNDS_PAGE);
	assert_int_equal(rounds_decide(&one, &seen).count, 4); /* one by a share of 2.67 of 10 */
	one.good = false;
	seen = (struct rounds_seen){.wanted = 150, .rounds = 1, .last_new = 100, .good = 150, .pages_left = true};
	stops(&one, seen, "enough");
	seen = (struct rounds_seen){.wanted = 150, .rounds = 1, .last_new = 100, .good = 100};
	stops(&one, seen, "all-there-is");
}

static void test_it_is_held_up_with_what_it_found(void **state)
{
	struct rounds_seen seen = {.wanted = 10, .rounds = 1, .last_new = 15, .bad = 15, .held = 12, .open = 0, .all = 15};

	(void)state;
	assert_int_equal(rounds_decide(&spec, &seen).what, ROUNDS_HOLD); /* the CRM is down: no second round for more of them */
	seen.open = 2;
	assert_int_equal(rounds_decide(&spec, &seen).what, ROUNDS_WAIT);
	seen.open = 0;
	seen.held = 6; /* too few, whatever becomes of them */
	assert_int_equal(rounds_decide(&spec, &seen).what, ROUNDS_ASK);
	seen = (struct rounds_seen){.wanted = 10, .rounds = 2, .last_new = 15, .good = 8, .bad = 7, .held = 2};
	assert_int_equal(rounds_decide(&spec, &seen).what, ROUNDS_ASK); /* a gate holds some for a person: others are looked for */
	seen.rounds = 8;
	seen.held = 9;
	stops(&spec, seen, "rounds");
}

static void test_the_run_may_have_no_more(void **state)
{
	struct rounds_spec bound = spec;
	struct rounds_seen seen = {.wanted = 500, .good = 300, .bad = 150, .open = 20, .all = 470, .rounds = 2, .last_new = 50};

	(void)state;
	bound.in_all = 500;
	assert_int_equal(rounds_decide(&bound, &seen).count, 30);
	seen.all = 500;
	stops(&bound, seen, "bound");
	seen.pages_left = true;
	stops(&bound, seen, "bound");
	seen.wanted = 0;
	stops(&bound, seen, "bound");
	seen.wanted = seen.good = 300;
	stops(&bound, seen, "enough");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_first_round_asks_for_more_by_the_buffer),
	    cmocka_unit_test(test_the_buffer_is_learned),
	    cmocka_unit_test(test_it_waits_for_those_that_will_probably_do),
	    cmocka_unit_test(test_rounds_without_anything_new_widen_and_end),
	    cmocka_unit_test(test_a_round_that_costs_more_than_it_brings_is_the_last),
	    cmocka_unit_test(test_it_is_held_up_with_what_it_found),
	    cmocka_unit_test(test_the_run_may_have_no_more),
	    cmocka_unit_test(test_pages_go_before_rounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
