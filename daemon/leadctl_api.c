/*
 * daemon/leadctl_api.c: requests to the daemon over its socket, and its refusals in words.
 *
 *   api_get, api_send -> attempt (up to three when the connection is lost midway)
 *   api_raw           -> one attempt, bytes given on as they come
 *
 * A refusal is problem+json; its detail and code are printed and its status becomes the exit code.
 */
#include "daemon/leadctl.h"

#include "lib/base/json.h"
#include "lib/base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <curl/curl.h>
#include <json-c/json.h>

#define ANSWER_MAX_BYTES ((size_t)64 << 20)
#define PROBLEM_MAX_BYTES ((size_t)1 << 20)
#define ATTEMPTS 3
#define REQUEST_S 150L /* the daemon itself gives up after 120 s */
#define SILENCE_S 60L  /* of an event stream; its heartbeats come every 15 s */

struct transfer {
	struct ctl *c;
	const struct api_bytes *bytes;
	long status;        /* 0 until the header is there */
	struct buf problem; /* the answer when it is a refusal */
};

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	if (t->status == 0) {
		curl_easy_getinfo(t->c->curl, CURLINFO_RESPONSE_CODE, &t->status);
	}
	if (t->status >= 300) {
		buf_add(&t->problem, data, size * n);
		return size * n;
	}
	return t->bytes->take(t->bytes->arg, data, size * n) ? size * n : 0;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t x, curl_off_t y)
{
	struct transfer *t = arg;

	(void)a, (void)b, (void)x, (void)y;
	if (t->bytes->tick != NULL) {
		t->bytes->tick(t->bytes->arg);
	}
	return ctl_interrupted != 0;
}

/* A handle with what holds for every request. */
static CURL *fresh(struct ctl *c)
{
	if (c->curl == NULL) {
		c->curl = curl_easy_init();
		if (c->curl == NULL) {
			abort(); /* out of memory */
		}
	}
	curl_easy_reset(c->curl);
	curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
	/* On a connection used before, libcurl sends a request again by itself when it breaks. */
	curl_easy_setopt(c->curl, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "leadctl/" LEADD_VERSION);
	return c->curl;
}

static void set_body(CURL *curl, const char *method, const struct api_bytes *bytes)
{
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (strcmp(method, "GET") != 0) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes->len);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, bytes->body != NULL ? bytes->body : "");
	}
}

static void set_time(CURL *curl, struct transfer *t)
{
	if (t->bytes->live) {
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
	} else if (t->bytes->tick == NULL) {
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, REQUEST_S);
	}
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
}

/* The connection could not be made at all; nothing was sent. */
static bool never_connected(CURLcode rc)
{
	return rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST;
}

static int exit_of(long status)
{
	switch (status) {
	case 404:
		return CTL_MISSING;
	case 409:
		return CTL_CONFLICT;
	default:
		return CTL_REFUSED;
	}
}

static void print_problem(const struct transfer *t)
{
	struct json_object *o = NULL, *list;

	if (t->problem.len == 0 || json_parse(t->problem.data, t->problem.len, &o, NULL) != 0 ||
	    get_text(o, "detail")[0] == '\0') {
		print_error("the daemon answered with HTTP status %ld", t->status);
	} else {
		print_error("%s (%s)", get_text(o, "detail"), get_text(o, "code"));
	}
	list = get_list(o, "problems");
	for (size_t i = 0; i < list_length(list); i++) {
		print_error("  %s", show_value(t->c, list_at(list, i)));
	}
	json_object_put(o);
}

/* CURLcode of one request; headers are freed here. */
static CURLcode perform(
    struct transfer *t, const char *method, const char *path, struct curl_slist *headers)
{
	CURL *curl = fresh(t->c);
	char *url = NULL;
	CURLcode rc;

	if (asprintf(&url, "http://leadd%s", path) < 0) {
		abort(); /* out of memory */
	}
	headers = curl_slist_append(headers, "Expect:");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	set_body(curl, method, t->bytes);
	set_time(curl, t);
	t->problem.max = PROBLEM_MAX_BYTES;
	rc = curl_easy_perform(curl);
	if (t->status == 0) {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &t->status);
	}
	curl_slist_free_all(headers);
	free(url);
	return rc;
}

/* What a transfer's end means: CTL_OK, a refusal (printed), or API_LOST with the reason. */
static int outcome(struct transfer *t, CURLcode rc, struct lead_error *err)
{
	long os_errno = 0;

	if (rc == CURLE_OK && t->status >= 300) {
		if (!t->bytes->quiet) {
			print_problem(t);
		}
		return exit_of(t->status);
	}
	if (rc == CURLE_OK) {
		return CTL_OK;
	}
	curl_easy_getinfo(t->c->curl, CURLINFO_OS_ERRNO, &os_errno);
	if (never_connected(rc) && os_errno != 0) {
		(void)lead_fail(err, LEAD_EREMOTE, "%s", strerror((int)os_errno));
	} else {
		(void)lead_fail(err, LEAD_EREMOTE, "%s", curl_easy_strerror(rc));
	}
	return API_LOST;
}

int api_raw(struct ctl *c, const char *method, const char *path, const struct api_bytes *bytes,
    struct lead_error *err)
{
	struct transfer t = {.c = c, .bytes = bytes};
	struct curl_slist *headers = NULL;
	int rc;

	if (bytes->body != NULL) {
		headers = curl_slist_append(headers, "Content-Type: application/octet-stream");
	}
	rc = outcome(&t, perform(&t, method, path, headers), err);
	buf_free(&t.problem);
	return rc;
}

