/*
 * daemon/leadctl_watch.c: following a run by server-sent events until it ends.
 *
 *   look (GET) -> follow (events) -> ended? --yes--> look -> summary
 *     ^                  '--- connection lost: pause ---'
 *     '-----------------------------------------------'
 *
 * On a terminal the stages are bars, redrawn in place; elsewhere one line every 5 seconds.
 */
#include "daemon/leadctl.h"

#include "lib/base/json.h"
#include "lib/base/text.h"
#include "lib/base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#define LINE_EVERY_US (5 * US_PER_S)
#define RATE_OVER_US (5 * US_PER_S) /* rates look back once to twice this */
#define GIVE_UP_US (300 * US_PER_S) /* without any contact */
#define STAGES 32
#define EVENT_MAX_BYTES ((size_t)4 << 20)

struct mark {
	int64_t at_us, done;
};

struct watch {
	struct ctl *c;
	uint64_t number;
	struct json_object *run; /* the newest state */
	bool ended;
	struct buf line, name, data; /* the event that is coming in */
	struct {
		struct mark old, newer;
	} marks[STAGES];
	struct buf frame; /* what the screen shows, of so many lines */
	size_t drawn;
	int64_t next_line_us;
	const char *note; /* what is wrong with the connection; "" for nothing */
};

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static bool is_terminal(struct json_object *run)
{
	const char *state = get_text(run, "state");

	return strcmp(state, "done") == 0 || strcmp(state, "cancelled") == 0 ||
	       strcmp(state, "failed") == 0;
}

/* --- figures --- */

static int64_t done_in(struct json_object *stage)
{
	return get_int(stage, "ok") + get_int(stage, "empty") + get_int(stage, "rejected") +
	       get_int(stage, "failed");
}

