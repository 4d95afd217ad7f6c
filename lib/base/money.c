/* lib/base/money.c: amounts in and out of text, in integers all the way. */
#include "lib/base/money.h"

#include "lib/base/decimal.h"

#include <stdio.h>
#include <string.h>

#define MICRO INT64_C(1000000)

static bool in_range(int64_t micro)
{
	return micro >= -MONEY_MAX && micro <= MONEY_MAX;
}

bool money_parse(const char *text, int64_t *ret_micro)
{
	const char *point = strchr(text, '.');
	int64_t micro;
	bool exact;

	if (strpbrk(text, "eE") != NULL || (point != NULL && strlen(point + 1) > 6) ||
	    !decimal_scaled(text, strlen(text), 6, &micro, &exact) || !in_range(micro)) {
		return false;
	}
	*ret_micro = micro;
	return true;
}

void money_write(int64_t micro, char out[32])
{
	uint64_t size = micro < 0 ? 0 - (uint64_t)micro : (uint64_t)micro;
	const char *sign = micro < 0 ? "-" : "";
	unsigned long long units = size / MICRO;
	unsigned rest = (unsigned)(size % MICRO);

	if (rest % 10000 == 0) {
		snprintf(out, 32, "%s%llu.%02u", sign, units, rest / 10000);
	} else if (rest % 100 == 0) {
		snprintf(out, 32, "%s%llu.%04u", sign, units, rest / 100);
	} else {
		snprintf(out, 32, "%s%llu.%06u", sign, units, rest);
	}
}

bool money_from_number(const char *text, int64_t *ret_micro)
{
	int64_t micro;
	bool exact;

	if (!decimal_scaled(text, strlen(text), 6, &micro, &exact) || !in_range(micro)) {
		return false;
	}
	if (!exact && text[0] != '-') {
		micro++; /* what was cut off below zero was rounded up by the cut */
	}
	if (!in_range(micro)) {
		return false;
	}
	*ret_micro = micro;
	return true;
}
