/* lib/base/time.h: the two clocks, and every way outside systems write a time. */
#pragma once

#include "lib/base/error.h"
#include "lib/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define US_PER_MS INT64_C(1000)
#define US_PER_S INT64_C(1000000)
#define US_PER_DAY (INT64_C(86400) * US_PER_S)
#define TIME_NEVER INT64_MAX

/* Microseconds; boot: CLOCK_BOOTTIME; wall: since 1970 UTC. lib reads no clock: this comes in. */
struct now {
	int64_t boot_us;
	int64_t wall_us;
};

/* `2026-11-22T01:02:03.004Z`; 24 characters and NUL. */
void time_write_utc(int64_t wall_us, char out[25]);
/* Local time with zone for people: `2026-11-22 02:02:03 +0100`. Uses the process's zone. */
void time_write_local(int64_t wall_us, char out[32]);
/* `12 ms`, `1.2 s`, `3 min 20 s`, `2 h 05 min`, `4 d 3 h`, `never`: for people, cut off. */
void duration_write(int64_t us, char out[32]);
/* RFC 3339 with any offset; false when it is none. */
bool time_parse_rfc3339(const char *text, int64_t *ret_wall_us);
/* RFC 9110 section 5.6.7, all three forms; a year of two digits lies in 1970 to 2069. */
bool time_parse_http_date(const char *text, int64_t *ret_wall_us);
/* Go's time.Duration: `6m0s`, `12ms`, `1h2m3.5s`; non-negative; rounded up to microseconds. */
bool duration_parse_go(const char *text, int64_t *ret_us);
/* Our own: number (at most 6 decimals) and one of us ms s min m h d w; non-negative. */
bool duration_parse(const char *text, int64_t *ret_us);

/* A zone of the system's TZif files (RFC 8536), without touching TZ. NULL means UTC everywhere. */
struct zone;
/* LEAD_EINPUT for an unknown name. "UTC" gives *ret = NULL. */
int zone_load(const char *name, struct zone **ret, struct lead_error *err) MUST_CHECK;
void zone_free(struct zone *z);
/*
 * Start of the calendar day or month that wall_us falls into, and of the next one.
 * A day begins when the local clock first shows its date; days never overlap or
 * leave a hole, whatever the clock does.
 */
void zone_day(const struct zone *z, int64_t wall_us, int64_t *ret_start_us, int64_t *ret_next_us);
/*
 * The first moment of the calendar day of wall_us at which the local clock shows that minute of the day or a later one; the end of the
 * day when it shows none. Weekday: 0 is Sunday.
 */
int64_t zone_at(const struct zone *z, int64_t wall_us, unsigned minute, unsigned *ret_weekday);
void zone_month(const struct zone *z, int64_t wall_us, int64_t *ret_start_us, int64_t *ret_next_us);
