/*
 * lib/base/decimal.c: a number is walked digit by digit, each digit with its
 * power of ten, so that no value is ever rounded on the way and no exponent,
 * however large, costs more than its own digits.
 */
#include "lib/base/decimal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXPONENT_BOUND INT64_C(1000000000000) /* beyond any number of digits we can hold */

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

static const char *skip_digits(const char *p, const char *end)
{
	while (p < end && is_digit(*p)) {
		p++;
	}
	return p;
}

size_t decimal_length(const char *text, size_t len)
{
	const char *p = text, *end = text + len, *digits;

	if (p < end && *p == '-') {
		p++;
	}
	if (p == end || !is_digit(*p)) {
		return 0;
	}
	p = *p == '0' ? p + 1 : skip_digits(p + 1, end);
	if (p < end && *p == '.') {
		digits = p + 1;
		p = skip_digits(digits, end);
		if (p == digits) {
			return 0;
		}
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		digits = p + 1;
		if (digits < end && (*digits == '+' || *digits == '-')) {
			digits++;
		}
		p = skip_digits(digits, end);
		if (p == digits) {
			return 0;
		}
	}
	return (size_t)(p - text);
}

/* A number taken apart: its digits (with the point among them) and the power of ten of the first
 * one. */
struct parts {
	bool negative;
	const char *digits, *digits_end;
	int64_t power;
};

static struct parts take_apart(const char *text, size_t len)
{
	const char *p = text, *end = text + len;
	struct parts parts = {0};
	int64_t exponent = 0;
	bool negative_exponent;

	if (*p == '-') {
		parts.negative = true;
		p++;
	}
	parts.digits = p;
	p = skip_digits(p, end);
	parts.power = p - parts.digits - 1;
	if (p < end && *p == '.') {
		p = skip_digits(p + 1, end);
	}
	parts.digits_end = p;
	if (p < end) {
		p++;
		negative_exponent = *p == '-';
		for (; p < end; p++) {
			if (is_digit(*p) && exponent < EXPONENT_BOUND) {
				exponent = exponent * 10 + (*p - '0');
			}
		}
		parts.power += negative_exponent ? -exponent : exponent;
	}
	return parts;
}

bool decimal_scaled(const char *text, size_t len, int scale, int64_t *ret, bool *ret_exact)
{
	struct parts parts;
	uint64_t sum = 0;
	int64_t power;
	bool exact = true;

	if (len == 0 || decimal_length(text, len) != len) {
		return false;
	}
	parts = take_apart(text, len);
	power = parts.power + scale;
	for (const char *p = parts.digits; p < parts.digits_end; p++) {
		if (*p == '.') {
			continue;
		}
		if (power-- < 0) {
			exact = exact && *p == '0';
		} else if (__builtin_mul_overflow(sum, 10, &sum) ||
			   __builtin_add_overflow(sum, (uint64_t)(*p - '0'), &sum)) {
			return false;
		}
	}
	for (; power >= 0 && sum != 0; power--) {
		if (__builtin_mul_overflow(sum, 10, &sum)) {
			return false;
		}
	}
	if (sum > (uint64_t)INT64_MAX + (parts.negative ? 1 : 0)) {
		return false;
	}
	*ret = parts.negative ? (int64_t)(0 - sum) : (int64_t)sum;
	*ret_exact = exact;
	return true;
}

bool decimal_is_finite(const char *number, size_t len)
{
	struct parts parts;
	char head[64];
	size_t n = 0;

	if (len < 300 && memchr(number, 'e', len) == NULL && memchr(number, 'E', len) == NULL) {
		return true; /* nearly all: too short to be large */
	}
	parts = take_apart(number, len);
	while (parts.digits < parts.digits_end && (*parts.digits == '0' || *parts.digits == '.')) {
		parts.power -= *parts.digits++ == '0';
	}
	if (parts.digits == parts.digits_end || parts.power < 308) {
		return true;
	}
	if (parts.power > 308) {
		return false;
	}
	/* d.ddd * 10^308: the limit lies between two doubles 10^-16 apart, 40 digits decide. */
	for (; parts.digits < parts.digits_end && n < 41; parts.digits++) {
		if (*parts.digits != '.') {
			head[n++] = *parts.digits;
			if (n == 1) {
				head[n++] = '.';
			}
		}
	}
	memcpy(head + n, "e308", 5);
	return isfinite(strtod(head, NULL));
}