static int64_t present_in(struct json_object *stage)
{
	return get_int(stage, "waiting") + get_int(stage, "in_flight") +
	       get_int(stage, "retrying") + get_int(stage, "held");
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

static void measure(struct watch *w)
{
	struct json_object *stages = get_list(w->run, "stages");
	int64_t now = now_us();

	for (size_t i = 0; i < list_length(stages) && i < STAGES; i++) {
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
	int64_t took_us = i < STAGES ? now_us() - w->marks[i].old.at_us : 0;

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
	if (get_int(stage, "waiting") > 0) {
		buf_printf(out, "  %" PRId64 " waiting", get_int(stage, "waiting"));
	}
	if (get_int(stage, "in_flight") > 0) {
		buf_printf(out, "  %" PRId64 " in flight", get_int(stage, "in_flight"));
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
		if (total_of(stages, i) > done_in(list_at(stages, i))) {
			buf_printf(&line, " | %s ", get_text(list_at(stages, i), "stage"));
			add_counts(&line, w, stages, i);
		}
	}
	print_line(w->c, PLAIN, "%s", line.data);
	(void)fflush(stdout);
	buf_free(&line);
}

/* After each event and each second. */
static void show(void *arg)
{
	struct watch *w = arg;

	if (w->run == NULL || w->c->json) {
		return;
	}
	if (w->c->tty) {
		draw(w);
	} else if (now_us() >= w->next_line_us) {
		w->next_line_us = now_us() + LINE_EVERY_US;
		write_line(w);
	}
}

static void take_run(struct watch *w, struct json_object *run)
{
	json_object_put(w->run);
	w->run = run;
	measure(w);
	if (w->c->json) {
		puts(json_object_to_json_string_ext(
		    run, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		(void)fflush(stdout);
	}
	show(w);
}

/* --- events (WHATWG HTML, section 9.2: the parts of it that our daemon writes) --- */

static void end_event(struct watch *w)
{
	struct json_object *run;

	if (strcmp(w->name.len > 0 ? w->name.data : "", "end") == 0) {
		w->ended = true;
	} else if (w->data.len > 0 && json_parse(w->data.data, w->data.len, &run, NULL) == 0) {
		take_run(w, run);
	}
	buf_reset(&w->name);
	buf_reset(&w->data);
}

static void end_line(struct watch *w)
{
	const char *line = w->line.len > 0 ? w->line.data : "";

	if (line[0] == '\0') {
		end_event(w);
	} else if (strncmp(line, "event: ", 7) == 0) {
		buf_reset(&w->name);
		buf_add_text(&w->name, line + 7);
	} else if (strncmp(line, "data: ", 6) == 0) {
		buf_add_text(&w->data, line + 6);
	}
	buf_reset(&w->line);
}

static bool take_events(void *arg, const char *bytes, size_t len)
{
	struct watch *w = arg;

	for (size_t i = 0; i < len && !w->ended; i++) {
		if (bytes[i] == '\n') {
			end_line(w);
		} else if (bytes[i] != '\r') {
			buf_add_char(&w->line, bytes[i]);
		}
	}
	return !w->ended && !w->line.failed && !w->data.failed;
}

/* --- connection --- */

static bool take_bytes(void *arg, const char *bytes, size_t len)
{
	struct buf *answer = arg;

	buf_add(answer, bytes, len);
	return !answer->failed;
}

static int look(struct watch *w, struct lead_error *err)
{
	struct buf answer = {.max = EVENT_MAX_BYTES};
	const struct api_bytes bytes = {.take = take_bytes, .arg = &answer};
	struct json_object *run;
	char path[64];
	int rc;

	snprintf(path, sizeof(path), "/v1/runs/%" PRIu64, w->number);
	rc = api_raw(w->c, "GET", path, &bytes, err);
	if (rc == CTL_OK &&
	    (answer.len == 0 || json_parse(answer.data, answer.len, &run, err) != 0)) {
		rc = API_LOST;
	}
	if (rc == CTL_OK) {
		w->note = "";
		take_run(w, run);
	}
	buf_free(&answer);
	return rc;
}

static int follow(struct watch *w, struct lead_error *err)
{
	const struct api_bytes bytes = {.take = take_events, .tick = show, .arg = w, .live = true};
	char path[64];

	buf_reset(&w->line);
	buf_reset(&w->name);
	buf_reset(&w->data);
	snprintf(path, sizeof(path), "/v1/runs/%" PRIu64 "/events", w->number);
	return api_raw(w->c, "GET", path, &bytes, err);
}

/* Until the daemon answers again, it refuses, or five minutes are over. */
static int reconnect(struct watch *w, struct lead_error *err)
{
	const struct timespec slice = {.tv_nsec = 100000000};
	int64_t give_up_us = now_us() + GIVE_UP_US, pause_us = 300000;
	int rc = API_LOST;

	while (rc == API_LOST && now_us() < give_up_us && !ctl_interrupted) {
		int64_t until_us = now_us() + pause_us;

		while (now_us() < until_us && !ctl_interrupted) {
			(void)nanosleep(&slice, NULL);
		}
		pause_us = pause_us < 5 * US_PER_S ? pause_us * 2 : pause_us;
		rc = ctl_interrupted ? API_LOST : look(w, err);
		if (rc == API_LOST && w->note[0] == '\0') {
			w->note = "no contact with the daemon, trying again";
			if (!w->c->tty) {
				print_error("%s", w->note);
			}
			show(w);
		}
	}
	return rc;
}

static int finish(struct watch *w)
{
	const char *state = get_text(w->run, "state");

	if (!w->c->json) {
		if (w->drawn > 0) {
			putchar('\n');
		}
		run_print(w->c, w->run);
	}
	return strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0 ? CTL_RUN_FAILED
									       : CTL_OK;
}

int watch_run(struct ctl *c, uint64_t number)
{
	struct watch w = {.c = c,
	    .number = number,
	    .note = "",
	    .line.max = EVENT_MAX_BYTES,
	    .data.max = EVENT_MAX_BYTES};
	struct lead_error err = {0};
	int rc;

	ctl_catch_interrupt();
	rc = look(&w, &err);
	while (rc == CTL_OK && !is_terminal(w.run) && !ctl_interrupted) {
		w.ended = false;
		rc = follow(&w, &err);
		if (!ctl_interrupted && (rc == CTL_OK || rc == API_LOST)) {
			rc = w.ended ? look(&w, &err) : API_LOST;
			rc = rc == API_LOST ? reconnect(&w, &err) : rc;
		}
	}
	if (ctl_interrupted) {
		print_error("no longer watching; run %" PRIu64 " goes on", number);
		rc = CTL_INTERRUPTED;
	} else if (rc == API_LOST) {
		rc = api_unreachable(c, &err);
	} else if (rc == CTL_OK) {
		rc = finish(&w);
	}
	json_object_put(w.run);
	buf_free(&w.line);
	buf_free(&w.name);
	buf_free(&w.data);
	buf_free(&w.frame);
	return rc;
}
