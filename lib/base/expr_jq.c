/*
 * lib/base/expr_jq.c: the one file that knows libjq (1.6).
 *
 * A program is compiled once, behind a prelude that mends builtins of 1.6, and
 * run with a fresh input each time; we take its first result and give jq's
 * memory back. While it runs, a timer of its own sends a signal after 20 ms of
 * work and every 5 ms from then on, whose handler asks jq to halt: of work, not of
 * time, so that a busy machine changes no lead's fate. It is armed
 * after jq_start, which clears the request, and repeats, since a request that
 * comes at a bad moment is lost. The signal carries the program in its value,
 * so that the handler needs no static; the only thing the process shares is
 * what SIGRTMIN does, set by program_compile.
 *
 * What no timer stops: C builtins (a regular expression gives up after about a
 * second by itself) and running out of memory, which aborts. So programs come
 * from the owner's files only and inputs are capped by expr.c.
 *
 * jq consumes nearly every jv it is given: a jv passed to a jv_ function is gone,
 * unless it was copied with jv_copy. Only jv_get_kind, jv_string_value,
 * jv_number_value and the object iterators just look.
 */
#include "lib/base/expr_internal.h"

#include <errno.h>
#include <jq.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/json.h"

#define BUDGET_NS 20000000L
#define AGAIN_NS 5000000L
#define RESULT_BYTES_MAX (1 << 20)

struct program {
	jq_state *jq;
	volatile sig_atomic_t running;
	struct lead_error *compile_err; /* set while compiling */
	unsigned complaints;
	char *text; /* for error messages */
};

/*
 * In 1.6 an empty needle makes indices loop for ever in C, and strftime of a
 * number beyond the calendar aborts the process. Both can come from a lead.
 * All on one line, so that line numbers in jq's complaints stay right.
 */
static const char PRELUDE[] =
    "def _indices($i): indices($i); "
    "def indices($i): if $i == \"\" or $i == [] then null else _indices($i) end; "
    "def index($i): indices($i) | .[0]; "
    "def rindex($i): indices($i) | .[-1:][0]; "
    "def _strftime($f): strftime($f); "
    "def strftime($f): if type == \"number\" then gmtime else . end | _strftime($f); "
    "def todateiso8601: strftime(\"%Y-%m-%dT%H:%M:%SZ\"); "
    "def todate: todateiso8601; ";

/* jq writes "jq: error: TEXT at <top-level>, line 1:\nPROGRAM" per error, and a count at the end.
 */
static void on_complaint(void *arg, jv message)
{
	struct program *p = arg;
	const char *text, *place;
	int len, line = 0;

	if (p->complaints++ == 0 && jv_get_kind(message) == JV_KIND_STRING) {
		text = jv_string_value(message);
		text += strncmp(text, "jq: error: ", 11) == 0 ? 11 : 0;
		place = strstr(text, " at <top-level>, line ");
		if (place != NULL) {
			line = atoi(place + strlen(" at <top-level>, line "));
		}
		len = (int)(place != NULL ? (size_t)(place - text) : strcspn(text, "\n"));
		place = memmem(text, (size_t)len, " (Unix shell", 12);
		if (place != NULL) {
			len = (int)(place - text);
		}
		(void)lead_fail(p->compile_err, LEAD_EINPUT,
		    line > 1 ? "'%.80s': %.*s in line %d" : "'%.80s': %.*s", p->text, len, text,
		    line);
	}
	jv_free(message);
}

static void on_tick(int number, siginfo_t *info, void *context)
{
	struct program *p = info->si_value.sival_ptr;

	(void)number;
	(void)context;
	if (info->si_code == SI_TIMER && p->running && !jq_halted(p->jq)) {
		jq_halt(p->jq, jv_invalid(), jv_invalid());
	}
}

static int install_handler(struct lead_error *err)
{
	struct sigaction act = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};

	sigemptyset(&act.sa_mask);
	if (sigaction(SIGRTMIN, &act, NULL) != 0) {
		return lead_fail(
		    err, LEAD_EBUG, "cannot set the handler of SIGRTMIN: %s", strerror(errno));
	}
	return 0;
}

