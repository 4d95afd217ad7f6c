/*
 * daemon/leadctl_watch.c: following a run by server-sent events until it ends.
 *
 *   look (GET) -> follow (events) -> ended? --yes--> look -> summary
 *     ^                  '--- connection lost: pause ---'
 *     '-----------------------------------------------'
 *
 * On a terminal the stages are bars, redrawn in place; elsewhere one line every 5 seconds.
 */
#include "daemon/leadctl_watch.h"

#include "lib/base/json.h"
#include "lib/base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#define GIVE_UP_US (300 * US_PER_S) /* without any contact */
#define EVENT_MAX_BYTES ((size_t)4 << 20)

int64_t watch_now_us(void)
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

static void take_run(struct watch *w, struct json_object *run)
{
	json_object_put(w->run);
	w->run = run;
	if (w->c->json) {
		puts(json_object_to_json_string_ext(
		    run, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		(void)fflush(stdout);
	}
	bars_show(w);
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
	const struct api_bytes bytes = {
	    .take = take_events, .tick = bars_show, .arg = w, .live = true};
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
	int64_t give_up_us = watch_now_us() + GIVE_UP_US, pause_us = 300000;
	int rc = API_LOST;

	while (rc == API_LOST && watch_now_us() < give_up_us && !ctl_interrupted) {
		int64_t until_us = watch_now_us() + pause_us;

		while (watch_now_us() < until_us && !ctl_interrupted) {
			(void)nanosleep(&slice, NULL);
		}
		pause_us = pause_us < 5 * US_PER_S ? pause_us * 2 : pause_us;
		rc = ctl_interrupted ? API_LOST : look(w, err);
		if (rc == API_LOST && w->note[0] == '\0') {
			w->note = "no contact with the daemon, trying again";
			if (!w->c->tty) {
				print_error("%s", w->note);
			}
			bars_show(w);
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
