/* lib/base/json_string.h: how the scanner gets from one end of a string literal to the other. */
#pragma once

#include <stdbool.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What was met on the way. */
struct json_string {
	bool escaped;          /* there is a backslash: decode before use */
	bool troublesome;      /* an escape of NUL or of a surrogate pair: json-c errs there */
	const char *what, *at; /* when it is no string: what is wrong, and where */
};

/* To the next quote, backslash, control character or byte that is not ASCII. */
static inline const char *json_skip_plain(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'),
		      space = _mm_set1_epi8(' ');

	for (; end - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)p);
		/* bytes from 0x80 on are negative here, so they are below the space, too */
		__m128i special = _mm_or_si128(_mm_cmplt_epi8(x, space),
		    _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash)));
		int found = _mm_movemask_epi8(special);

		if (found != 0) {
			return p + __builtin_ctz((unsigned)found);
		}
	}
#endif
	while (p < end && (signed char)*p >= ' ' && *p != '"' && *p != '\\') {
		p++;
	}
	return p;
}

/* From a byte that is not plain to the closing quote; NULL when this is no string. */
const char *json_string_rest(const char *p, const char *end, struct json_string *s);

/* From behind the opening quote to the closing one. */
static inline const char *json_string_end(const char *p, const char *end, struct json_string *s)
{
	*s = (struct json_string){0};
	p = json_skip_plain(p, end);
	return p < end && *p == '"' ? p : json_string_rest(p, end, s);
}
