/*
 * See xlsx_internal.h. A date is a number with a format that shows one: days since 1899-12-30, but
 * for the first 60, which count a 29th of February 1900 that never was; or days since 1904-01-01.
 */
#include "lib/table/xlsx_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/civil.h"

#define DAY_S 86400
#define LAST_DAY 2958465 /* 9999-12-31 */

/* h], mm] …: hours and more that do not begin again. */
static bool is_elapsed(const char *p)
{
	return *p != 0 && strchr("hHmMsS", *p) != NULL && (p[1] == ']' || p[1] == *p);
}

/* The code's first section without quoted text, escapes and brackets, in lower case. */
static void plain_code(const char *code, char out[64], bool *ret_elapsed)
{
	size_t n = 0;

	*ret_elapsed = false;
	for (const char *p = code; *p != 0 && *p != ';' && n < 63; p++) {
		if (*p == '"') {
			p = strchr(p + 1, '"');
		} else if (*p == '\\' || *p == '_' || *p == '*') {
			p += p[1] != 0;
		} else if (*p == '[') {
			*ret_elapsed = *ret_elapsed || is_elapsed(p + 1);
			p = strchr(p, ']');
		} else {
			out[n++] = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
		}
		if (p == NULL) {
			break;
		}
	}
	out[n] = 0;
}

struct look look_of_code(const char *code)
{
	char plain[64];
	bool elapsed, date, clock;

	plain_code(code, plain, &elapsed);
	if (elapsed) {
		return (struct look){.kind = LOOK_ELAPSED};
	}
	if (strcmp(plain, "general") == 0) {
		return (struct look){.kind = LOOK_PLAIN};
	}
	clock = strpbrk(plain, "hs") != NULL;
	date = strpbrk(plain, clock ? "yd" : "ydm") != NULL;
	if (date || clock) {
		return (struct look){.kind = date && clock ? LOOK_DATE_TIME
					     : date        ? LOOK_DATE
							   : LOOK_TIME};
	}
	if (plain[0] == '0' && plain[1] != 0 && plain[strspn(plain, "0")] == 0) {
		return (struct look){.kind = LOOK_PADDED, .width = (unsigned)strlen(plain)};
	}
	return (struct look){.kind = LOOK_PLAIN};
}

struct look look_of_id(unsigned id)
{
	if ((id >= 14 && id <= 17) || (id >= 27 && id <= 36) || (id >= 50 && id <= 58)) {
		return (struct look){.kind = LOOK_DATE};
	}
	if ((id >= 18 && id <= 21) || id == 45 || id == 47) {
		return (struct look){.kind = LOOK_TIME};
	}
	if (id == 22 || id == 46) {
		return (struct look){.kind = id == 22 ? LOOK_DATE_TIME : LOOK_ELAPSED};
	}
	return (struct look){.kind = LOOK_PLAIN};
}

static bool parse_number(const char *text, size_t len, double *ret)
{
	char copy[64], *end;

	if (len == 0 || len >= sizeof(copy)) {
		return false;
	}
	memcpy(copy, text, len);
	copy[len] = 0;
	if (strspn(copy, "0123456789+-.eE") != len) {
		return false;
	}
	*ret = strtod(copy, &end);
	return *end == 0 && isfinite(*ret);
}

/* false: there is no such day. */
static bool write_date(int64_t day, bool from_1904, struct buf *out)
{
	struct civil c;

	if (!from_1904 && day == 60) {
		buf_add_text(out, "1900-02-29");
		return true;
	}
	if (day < (from_1904 ? 0 : 1) || day > LAST_DAY) {
		return false;
	}
	day +=
	    from_1904 ? day_from_civil(1904, 1, 1) : day_from_civil(1899, 12, day < 60 ? 31 : 30);
	c = civil_from_day(day);
	buf_printf(out, "%04lld-%02u-%02u", (long long)c.year, c.month, c.day);
	return true;
}

static bool write_moment(struct look l, double number, bool from_1904, struct buf *out)
{
	int64_t seconds;

	if (number < 0 || number > LAST_DAY + 1.0) {
		return false;
	}
	seconds = llround(number * DAY_S);
	if (l.kind == LOOK_ELAPSED) {
		buf_printf(out, "%lld:%02d:%02d", (long long)(seconds / 3600),
		    (int)(seconds / 60 % 60), (int)(seconds % 60));
		return true;
	}
	if (l.kind != LOOK_TIME && !write_date(seconds / DAY_S, from_1904, out)) {
		return false;
	}
	if (l.kind == LOOK_DATE_TIME) {
		buf_add_char(out, 'T');
	}
	if (l.kind != LOOK_DATE) {
		buf_printf(out, "%02d:%02d:%02d", (int)(seconds % DAY_S / 3600),
		    (int)(seconds / 60 % 60), (int)(seconds % 60));
	}
	return true;
}

void look_write(struct look l, const char *text, size_t len, bool from_1904, struct buf *out)
{
	double number;

	if (!parse_number(text, len, &number)) {
		buf_add(out, text, len);
		return;
	}
	if (l.kind >= LOOK_DATE && write_moment(l, number, from_1904, out)) {
		return;
	}
	if (number == trunc(number) && fabs(number) < 1e15) {
		buf_printf(out, "%0*.0f", l.kind == LOOK_PADDED ? (int)l.width : 0, number + 0.0);
	} else {
		buf_printf(out, "%.15g", number);
	}
}
