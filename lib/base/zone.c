/*
 * lib/base/zone.c: time zones from the system's TZif files (RFC 8536): a table of
 * past changes, and a rule for the years behind it. A calendar day begins at the
 * first moment when the local clock shows its date: midnight nearly always, the
 * end of the gap where clocks skip midnight. So days never overlap and never leave
 * a hole, whatever the clocks do.
 */
#include "lib/base/time.h"

#include "lib/base/civil.h"
#include "lib/base/zone_rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZONE_FOLDER "/usr/share/zoneinfo/"
#define LARGEST_FILE_BYTES 65536
#define HEADER_BYTES 44
#define DAY_S INT64_C(86400)
#define WIDEST_OFFSET_S (26 * 3600)               /* RFC 8536 section 3.2 */
#define LARGEST_S (INT64_C(253402300800) - DAY_S) /* the calendar ends with the year 9999 */

struct change {
	int64_t at_s;
	int32_t offset_s; /* east of UTC, from this moment on */
};

struct zone {
	int32_t first_offset_s; /* before the first change */
	bool has_rule;          /* else the last change holds for ever */
	struct zone_rule rule;
	size_t n;
	struct change changes[];
};

/* ---- reading ---- */

struct header {
	char version;
	uint32_t utc_flags, std_flags, leaps, times, types, chars;
};

static int64_t big_endian(const uint8_t *p, int bytes)
{
	uint64_t number = p[0] >= 0x80 ? UINT64_MAX : 0;

	for (int i = 0; i < bytes; i++) {
		number = number << 8 | p[i];
	}
	return (int64_t)number;
}

static bool read_header(const uint8_t *p, const uint8_t *end, struct header *ret)
{
	uint32_t counts[6];

	if (end - p < HEADER_BYTES || memcmp(p, "TZif", 4) != 0) {
		return false;
	}
	for (int i = 0; i < 6; i++) {
		counts[i] = (uint32_t)big_endian(p + 20 + 4 * i, 4);
		if (counts[i] > LARGEST_FILE_BYTES) {
			return false;
		}
	}
	*ret = (struct header){
	    (char)p[4], counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]};
	return true;
}

/* Bytes of the block behind a header. */
static size_t block_size(const struct header *h, size_t time_bytes)
{
	return h->times * (time_bytes + 1) + h->types * 6 + h->chars + h->leaps * (time_bytes + 4) +
	       h->std_flags + h->utc_flags;
}

static bool read_changes(struct zone *z, const struct header *h, const uint8_t *block)
{
	const uint8_t *index = block + h->times * 8;
	const uint8_t *types = index + h->times;

	z->n = h->times;
	z->first_offset_s = (int32_t)big_endian(types, 4);
	for (size_t i = 0; i < z->n; i++) {
		if (index[i] >= h->types) {
			return false;
		}
		z->changes[i].at_s = big_endian(block + i * 8, 8);
		z->changes[i].offset_s = (int32_t)big_endian(types + index[i] * 6, 4);
		if (i > 0 && z->changes[i].at_s <= z->changes[i - 1].at_s) {
			return false;
		}
	}
	for (size_t i = 0; i < h->types; i++) {
		int64_t offset_s = big_endian(types + i * 6, 4);

		if (offset_s < -WIDEST_OFFSET_S || offset_s > WIDEST_OFFSET_S) {
			return false;
		}
	}
	return true;
}

/* The line behind the table: newline, rule, newline; the rule may be empty. */
static bool read_footer(struct zone *z, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *newline =
	    end - p > 1 && *p == '\n' ? memchr(p + 1, '\n', (size_t)(end - p - 1)) : NULL;
	char text[128];
	size_t len;

	if (newline == NULL) {
		return false;
	}
	len = (size_t)(newline - p - 1);
	if (len >= sizeof(text)) {
		return false;
	}
	memcpy(text, p + 1, len);
	text[len] = '\0';
	z->has_rule = len > 0;
	return len == 0 || zone_rule_parse(text, &z->rule);
}

/* 0, LEAD_ENOMEM, or LEAD_EINPUT without a message. */
static int zone_decode(const uint8_t *file, size_t len, struct zone **ret)
{
	const uint8_t *p = file, *end = file + len;
	struct header h;
	struct zone *z;

	/* the first block is for programs that know 32-bit times only */
	if (!read_header(p, end, &h) || h.version < '2' ||
	    block_size(&h, 4) > (size_t)(end - p - HEADER_BYTES)) {
		return LEAD_EINPUT;
	}
	p += HEADER_BYTES + block_size(&h, 4);
	if (!read_header(p, end, &h) || block_size(&h, 8) > (size_t)(end - p - HEADER_BYTES) ||
	    h.types == 0 || h.leaps != 0) {
		return LEAD_EINPUT;
	}
	p += HEADER_BYTES;
	z = calloc(1, sizeof(*z) + h.times * sizeof(z->changes[0]));
	if (z == NULL) {
		return LEAD_ENOMEM;
	}
	if (!read_changes(z, &h, p) || !read_footer(z, p + block_size(&h, 8), end)) {
		free(z);
		return LEAD_EINPUT;
	}
	*ret = z;
	return 0;
}

