/*
 * lib/base/civil.c: years are counted from March, so that the leap day comes
 * last and the months before it have the same lengths in every year; 400 years
 * are always 146,097 days.
 */
#include "lib/base/civil.h"

#define DAYS_PER_400_YEARS 146097
#define DAYS_0000_03_01_TO_1970 719468

/* Days of a March year before its month m (0 is March). */
static int64_t days_before_month(int64_t m)
{
	return (153 * m + 2) / 5; /* 31 30 31 30 31, twice, and 31 29 */
}

int64_t day_from_civil(int64_t year, unsigned month, unsigned day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t m = month > 2 ? month - 3 : month + 9;

	return 365 * y + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) +
	       days_before_month(m) + day - 1 - DAYS_0000_03_01_TO_1970;
}

struct civil civil_from_day(int64_t day)
{
	int64_t since = day + DAYS_0000_03_01_TO_1970;
	int64_t era = floor_div(since, DAYS_PER_400_YEARS);
	int64_t left = since - era * DAYS_PER_400_YEARS; /* 0 to 146,096 */
	/* leap days behind us are taken out, so that every year left has 365 days */
	int64_t y = (left - left / 1460 + left / 36524 - left / 146096) / 365;
	int64_t in_year = left - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * in_year + 2) / 153;
	struct civil c = {.year = era * 400 + y};

	c.day = (unsigned)(in_year - days_before_month(m) + 1);
	c.month = (unsigned)(m < 10 ? m + 3 : m - 9);
	c.year += m >= 10;
	return c;
}

bool civil_exists(int64_t year, unsigned month, unsigned day)
{
	struct civil back;

	if (month < 1 || month > 12 || day < 1 || day > 31) {
		return false;
	}
	back = civil_from_day(day_from_civil(year, month, day));
	return back.month == month && back.day == day;
}
