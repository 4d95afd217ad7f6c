/* What came of a night, told. See night.h. */
#include "tests/sim/night.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define MOST_TOLD 8

void violate(struct result *r, const char *format, ...)
{
	char text[400];
	va_list ap;

	if (r->violations++ < MOST_TOLD) {
		va_start(ap, format);
		(void)vsnprintf(text, sizeof(text), format, ap);
		va_end(ap);
		buf_printf(&r->text, "  %s\n", text);
	}
}

void result_fini(struct result *r)
{
	buf_free(&r->text);
}

void result_hits(const uint64_t hits[KIND_N])
{
	for (unsigned k = 1; k < KIND_N; k++) {
		if (hits[k] > 0) {
			printf("  %-20s %" PRIu64 "\n", kind_word(k), hits[k]);
		}
	}
}

void result_show(const struct result *r)
{
	printf("%.1f s, %" PRIu64 " steps, %" PRIu64 " requests, %" PRIu64 " turns, %" PRIu64 " faults, state %016" PRIx64 "\n%s", (double)r->span_us / 1e6,
	    r->steps, r->calls, r->turns, r->faults, r->hash, r->text.data != NULL ? r->text.data : "");
	result_hits(r->hits);
}