/* Names stay below the folder: `Europe/Berlin`, `Etc/GMT+5`. */
static bool is_zone_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < 64 && name[0] != '/' && strstr(name, "..") == NULL &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") ==
		   len;
}

int zone_load(const char *name, struct zone **ret, struct lead_error *err)
{
	uint8_t file[LARGEST_FILE_BYTES];
	char path[sizeof(ZONE_FOLDER) + 64];
	size_t len;
	FILE *f;
	int rc;

	if (strcmp(name, "UTC") == 0) {
		*ret = NULL;
		return 0;
	}
	if (!is_zone_name(name)) {
		return lead_fail(
		    err, LEAD_EINPUT, "no name of a time zone; write one like Europe/Berlin");
	}
	snprintf(path, sizeof(path), ZONE_FOLDER "%s", name);
	f = fopen(path, "rbe");
	if (f == NULL) {
		return lead_fail(
		    err, LEAD_EINPUT, "cannot read time zone %s: %s", name, strerror(errno));
	}
	len = fread(file, 1, sizeof(file), f);
	fclose(f);
	rc = zone_decode(file, len, ret);
	if (rc == LEAD_EINPUT) {
		return lead_fail(err, rc, "%s is no time zone file that we can read", path);
	}
	return rc == 0 ? 0 : lead_fail(err, rc, "out of memory");
}

void zone_free(struct zone *z)
{
	free(z);
}

/* ---- the calendar ---- */

/* The offset in force at t_s, and the moment of the next change. */
static void offset_at(const struct zone *z, int64_t t_s, int32_t *ret_offset_s, int64_t *ret_next_s)
{
	size_t low = 0, high = z->n; /* changes before low are not after t_s */

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (z->changes[middle].at_s <= t_s) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low == z->n && z->has_rule) {
		zone_rule_at(&z->rule, t_s, ret_offset_s, ret_next_s);
		return;
	}
	*ret_offset_s = low == 0 ? z->first_offset_s : z->changes[low - 1].offset_s;
	*ret_next_s = low == z->n ? INT64_MAX : z->changes[low].at_s;
}

/* The first moment when the local clock shows this day or a later one. */
static int64_t day_start_s(const struct zone *z, int64_t day)
{
	int64_t midnight_s = day * DAY_S, from_s = midnight_s - WIDEST_OFFSET_S, next_s;
	int32_t offset_s;

	if (z == NULL) {
		return midnight_s;
	}
	for (;; from_s = next_s) {
		int64_t t_s;

		offset_at(z, from_s, &offset_s, &next_s);
		t_s = midnight_s - offset_s;
		t_s = t_s > from_s ? t_s : from_s;
		if (t_s < next_s) {
			return t_s;
		}
	}
}

/* The day that has begun last at t_s. */
static int64_t day_at(const struct zone *z, int64_t t_s)
{
	int32_t offset_s = 0;
	int64_t next_s, day;

	if (z != NULL) {
		offset_at(z, t_s, &offset_s, &next_s);
	}
	day = floor_div(t_s + offset_s, DAY_S);
	while (day_start_s(z, day + 1) <= t_s) {
		day++; /* the clock was set back over midnight: the new day has begun already */
	}
	return day;
}

static int64_t clamped_s(int64_t wall_us)
{
	int64_t s = floor_div(wall_us, US_PER_S);

	return s > LARGEST_S ? LARGEST_S : s < -LARGEST_S ? -LARGEST_S : s;
}

void zone_day(const struct zone *z, int64_t wall_us, int64_t *ret_start_us, int64_t *ret_next_us)
{
	int64_t day = day_at(z, clamped_s(wall_us));

	*ret_start_us = day_start_s(z, day) * US_PER_S;
	*ret_next_us = day_start_s(z, day + 1) * US_PER_S;
}

int64_t zone_at(const struct zone *z, int64_t wall_us, unsigned minute, unsigned *ret_weekday)
{
	int64_t day = day_at(z, clamped_s(wall_us)), from_s = day_start_s(z, day), end_s = day_start_s(z, day + 1), next_s = INT64_MAX;
	int64_t local_s = day * DAY_S + (int64_t)minute * 60;
	int32_t offset_s = 0;

	*ret_weekday = (unsigned)(((day + 4) % 7 + 7) % 7); /* 1970 began with a Thursday */
	for (; from_s < end_s; from_s = next_s) {
		int64_t t_s;

		if (z != NULL) {
			offset_at(z, from_s, &offset_s, &next_s);
		}
		t_s = local_s - offset_s;
		t_s = t_s > from_s ? t_s : from_s;
		if (t_s < next_s && t_s < end_s) {
			return t_s * US_PER_S;
		}
	}
	return end_s * US_PER_S;
}

void zone_month(const struct zone *z, int64_t wall_us, int64_t *ret_start_us, int64_t *ret_next_us)
{
	struct civil c = civil_from_day(day_at(z, clamped_s(wall_us)));
	int64_t next_year = c.month == 12 ? c.year + 1 : c.year;
	unsigned next_month = c.month == 12 ? 1 : c.month + 1;

	*ret_start_us = day_start_s(z, day_from_civil(c.year, c.month, 1)) * US_PER_S;
	*ret_next_us = day_start_s(z, day_from_civil(next_year, next_month, 1)) * US_PER_S;
}
