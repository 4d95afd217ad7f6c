/* lib/base/civil.h: the Gregorian calendar as arithmetic on days since 1970-01-01. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct civil {
	int64_t year;
	unsigned month, day; /* from 1 */
};

/* Rounds down, also below zero; b above 0. */
static inline int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

bool civil_exists(int64_t year, unsigned month, unsigned day);
/* Day number of a date that exists. */
int64_t day_from_civil(int64_t year, unsigned month, unsigned day);
struct civil civil_from_day(int64_t day);
