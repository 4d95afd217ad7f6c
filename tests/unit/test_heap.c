/* lib/base/heap.c: things come out by their time, of equal times the first one first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/heap.h"
#include "lib/base/ids.h"

struct thing {
	struct heap_head head;
	uint64_t payload[3];
};

static void test_empty(void **state)
{
	struct heap h = {.size = sizeof(struct thing)};

	assert_null(heap_top(&h));
	heap_fini(&h);
}

/* Against the plainest way to find the earliest: looking at all of them. */
static void test_order(void **state)
{
	static struct thing all[4000];
	struct heap h = {.size = sizeof(struct thing)};
	struct dice dice;
	size_t n = 0;

	dice_seed(&dice, 7);
	for (uint64_t round = 0; round < 8000; round++) {
		if (n < 4000 && (n == 0 || dice_below(&dice, 5) < 3)) {
			struct thing t = {
			    .head = {.at_us = (int64_t)dice_below(&dice, 50), .seq = round},
			    .payload = {round, ~round, round * 3}};

			assert_true(heap_push(&h, &t));
			all[n++] = t;
		} else {
			size_t first = 0;
			struct thing t;

			for (size_t i = 1; i < n; i++) {
				if (all[i].head.at_us < all[first].head.at_us ||
				    (all[i].head.at_us == all[first].head.at_us &&
					all[i].head.seq < all[first].head.seq)) {
					first = i;
				}
			}
			assert_memory_equal(heap_top(&h), &all[first], sizeof(t));
			heap_pop(&h, &t);
			assert_memory_equal(&t, &all[first], sizeof(t));
			all[first] = all[--n];
		}
		assert_int_equal(h.n, n);
	}
	heap_fini(&h);
	assert_int_equal(h.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
