/*
 * lib/base/time.c: moments and durations in and out of text. Calendar arithmetic
 * is two functions on days since 1970 (civil.h); the C library's own would look at
 * the process's zone.
 */
#include "lib/base/time.h"

#include "lib/base/civil.h"
#include "lib/base/decimal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LAST_WRITABLE_US (INT64_C(253402300800) * US_PER_S - 1) /* end of the year 9999 */
#define FIRST_WRITABLE_US (INT64_C(-62167219200) * US_PER_S)    /* start of the year 0 */

void time_write_utc(int64_t wall_us, char out[25])
{
	int64_t us = wall_us > LAST_WRITABLE_US    ? LAST_WRITABLE_US
		     : wall_us < FIRST_WRITABLE_US ? FIRST_WRITABLE_US
						   : wall_us;
	int64_t day = floor_div(us, US_PER_DAY);
	unsigned ms = (unsigned)((us - day * US_PER_DAY) / US_PER_MS);
	struct civil c = civil_from_day(day);

	snprintf(out, 25, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)c.year % 10000,
	    c.month % 100, c.day % 100, ms / 3600000 % 24, ms / 60000 % 60, ms / 1000 % 60,
	    ms % 1000);
}

void time_write_local(int64_t wall_us, char out[32])
{
	time_t s = (time_t)floor_div(wall_us, US_PER_S);
	struct tm tm;

	if (localtime_r(&s, &tm) == NULL || strftime(out, 32, "%Y-%m-%d %H:%M:%S %z", &tm) == 0) {
		out[0] = '-'; /* a year of more than four digits */
		out[1] = '\0';
	}
}

void duration_write(int64_t us, char out[32])
{
	const char *sign = us < 0 ? "-" : "";
	unsigned long long u = us < 0 ? 0 - (unsigned long long)us : (unsigned long long)us;
	unsigned long long s = u / 1000000;

	if (us == TIME_NEVER) {
		snprintf(out, 32, "never");
	} else if (u < 1000) {
		snprintf(out, 32, "%s%llu us", sign, u);
	} else if (s < 1) {
		snprintf(out, 32, "%s%llu ms", sign, u / 1000);
	} else if (s < 60) {
		snprintf(out, 32, "%s%llu.%llu s", sign, s, u / 100000 % 10);
	} else if (s < 3600) {
		snprintf(out, 32, "%s%llu min %02llu s", sign, s / 60, s % 60);
	} else if (s < 86400) {
		snprintf(out, 32, "%s%llu h %02llu min", sign, s / 3600, s / 60 % 60);
	} else {
		snprintf(out, 32, "%s%llu d %llu h", sign, s / 86400, s / 3600 % 24);
	}
}

/* Exactly n digits at *p, which moves behind them. */
static bool read_digits(const char **p, int n, unsigned *ret)
{
	unsigned number = 0;

	for (; n > 0; n--, (*p)++) {
		unsigned digit = (unsigned char)**p - (unsigned)'0';

		if (digit > 9) {
			return false;
		}
		number = number * 10 + digit;
	}
	*ret = number;
	return true;
}

static bool read_char(const char **p, const char *one_of)
{
	if (**p == '\0' || strchr(one_of, **p) == NULL) {
		return false;
	}
	(*p)++;
	return true;
}

static bool read_word(const char **p, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*p, word, len) != 0) {
		return false;
	}
	*p += len;
	return true;
}

/* `hh:mm:ss`; 60 is a leap second and counts as the first of the next minute. */
static bool read_clock(const char **p, int64_t *ret_s)
{
	unsigned h, m, s;

	if (!read_digits(p, 2, &h) || !read_char(p, ":") || !read_digits(p, 2, &m) ||
	    !read_char(p, ":") || !read_digits(p, 2, &s) || h > 23 || m > 59 || s > 60) {
		return false;
	}
	*ret_s = h * 3600 + m * 60 + s;
	return true;
}

