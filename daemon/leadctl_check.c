/*
 * daemon/leadctl_check.c: values of the command line, checked before anything is sent. A wrong
 * one is answered with the nearest right one.
 */
#include "daemon/leadctl.h"

#include "lib/base/money.h"
#include "lib/base/text.h"
#include "lib/base/time.h"
#include "lib/flow/limit.h"
#include "lib/lead/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* text without blanks and the characters in `drop`; a decimal comma becomes a point. */
static void tidy(char out[64], const char *text, const char *drop)
{
	size_t n = 0;

	for (; *text != '\0' && n < 63; text++) {
		if (*text != ' ' && strchr(drop, *text) == NULL) {
			out[n++] = *text == ',' ? '.' : *text;
		}
	}
	out[n] = '\0';
}

static bool check_money(const char *what, const char *text, int64_t *ret)
{
	char near[64], written[32];
	const char *point;
	int64_t micro = 0;

	if (money_parse(text, ret) && *ret > 0) {
		return true;
	}
	tidy(near, text, "$-+USDEURusdeur");
	point = strchr(near, '.');
	if (point != NULL && strlen(point) > 7) {
		near[point - near + 7] = '\0'; /* six decimals */
	}
	if (money_parse(near, &micro) && micro > 0) {
		money_write(micro, written);
		print_error("%s: `%s` is no amount of money; nearest: %s", what, text, written);
	} else {
		print_error(
		    "%s: `%s` is no amount of money; it needs one above zero with at most six "
		    "decimals, for example 12.50",
		    what, text);
	}
	return false;
}

static bool check_number(const char *what, const struct option *o, const char *text, int64_t *ret)
{
	char *end;
	long long n = strtoll(text, &end, 10);

	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && n >= o->min && n <= o->max) {
		*ret = n;
		return true;
	}
	if (end != text && *end == '\0') {
		print_error("%s: %s is out of range; nearest: %lld", what, text,
		    n < o->min ? (long long)o->min : (long long)o->max);
	} else {
		print_error("%s: `%s` is no whole number", what, text);
	}
	return false;
}

static bool check_duration(const char *what, const char *text, int64_t *ret)
{
	char near[80];

	if (duration_parse(text, ret) && *ret > 0) {
		return true;
	}
	snprintf(near, sizeof(near), "%.60sh", text);
	if (duration_parse(near, ret) && *ret > 0) {
		print_error(
		    "%s: `%s` lacks its unit (s, min, h, d, w); nearest: %s", what, text, near);
	} else {
		print_error(
		    "%s: `%s` is no length of time; for example 90s, 30min, 24h, 7d", what, text);
	}
	return false;
}

/* One word of a choice's `a|b|c`. */
static bool check_word(const char *what, const char *choices, const char *text, size_t len)
{
	char words[16][24];
	const char *names[17];
	char word[64];
	const char *nearest;
	size_t n = 0;

	for (const char *p = choices; *p != '\0' && n < 16; n++) {
		size_t l = strcspn(p, "|");

		snprintf(words[n], sizeof(words[n]), "%.*s", (int)l, p);
		names[n] = words[n];
		if (l == len && memcmp(p, text, len) == 0) {
			return true;
		}
		p += l + (p[l] == '|');
	}
	names[n] = NULL;
	snprintf(word, sizeof(word), "%.*s", (int)len, text);
	nearest = text_nearest(word, names);
	print_error("%s: `%s` is none of %s%s%s", what, word, choices,
	    nearest != NULL ? "; nearest: " : "", nearest != NULL ? nearest : "");
	return false;
}

static bool check_list(const char *what, const char *choices, const char *text)
{
	do {
		size_t len = strcspn(text, ",");

		if (!check_word(what, choices, text, len)) {
			return false;
		}
		text += len + (text[len] == ',');
	} while (*text != '\0');
	return true;
}

static bool check_pair(const char *what, const char *text)
{
	const char *equals = strchr(text, '=');

	if (equals == NULL || equals == text || equals - text > 60) {
		print_error("%s: `%s` is not NAME=VALUE, such as state=CA", what, text);
		return false;
	}
	return true;
}

