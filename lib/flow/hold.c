/* lib/flow/hold.c: a burst of throttles counts once, whoever hears it; the latest end holds. */
#include "lib/flow/hold.h"

static void extend(struct hold *h, int64_t wait_us, struct now now)
{
	int64_t until_us;

	if (__builtin_add_overflow(now.boot_us, wait_us, &until_us)) {
		until_us = INT64_MAX;
	}
	h->until_us = until_us > h->until_us ? until_us : h->until_us;
}

void hold_throttled(struct hold *h, uint64_t call, uint64_t newest, const struct retry_spec *r,
    int64_t retry_after_us, uint64_t dice, struct now now)
{
	h->row += h->row < UINT32_MAX ? 1 : 0;
	if (h->row < HOLD_AFTER) {
		return;
	}
	if (call > h->last_call) {
		h->last_call = newest > call ? newest : call;
		h->strikes += h->strikes < UINT32_MAX ? 1 : 0;
		extend(h, retry_wait_us(r, h->strikes, retry_after_us, dice), now);
	} else if (retry_after_us > 0) {
		extend(h, retry_after_us, now);
	}
}

void hold_answered(struct hold *h, uint64_t call)
{
	if (call > h->last_call) {
		h->row = 0;
		h->strikes = 0;
	}
}

void hold_release(struct hold *h)
{
	*h = (struct hold){.last_call = h->last_call};
}

int64_t hold_earliest(const struct hold *h, struct now now)
{
	return h->until_us > now.boot_us ? h->until_us : now.boot_us;
}
