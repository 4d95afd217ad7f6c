/* lib/flow/retry.h: how long to wait before the same request is made again. Pure. */
#pragma once

#include <stdint.h>

struct retry_spec {
	int64_t base_us;   /* first wait, at least 1 ms; default 400 ms */
	int64_t cap_us;    /* our own waits never exceed this; default 60 s */
	uint32_t attempts; /* calls in all for this class, the first included; 0: without end */
};

/*
 * Full jitter over the doubled base, and never sooner than the provider's own
 * Retry-After, even past cap_us (RFC 9110 section 10.2.3); what Retry-After
 * asks for is spread by up to base_us so that waiters do not return as one.
 *
 * failures       in a row, at least 1
 * retry_after_us the provider's word, 0 for none
 * dice           64 random bits
 */
int64_t retry_wait_us(const struct retry_spec *r, uint32_t failures, int64_t retry_after_us, uint64_t dice);