/* jq puts $HOME/.jq before every program: the same file must mean the same for whoever reads it. */
static bool compile_without_home(jq_state *jq, const char *text)
{
	const char *home = getenv("HOME");
	char *saved = home != NULL ? strdup(home) : NULL;
	bool ok;

	if (home != NULL && (saved == NULL || unsetenv("HOME") != 0)) {
		free(saved);
		return false;
	}
	ok = jq_compile(jq, text);
	if (saved != NULL) {
		(void)setenv("HOME", saved, 1);
	}
	free(saved);
	return ok;
}

int program_compile(const char *text, struct program **ret, struct lead_error *err)
{
	struct program *p = calloc(1, sizeof(*p));
	char *whole = NULL;
	int rc = 0;

	if (p != NULL) {
		p->text = strdup(text);
		p->jq = jq_init();
	}
	if (p == NULL || p->text == NULL || p->jq == NULL ||
	    asprintf(&whole, "%s%s", PRELUDE, text) < 0) {
		program_free(p);
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	p->compile_err = err;
	jq_set_error_cb(p->jq, on_complaint, p);
	if (!compile_without_home(p->jq, whole)) {
		rc = p->complaints > 0
			 ? LEAD_EINPUT
			 : lead_fail(err, LEAD_EINPUT, "'%.80s': jq refuses it", text);
	}
	p->compile_err = NULL;
	free(whole);
	if (rc == 0) {
		rc = install_handler(err);
	}
	if (rc != 0) {
		program_free(p);
		return rc;
	}
	*ret = p;
	return 0;
}

void program_free(struct program *p)
{
	if (p != NULL) {
		if (p->jq != NULL) {
			jq_teardown(&p->jq);
		}
		free(p->text);
		free(p);
	}
}

/* Whether x is nested no deeper than what we read from outside. Looks, consumes nothing. */
static bool is_shallow(jv x, int depth)
{
	bool ok = true;

	if (jv_get_kind(x) == JV_KIND_ARRAY) {
		int n = jv_array_length(jv_copy(x));

		ok = depth > 0;
		for (int i = 0; ok && i < n; i++) {
			jv child = jv_array_get(jv_copy(x), i);

			ok = is_shallow(child, depth - 1);
			jv_free(child);
		}
	} else if (jv_get_kind(x) == JV_KIND_OBJECT) {
		ok = depth > 0;
		for (int i = jv_object_iter(x); ok && jv_object_iter_valid(x, i);
		     i = jv_object_iter_next(x, i)) {
			jv child = jv_object_iter_value(x, i);

			ok = is_shallow(child, depth - 1);
			jv_free(child);
		}
	}
	return ok;
}

/* A copy of the text of s (consumed) in the arena. `string`: s is a string value, where a NUL
 * becomes U+FFFD. */
static int copy_text(jv s, bool string, struct arena *a, struct value *v)
{
	size_t len = (size_t)jv_string_length_bytes(jv_copy(s));
	char *text = NULL;

	if (string && memchr(jv_string_value(s), '\0', len) != NULL) {
		s = jv_dump_string(s, 0);
		len = (size_t)jv_string_length_bytes(jv_copy(s));
		text = arena_alloc(a, len);
		if (text != NULL) {
			len = json_unescape(jv_string_value(s) + 1, len - 2, text);
		}
	} else if (len <= RESULT_BYTES_MAX) {
		text = arena_dup(a, jv_string_value(s), len);
	}
	jv_free(s);
	v->text = text;
	v->len = (uint32_t)len;
	return len > RESULT_BYTES_MAX ? LEAD_EINPUT : text == NULL ? LEAD_ENOMEM : 0;
}

/* Consumes result, which is valid. */
static int take_result(
    const struct program *p, jv result, struct arena *a, struct value *ret, struct lead_error *err)
{
	static const enum value_kind KINDS[] = {
	    [JV_KIND_NULL] = VALUE_NULL,
	    [JV_KIND_FALSE] = VALUE_FALSE,
	    [JV_KIND_TRUE] = VALUE_TRUE,
	    [JV_KIND_NUMBER] = VALUE_NUMBER,
	    [JV_KIND_STRING] = VALUE_STRING,
	    [JV_KIND_ARRAY] = VALUE_JSON,
	    [JV_KIND_OBJECT] = VALUE_JSON,
	};
	struct value v = {.kind = KINDS[jv_get_kind(result)]};
	int rc = 0;

	if (!is_shallow(result, JSON_DEPTH)) {
		jv_free(result);
		return lead_fail(err, LEAD_EINPUT, "'%.80s': its result is nested deeper than %d",
		    p->text, JSON_DEPTH);
	}
	if (v.kind < VALUE_NUMBER) {
		jv_free(result);
	} else if (v.kind == VALUE_STRING) {
		rc = copy_text(result, true, a, &v);
	} else {
		rc = copy_text(jv_dump_string(result, 0), false, a, &v);
	}
	if (rc == LEAD_EINPUT) {
		return lead_fail(
		    err, rc, "'%.80s': its result is over %d bytes", p->text, RESULT_BYTES_MAX);
	}
	if (rc != 0) {
		return lead_fail(err, rc, "out of memory");
	}
	if (v.kind == VALUE_NUMBER && v.text[0] == 'n') {
		v = (struct value){VALUE_NULL}; /* not a number: jq writes null */
	}
	*ret = v;
	return 0;
}

/* Consumes result, which is not valid: an error, a halt, or the end of the results. */
static int take_failure(
    const struct program *p, jv result, struct value *ret, struct lead_error *err)
{
	struct buf text = {.max = sizeof(err->text)};
	jv message;
	int rc;

	if (jq_halted(p->jq)) {
		jv_free(result);
		return lead_fail(err, LEAD_EINPUT, "'%.80s': stopped after %ld ms", p->text,
		    BUDGET_NS / 1000000);
	}
	if (!jv_invalid_has_msg(jv_copy(result))) {
		jv_free(result);
		*ret = (struct value){VALUE_NONE};
		return 0;
	}
	message = jv_invalid_get_msg(result);
	if (jv_get_kind(message) == JV_KIND_STRING) {
		expr_message_write(&text, jv_string_value(message), p->text);
	}
	rc =
	    lead_fail(err, LEAD_EINPUT, "'%.80s':%s", p->text, text.len > 0 ? text.data : " error");
	buf_free(&text);
	jv_free(message);
	return rc;
}

/* The first result within the budget; *ret is for the caller to free. */
static int run(struct program *p, jv input, jv *ret, struct lead_error *err)
{
	struct sigevent event = {
	    .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_ptr = p};
	struct itimerspec budget = {.it_value.tv_nsec = BUDGET_NS, .it_interval.tv_nsec = AGAIN_NS};
	timer_t timer;

	if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) != 0) {
		jv_free(input);
		return lead_fail(err, LEAD_EBUG, "cannot create a timer: %s", strerror(errno));
	}
	jq_start(p->jq, input, 0);
	p->running = 1;
	(void)timer_settime(timer, 0, &budget, NULL); /* cannot fail: all its arguments are ours */
	*ret = jq_next(p->jq);
	p->running = 0;
	(void)timer_delete(timer);
	return 0;
}

int program_run(struct program *p, const char *json, size_t len, struct arena *a, struct value *ret,
    struct lead_error *err)
{
	jv input = jv_parse_sized(json, (int)len), result;
	int rc;

	if (!jv_is_valid(input)) {
		jv_free(input);
		return lead_fail(err, LEAD_EINPUT, "'%.80s': its input is no JSON", p->text);
	}
	rc = run(p, input, &result, err);
	if (rc == 0) {
		rc = jv_is_valid(result) ? take_result(p, result, a, ret, err)
					 : take_failure(p, result, ret, err);
		jq_start(p->jq, jv_null(), 0); /* drops what the run left behind */
	}
	return rc;
}
