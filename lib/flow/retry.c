/* lib/flow/retry.c: full jitter with the provider's word as a floor. */
#include "lib/flow/retry.h"

__extension__ typedef unsigned __int128 wide;

/* Uniform in [0, span]. */
static int64_t spread(int64_t span, uint64_t dice)
{
	return (int64_t)(uint64_t)(((wide)dice * ((uint64_t)span + 1)) >> 64);
}

/* base doubled for each failure after the first, up to cap. */
static int64_t ceiling(const struct retry_spec *r, uint32_t failures)
{
	int64_t wait_us = r->base_us;

	for (uint32_t i = 1; i < failures && wait_us < r->cap_us; i++) {
		wait_us *= 2;
	}
	return wait_us < r->cap_us ? wait_us : r->cap_us;
}

int64_t retry_wait_us(
    const struct retry_spec *r, uint32_t failures, int64_t retry_after_us, uint64_t dice)
{
	int64_t own_us = spread(ceiling(r, failures), dice);
	int64_t asked_us;

	if (retry_after_us <= 0) {
		return own_us;
	}
	if (__builtin_add_overflow(retry_after_us, spread(r->base_us, dice), &asked_us)) {
		asked_us = INT64_MAX;
	}
	return asked_us > own_us ? asked_us : own_us;
}