/* `.123456789`, or nothing; what is finer than a microsecond is cut off. */
static bool read_fraction(const char **p, int64_t *ret_us)
{
	int64_t weight = US_PER_S;
	const char *first;

	*ret_us = 0;
	if (!read_char(p, ".")) {
		return true;
	}
	for (first = *p; (unsigned char)(**p - '0') < 10; (*p)++) {
		weight /= 10;
		*ret_us += (**p - '0') * weight;
	}
	return *p > first;
}

/* `Z` or `+hh:mm`, as seconds to take off. */
static bool read_offset(const char **p, int64_t *ret_s)
{
	unsigned h, m;
	bool west = **p == '-';

	*ret_s = 0;
	if (read_char(p, "Zz")) {
		return true;
	}
	if (!read_char(p, "+-") || !read_digits(p, 2, &h) || !read_char(p, ":") ||
	    !read_digits(p, 2, &m) || h > 23 || m > 59) {
		return false;
	}
	*ret_s = (west ? -1 : 1) * (int64_t)(h * 3600 + m * 60);
	return true;
}

bool time_parse_rfc3339(const char *text, int64_t *ret_wall_us)
{
	const char *p = text;
	unsigned year, month, day;
	int64_t clock_s, fraction_us, offset_s;

	if (!read_digits(&p, 4, &year) || !read_char(&p, "-") || !read_digits(&p, 2, &month) ||
	    !read_char(&p, "-") || !read_digits(&p, 2, &day) || !read_char(&p, "Tt ") ||
	    !read_clock(&p, &clock_s) || !read_fraction(&p, &fraction_us) ||
	    !read_offset(&p, &offset_s) || *p != '\0' || !civil_exists(year, month, day)) {
		return false;
	}
	*ret_wall_us = day_from_civil(year, month, day) * US_PER_DAY +
		       (clock_s - offset_s) * US_PER_S + fraction_us;
	return true;
}