int api_unreachable(const struct ctl *c, const struct lead_error *err)
{
	print_error("cannot reach leadd at %s: %s", c->socket, err->text);
	if (strcmp(err->text, strerror(EACCES)) == 0) {
		print_error("is this user in the socket's group?");
	}
	return CTL_UNREACHABLE;
}

static bool take_answer(void *arg, const char *bytes, size_t len)
{
	struct buf *answer = arg;

	buf_add(answer, bytes, len);
	return !answer->failed;
}

/* The whole answer as JSON. */
static int parse_answer(const struct buf *answer, struct json_object **ret)
{
	struct lead_error err;

	*ret = NULL;
	if (answer->len > 0 && json_parse(answer->data, answer->len, ret, &err) != 0) {
		print_error("the daemon's answer cannot be read: %s", err.text);
		return CTL_REFUSED;
	}
	return CTL_OK;
}

/* The same key for all attempts: what the first one did is not done again. */
static void write_key(char out[64])
{
	uint64_t random[2] = {0};

	(void)!getrandom(random, sizeof(random), 0);
	snprintf(out, 64, "Idempotency-Key: ctl-%016llx%016llx", (unsigned long long)random[0],
	    (unsigned long long)random[1]);
}

static int call(
    struct ctl *c, const char *method, const char *path, const char *body, struct json_object **ret)
{
	static const struct timespec pause = {.tv_nsec = 500000000};
	struct buf answer = {.max = ANSWER_MAX_BYTES};
	struct api_bytes bytes = {.body = body,
	    .len = body != NULL ? strlen(body) : 0,
	    .take = take_answer,
	    .arg = &answer};
	struct lead_error err = {0};
	char key[64];
	int rc = API_LOST;

	*ret = NULL;
	write_key(key);
	for (int i = 0; i < ATTEMPTS && rc == API_LOST; i++) {
		struct transfer t = {.c = c, .bytes = &bytes};
		struct curl_slist *headers = NULL;
		CURLcode code;

		if (strcmp(method, "GET") != 0) {
			headers = curl_slist_append(headers, "Content-Type: application/json");
			headers = curl_slist_append(headers, key);
		}
		buf_reset(&answer);
		code = perform(&t, method, path, headers);
		rc = outcome(&t, code, &err);
		buf_free(&t.problem);
		if (rc == API_LOST && never_connected(code) && i == 0) {
			break; /* nobody is there: no use in waiting */
		}
		if (rc == API_LOST && i + 1 < ATTEMPTS) {
			(void)nanosleep(&pause, NULL);
		}
	}
	if (rc == API_LOST) {
		rc = api_unreachable(c, &err);
	} else if (rc == CTL_OK) {
		rc = parse_answer(&answer, ret);
	}
	buf_free(&answer);
	return rc;
}

static char *path_of(const char *format, va_list args)
{
	char *path = NULL;

	if (vasprintf(&path, format, args) < 0) {
		abort(); /* out of memory */
	}
	return path;
}

int api_get(struct ctl *c, struct json_object **ret, const char *path, ...)
{
	va_list args;
	char *text;
	int rc;

	va_start(args, path);
	text = path_of(path, args);
	va_end(args);
	rc = call(c, "GET", text, NULL, ret);
	free(text);
	return rc;
}

int api_send(struct ctl *c, const char *method, struct json_object *body, struct json_object **ret,
    const char *path, ...)
{
	va_list args;
	char *text;
	int rc;

	va_start(args, path);
	text = path_of(path, args);
	va_end(args);
	rc = call(c, method, text,
	    body != NULL ? json_object_to_json_string_ext(
			       body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
			 : NULL,
	    ret);
	free(text);
	return rc;
}

void api_query(struct buf *path, const char *name, const char *value)
{
	if (value != NULL) {
		buf_add_char(path, strchr(path->data, '?') == NULL ? '?' : '&');
		buf_add_text(path, name);
		buf_add_char(path, '=');
		text_write_percent(path, value, strlen(value));
	}
}

const char *api_segment(struct ctl *c, const char *text)
{
	struct buf out = {0};
	const char *kept;

	text_write_percent(&out, text, strlen(text));
	kept = arena_dup(&c->mem, out.len > 0 ? out.data : "", out.len);
	buf_free(&out);
	return kept;
}

/* Moves the items of one page behind the others. */
static void add_items(struct json_object *all, struct json_object *page)
{
	struct json_object *items = get_list(page, "items");

	for (size_t i = 0; i < list_length(items); i++) {
		json_object_array_add(all, json_object_get(list_at(items, i)));
	}
}

int api_list(struct ctl *c, const char *path, uint64_t most, struct json_object **ret)
{
	struct json_object *all = json_object_new_array(), *page, *list;
	struct buf next = {0};
	char text[24], cursor[256] = "";
	int rc;

	do {
		uint64_t left = most == 0 ? UINT64_MAX : most - list_length(all);

		buf_reset(&next);
		buf_add_text(&next, path);
		snprintf(text, sizeof(text), "%u", left < 1000 ? (unsigned)left : 1000);
		api_query(&next, "limit", text);
		api_query(&next, "cursor", cursor[0] != '\0' ? cursor : NULL);
		rc = api_get(c, &page, "%s", next.data);
		if (rc != CTL_OK) {
			json_object_put(all);
			buf_free(&next);
			return rc;
		}
		add_items(all, page);
		snprintf(cursor, sizeof(cursor), "%s", get_text(page, "next"));
		json_object_put(page);
	} while (cursor[0] != '\0' && (most == 0 || list_length(all) < most));
	buf_free(&next);
	list = json_object_new_object();
	json_object_object_add(list, "items", all);
	json_object_object_add(
	    list, "next", cursor[0] != '\0' ? json_object_new_string(cursor) : NULL);
	*ret = list;
	return CTL_OK;
}
