/*
 * daemon/leadctl_plan_chart.c: a planned night over time: a row for each stage, a column for each
 * piece of the night, and below what held it up.
 *
 *             01:48          02:12          02:36
 *   verify    ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▂   29 calls in 80 s at most
 */
#include "daemon/leadctl.h"

#include "lib/base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#define LABEL 12 /* columns before the first piece */
#define TICK 12  /* columns from one time to the next */

static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char letters[] = " .:-=+*#@";

static int64_t most_of(struct json_object *calls)
{
	int64_t most = 0;

	for (size_t i = 0; i < list_length(calls); i++) {
		int64_t n = json_object_get_int64(list_at(calls, i));

		most = n > most ? n : most;
	}
	return most;
}

/* `07:05`, local. */
static void add_clock(struct buf *out, int64_t wall_us)
{
	time_t at = (time_t)(wall_us / US_PER_S);
	struct tm tm;

	(void)localtime_r(&at, &tm);
	buf_printf(out, "%02d:%02d", tm.tm_hour, tm.tm_min);
}

static void print_times(struct ctl *c, int64_t from_us, int64_t step_us, size_t pieces)
{
	struct buf line = {0};

	for (size_t i = 0; i < pieces; i += TICK) {
		while (line.len < LABEL + i) {
			buf_add_char(&line, ' ');
		}
		add_clock(&line, from_us + (int64_t)i * step_us);
	}
	print_line(c, DIM, "%s", line.data);
	buf_free(&line);
}

static void print_stage(struct ctl *c, struct json_object *stage, int64_t step_us)
{
	struct json_object *calls = get_list(stage, "calls");
	int64_t most = most_of(calls);
	struct buf line = {0};
	char step[32];

	buf_printf(&line, "%-*.*s", LABEL, LABEL - 1, get_text(stage, "stage"));
	for (size_t i = 0; i < list_length(calls); i++) {
		int64_t n = json_object_get_int64(list_at(calls, i));
		int64_t level = most > 0 ? (n * 8 + most - 1) / most : 0;

		if (c->utf8) {
			buf_add_text(&line, blocks[level]);
		} else {
			buf_add_char(&line, letters[level]);
		}
	}
	duration_write(step_us, step);
	print_line(c, PLAIN, "%s  at most %" PRId64 " calls in %s", line.data, most, step);
	buf_free(&line);
}

static void print_binding(struct ctl *c, struct json_object *plan)
{
	struct json_object *list = get_list(plan, "binding");

	if (list_length(list) > 0) {
		print_line(c, DIM, "held up by");
	}
	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *b = list_at(list, i);
		struct buf at = {0};
		int64_t wall_us = 0;

		(void)time_parse_rfc3339(get_text(b, "from"), &wall_us);
		add_clock(&at, wall_us);
		print_line(c, PLAIN, "%s       %s", at.data, get_text(b, "text"));
		buf_free(&at);
	}
}

void plan_chart(struct ctl *c, struct json_object *plan)
{
	struct json_object *timeline = get_object(plan, "timeline"),
			   *stages = get_list(timeline, "stages");
	int64_t from_us = 0, step_us = get_int(timeline, "step_ms") * US_PER_MS;

	if (list_length(stages) > 0 && time_parse_rfc3339(get_text(timeline, "from"), &from_us)) {
		putchar('\n');
		print_times(
		    c, from_us, step_us, list_length(get_list(list_at(stages, 0), "calls")));
		for (size_t i = 0; i < list_length(stages); i++) {
			print_stage(c, list_at(stages, i), step_us);
		}
	}
	print_binding(c, plan);
}
