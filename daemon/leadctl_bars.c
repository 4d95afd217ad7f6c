/*
 * daemon/leadctl_bars.c: a watched run on the screen: one bar for each stage, redrawn in place, or
 * a line every 5 seconds where there is no terminal.
 */
#include "daemon/leadctl_watch.h"

#include "lib/base/text.h"
#include "lib/base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LINE_EVERY_US (5 * US_PER_S)
#define RATE_OVER_US (5 * US_PER_S) /* rates look back once to twice this */

/* --- figures --- */

static int64_t done_in(struct json_object *stage)
{
	return get_int(stage, "ok") + get_int(stage, "empty") + get_int(stage, "rejected") +
	       get_int(stage, "failed");
}

/* Where a lead of a stage can be while it is not done with it. */
static const struct {
	const char *key, *word;
} here[] = {
    {"waiting", "waiting"}, {"in_flight", "in flight"}, {"retrying", "retrying"}, {"held", "held"}};

static int64_t present_in(struct json_object *stage)
{
	int64_t n = 0;

	for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
		n += get_int(stage, here[i].key);
	}
	return n;
}

/* What has come to stage i or may still come: itself and everything before it. */
static int64_t total_of(struct json_object *stages, size_t i)
{
	int64_t total = done_in(list_at(stages, i));

	for (size_t k = 0; k <= i; k++) {
		total += present_in(list_at(stages, k));
	}
	return total;
}

/* Notes the figures now, from which the rates come; also while nothing happens. */
static void measure(struct watch *w)
{
	struct json_object *stages = get_list(w->run, "stages");
	int64_t now = watch_now_us();

	for (size_t i = 0; i < list_length(stages) && i < WATCH_STAGES; i++) {
		struct mark mark = {now, done_in(list_at(stages, i))};

		if (w->marks[i].newer.at_us == 0) {
			w->marks[i].old = w->marks[i].newer = mark;
		} else if (now - w->marks[i].newer.at_us >= RATE_OVER_US) {
			w->marks[i].old = w->marks[i].newer;
			w->marks[i].newer = mark;
		}
	}
}

/* Tenths per second. */
static int64_t rate_of(const struct watch *w, size_t i, int64_t done)
{
	int64_t took_us = i < WATCH_STAGES ? watch_now_us() - w->marks[i].old.at_us : 0;

	if (took_us < US_PER_S || done < w->marks[i].old.done) {
		return 0;
	}
	return (done - w->marks[i].old.done) * 10 * US_PER_S / took_us;
}

/* Why a stage waits: its own word, else the run's when that begins with the stage's name. */
static const char *binding_of(struct json_object *run, struct json_object *stage)
{
	const char *own = get_text(stage, "binding"), *whole = get_text(run, "waiting_for");
	size_t len = strlen(get_text(stage, "stage"));

	if (own[0] != '\0') {
		return own;
	}
	return strncmp(whole, get_text(stage, "stage"), len) == 0 &&
		       strncmp(whole + len, ": ", 2) == 0
		   ? whole + len + 2
		   : "";
}

/* --- showing --- */

static void add_counts(struct buf *out, const struct watch *w, struct json_object *stages, size_t i)
{
	struct json_object *stage = list_at(stages, i);
	int64_t rate = rate_of(w, i, done_in(stage));

	buf_printf(out, "%" PRId64 "/%" PRId64, done_in(stage), total_of(stages, i));
	for (size_t k = 0; k < sizeof(here) / sizeof(here[0]); k++) {
		if (get_int(stage, here[k].key) > 0) {
			buf_printf(
			    out, "  %" PRId64 " %s", get_int(stage, here[k].key), here[k].word);
		}
	}
	if (rate > 0) {
		buf_printf(out, "  %" PRId64 ".%" PRId64 "/s", rate / 10, rate % 10);
	}
	if (binding_of(w->run, stage)[0] != '\0') {
		buf_printf(out, "  %s", binding_of(w->run, stage));
	}
}