static bool read_month(const char **p, unsigned *ret)
{
	static const char names[12][4] = {
	    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

	for (unsigned i = 0; i < 12; i++) {
		if (read_word(p, names[i])) {
			*ret = i + 1;
			return true;
		}
	}
	return false;
}

static bool read_weekday(const char **p, bool whole)
{
	static const char *const names[7] = {
	    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

	for (int i = 0; i < 7; i++) {
		if (strncmp(*p, names[i], whole ? strlen(names[i]) : 3) == 0) {
			*p += whole ? strlen(names[i]) : 3;
			return true;
		}
	}
	return false;
}

struct date {
	unsigned year, month, day;
	int64_t clock_s;
};

/* `Sun, 06 Nov 1994 08:49:37 GMT` */
static bool read_imf(const char *p, struct date *d)
{
	return read_weekday(&p, false) && read_word(&p, ", ") && read_digits(&p, 2, &d->day) &&
	       read_char(&p, " ") && read_month(&p, &d->month) && read_char(&p, " ") &&
	       read_digits(&p, 4, &d->year) && read_char(&p, " ") && read_clock(&p, &d->clock_s) &&
	       read_word(&p, " GMT") && *p == '\0';
}

/* `Sunday, 06-Nov-94 08:49:37 GMT` */
static bool read_rfc850(const char *p, struct date *d)
{
	if (!read_weekday(&p, true) || !read_word(&p, ", ") || !read_digits(&p, 2, &d->day) ||
	    !read_char(&p, "-") || !read_month(&p, &d->month) || !read_char(&p, "-") ||
	    !read_digits(&p, 2, &d->year) || !read_char(&p, " ") || !read_clock(&p, &d->clock_s) ||
	    !read_word(&p, " GMT") || *p != '\0') {
		return false;
	}
	d->year += d->year < 70 ? 2000 : 1900;
	return true;
}

/* `Sun Nov  6 08:49:37 1994` */
static bool read_asctime(const char *p, struct date *d)
{
	if (!read_weekday(&p, false) || !read_char(&p, " ") || !read_month(&p, &d->month) ||
	    !read_char(&p, " ") ||
	    !(*p == ' ' ? read_char(&p, " ") && read_digits(&p, 1, &d->day)
			: read_digits(&p, 2, &d->day))) {
		return false;
	}
	return read_char(&p, " ") && read_clock(&p, &d->clock_s) && read_char(&p, " ") &&
	       read_digits(&p, 4, &d->year) && *p == '\0';
}

bool time_parse_http_date(const char *text, int64_t *ret_wall_us)
{
	struct date d;

	if ((!read_imf(text, &d) && !read_rfc850(text, &d) && !read_asctime(text, &d)) ||
	    !civil_exists(d.year, d.month, d.day)) {
		return false;
	}
	*ret_wall_us = day_from_civil(d.year, d.month, d.day) * US_PER_DAY + d.clock_s * US_PER_S;
	return true;
}

/* A duration's number ends where its unit begins. Its length, 0 when there is none. */
static size_t number_length(const char *p)
{
	size_t len = strspn(p, "0123456789.");

	return decimal_length(p, len) == len ? len : 0;
}

struct unit {
	const char *name;
	int64_t size;
};

/* Reads `1.5h`: the number, in millionths, and its unit. *ret_exact: six decimals were enough. */
static const struct unit *read_amount(
    const char **p, const struct unit *units, int64_t *ret_micro, bool *ret_exact)
{
	size_t len = number_length(*p);

	if (!decimal_scaled(*p, len, 6, ret_micro, ret_exact) || *ret_micro == INT64_MAX) {
		return NULL;
	}
	*p += len;
	while (units->name != NULL && !read_word(p, units->name)) {
		units++;
	}
	return units->name == NULL ? NULL : units;
}

/* micro / 10^6 * unit, rounded up; *ret_exact becomes false when there was something to round. */
static bool multiply(int64_t micro, int64_t unit, int64_t *ret, bool *ret_exact)
{
	int64_t part = micro % 1000000 * unit; /* a week of microseconds still fits */

	*ret_exact = *ret_exact && part % 1000000 == 0;
	return !__builtin_mul_overflow(micro / 1000000, unit, ret) &&
	       !__builtin_add_overflow(*ret, (part + 999999) / 1000000, ret);
}

bool duration_parse_go(const char *text, int64_t *ret_us)
{
	static const struct unit units_ns[] = {{"ns", 1}, {"us", 1000}, {"\xC2\xB5s", 1000},
	    {"\xCE\xBCs", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"m", INT64_C(60000000000)},
	    {"h", INT64_C(3600000000000)}, {NULL, 0}};
	const struct unit *unit;
	int64_t total_ns = 0, micro, ns;
	bool exact;

	if (strcmp(text, "0") == 0) {
		*ret_us = 0;
		return true;
	}
	do {
		unit = read_amount(&text, units_ns, &micro, &exact);
		if (unit == NULL || !multiply(micro + !exact, unit->size, &ns, &exact) ||
		    __builtin_add_overflow(total_ns, ns, &total_ns)) {
			return false;
		}
	} while (*text != '\0');
	*ret_us = total_ns / 1000 + (total_ns % 1000 != 0);
	return true;
}

bool duration_parse(const char *text, int64_t *ret_us)
{
	static const struct unit units_us[] = {{"us", 1}, {"ms", US_PER_MS}, {"s", US_PER_S},
	    {"min", 60 * US_PER_S}, {"m", 60 * US_PER_S}, {"h", 3600 * US_PER_S}, {"d", US_PER_DAY},
	    {"w", 7 * US_PER_DAY}, {NULL, 0}};
	const struct unit *unit;
	int64_t micro, us;
	bool exact;

	unit = read_amount(&text, units_us, &micro, &exact);
	if (unit == NULL || *text != '\0' || !multiply(micro, unit->size, &us, &exact) || !exact) {
		return false;
	}
	*ret_us = us;
	return true;
}
