/* See finish.h. */
#include "lib/flow/finish.h"

static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? TIME_NEVER : sum;
}

static int64_t times(uint64_t n, int64_t each)
{
	int64_t product;

	return __builtin_mul_overflow(n, each, &product) ? TIME_NEVER : product;
}

int64_t finish_money(const struct finish_stage *stages, size_t n)
{
	int64_t sum = 0;
	uint64_t leads = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t here;

		leads += stages[i].begun;
		here = times(leads, stages[i].most_micro);
		if (here > stages[i].reserved_micro) {
			sum = add(sum, here == TIME_NEVER ? here : here - stages[i].reserved_micro);
		}
	}
	return sum;
}

int64_t finish_latest_us(const struct finish_window *w, uint64_t n)
{
	uint64_t windows = n > w->room ? (n - w->room - 1) / w->max + 1 : 0;

	if (windows == 0) {
		return 0;
	}
	if (w->next_us > 0) {
		return add(w->next_us, times(windows - 1, w->length_us));
	}
	return times(windows, w->length_us);
}

int64_t finish_mean_us(const struct finish_window *w, double n)
{
	double over = n - (double)w->room, us;

	if (over <= 0) {
		return 0;
	}
	if (w->next_us > 0) {
		return finish_latest_us(w, (uint64_t)n);
	}
	us = over / (double)w->max * (double)w->length_us;
	return us < 9e18 ? (int64_t)us : TIME_NEVER;
}