static void add_summary(struct buf *out, const struct watch *w)
{
	const char *currency = get_text(w->run, "currency");
	int64_t total = get_int(w->run, "total");

	buf_printf(out, "run %" PRIu64 " %s  %" PRId64 " of %" PRId64 " done  %s", w->number,
	    get_text(w->run, "state"), total - get_int(w->run, "open"), total,
	    show_money(w->c, w->run, "settled_micro", currency));
	if (get_has(w->run, "budget_micro")) {
		buf_printf(out, " of %s", show_money(w->c, w->run, "budget_micro", currency));
	}
	if (get_has(w->run, "eta")) {
		buf_printf(out, "  until %s", show_time(w->c, w->run, "eta"));
	}
}

/* One line of a frame, cut to the screen and made harmless, with its newline. */
static void add_line(struct buf *frame, const struct watch *w, const struct buf *line)
{
	struct buf safe = {0};

	text_write_safe(&safe, line->len > 0 ? line->data : "", line->len);
	text_cut(frame, safe.len > 0 ? safe.data : "", w->c->width, w->c->utf8);
	buf_add_char(frame, '\n');
	buf_free(&safe);
}

static void add_stages(struct buf *frame, const struct watch *w)
{
	struct json_object *stages = get_list(w->run, "stages");
	struct buf line = {0};
	size_t widest = 0;

	for (size_t i = 0; i < list_length(stages); i++) {
		size_t width = strlen(get_text(list_at(stages, i), "stage"));

		widest = width > widest ? width : widest;
	}
	for (size_t i = 0; i < list_length(stages); i++) {
		struct json_object *stage = list_at(stages, i);

		buf_reset(&line);
		buf_printf(&line, "%-*s  ", (int)widest, get_text(stage, "stage"));
		text_bar(
		    &line, (uint64_t)done_in(stage), (uint64_t)total_of(stages, i), 20, w->c->utf8);
		buf_add_text(&line, "  ");
		add_counts(&line, w, stages, i);
		add_line(frame, w, &line);
	}
	buf_free(&line);
}

/* A frame goes out at once, and only when it differs from the one on the screen. */
static void draw(struct watch *w)
{
	struct buf frame = {0}, line = {0};

	add_stages(&frame, w);
	add_summary(&line, w);
	if (w->note[0] != '\0') {
		buf_printf(&line, "  (%s)", w->note);
	}
	add_line(&frame, w, &line);
	buf_free(&line);
	if (w->frame.len == frame.len && memcmp(w->frame.data, frame.data, frame.len) == 0) {
		buf_free(&frame);
		return;
	}
	if (w->drawn > 0) {
		printf("\033[%zuA\033[J", w->drawn);
	}
	w->drawn = 1 + list_length(get_list(w->run, "stages"));
	fputs(frame.data, stdout);
	(void)fflush(stdout);
	buf_free(&w->frame);
	w->frame = frame;
}

static void write_line(struct watch *w)
{
	struct json_object *stages = get_list(w->run, "stages");
	struct buf line = {0};
	time_t seconds = time(NULL);
	struct tm tm;
	char clock[16];

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&seconds, &tm));
	buf_printf(&line, "%s  ", clock);
	add_summary(&line, w);
	for (size_t i = 0; i < list_length(stages); i++) {
		if (present_in(list_at(stages, i)) > 0) {
			buf_printf(&line, " | %s ", get_text(list_at(stages, i), "stage"));
			add_counts(&line, w, stages, i);
		}
	}
	print_line(w->c, PLAIN, "%s", line.data);
	(void)fflush(stdout);
	buf_free(&line);
}

void bars_show(void *arg)
{
	struct watch *w = arg;

	if (w->run == NULL || w->c->json) {
		return;
	}
	measure(w);
	if (w->c->tty) {
		draw(w);
	} else if (watch_now_us() >= w->next_line_us) {
		w->next_line_us = watch_now_us() + LINE_EVERY_US;
		write_line(w);
	}
}