static bool check_map(const char *what, const char *text)
{
	size_t len = strcspn(text, "=");
	char field[64];
	const char *nearest;

	if (text[len] != '=' || len == 0 || text[len + 1] == '\0') {
		print_error("%s: `%s` is not FIELD=HEADER; for example email=E-Mail", what, text);
		return false;
	}
	snprintf(field, sizeof(field), "%.*s", (int)len, text);
	for (const char *const *name = lead_field_names; *name != NULL; name++) {
		if (strcmp(*name, field) == 0) {
			return true;
		}
	}
	nearest = text_nearest(field, lead_field_names);
	print_error("%s: there is no field `%s`%s%s%s%s", what, field,
	    nearest != NULL ? "; nearest: " : "", nearest != NULL ? nearest : "",
	    nearest != NULL ? "=" : "", nearest != NULL ? text + len + 1 : "");
	if (nearest == NULL) {
		fputs("fields:", stderr);
		for (const char *const *name = lead_field_names; *name != NULL; name++) {
			fprintf(stderr, " %s", *name);
		}
		fputs("\n", stderr);
	}
	return false;
}

/* The next time that the local clock shows so. */
static bool clock_time(const char *text, int64_t now_us, int64_t *ret)
{
	time_t now = (time_t)(now_us / US_PER_S), at;
	unsigned hour, minute;
	struct tm tm;
	int end = 0;

	if (sscanf(text, "%2u:%2u%n", &hour, &minute, &end) != 2 || text[end] != '\0' || hour > 23 ||
	    minute > 59 || strcspn(text, ":") == 0 || strlen(strchr(text, ':')) != 3) {
		return false;
	}
	(void)localtime_r(&now, &tm);
	tm.tm_hour = (int)hour;
	tm.tm_min = (int)minute;
	tm.tm_sec = 0;
	for (int day = 0; day < 2; day++) {
		struct tm then = tm;

		then.tm_mday += day;
		then.tm_isdst = -1;
		at = mktime(&then);
		if (at > now) {
			break;
		}
	}
	*ret = (int64_t)at * US_PER_S;
	return true;
}

/* RFC 3339; seconds may be left out. */
static bool written_time(const char *text, int64_t *ret)
{
	char full[64];

	if (time_parse_rfc3339(text, ret)) {
		return true;
	}
	if (strlen(text) < 17 || strlen(text) > 40 || text[13] != ':' || text[16] == ':') {
		return false;
	}
	(void)snprintf(full, sizeof(full), "%.16s:00%.30s", text, text + 16);
	return time_parse_rfc3339(full, ret);
}

static bool check_time(const char *what, const char *text, int64_t *ret)
{
	struct timespec t;
	int64_t now_us, wait_us;
	char zoned[80];

	(void)clock_gettime(CLOCK_REALTIME, &t);
	now_us = (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
	if (duration_parse(text, &wait_us) && wait_us > 0) {
		*ret = now_us + wait_us;
		return true;
	}
	if (clock_time(text, now_us, ret)) {
		return true;
	}
	if (written_time(text, ret)) {
		if (*ret > now_us) {
			return true;
		}
		print_error("%s: %s is over", what, text);
		return false;
	}
	(void)snprintf(zoned, sizeof(zoned), "%.60sZ", text);
	if (written_time(zoned, ret)) {
		print_error("%s: `%s` lacks its zone; nearest: %s", what, text, zoned);
	} else {
		print_error("%s: `%s` is no time; for example 07:00 (the next one, local time), 8h "
			    "(from now), 2026-11-28T07:00+01:00",
		    what, text);
	}
	return false;
}

bool check_value(const char *what, const struct option *o, const char *text, int64_t *ret)
{
	switch (o->kind) {
	case OPTION_NUMBER:
		return check_number(what, o, text, ret);
	case OPTION_MONEY:
		return check_money(what, text, ret);
	case OPTION_DURATION:
		return check_duration(what, text, ret);
	case OPTION_TIME:
		return check_time(what, text, ret);
	case OPTION_CHOICE:
		return check_word(what, o->arg, text, strlen(text));
	case OPTION_LIST:
		return check_list(what, o->arg, text);
	case OPTION_MAP:
		return check_map(what, text);
	case OPTION_PAIR:
		return check_pair(what, text);
	case OPTION_FLAG:
	case OPTION_TEXT:
	case OPTION_FILE:
		break;
	}
	if (text[0] == '\0') {
		print_error("%s: the value is empty", what);
	}
	return text[0] != '\0';
}

bool check_window(const char *text)
{
	struct window_spec spec;
	char near[80], *per;

	if (window_parse(text, &spec)) {
		return true;
	}
	tidy(near, text, "");
	per = strstr(near, "per");
	if (per != NULL) {
		*per = '/';
		memmove(per + 1, per + 3, strlen(per + 3) + 1);
	}
	if (!window_parse(near, &spec)) {
		strcat(near, "s");
	}
	if (!window_parse(near, &spec)) {
		print_error(
		    "`%s` is no limit; it is a number and a time, for example 40/60s, 1/3s, "
		    "100/min or 10000/day",
		    text);
	} else {
		print_error("`%s` is no limit; nearest: %s", text, near);
	}
	return false;
}
