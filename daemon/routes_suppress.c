/* Suppression lists over the API. See routes.h. Entries come in bodies only: a path may be logged by whoever stands in between. */
#include "daemon/routes.h"
#include "lib/base/json.h"
#include "lib/engine/show/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_TEXT "the list"

/* The organisation of the path, or a 404 with the nearest name. */
static const char *org_param(struct leadd *l, struct http_request *r)
{
	const char *org = http_param(r, "organisation"), *nearest = NULL;

	if (show_org_known(l->engine, org, &nearest)) {
		return org;
	}
	http_reply_problem(r, 404, "not-found", "there is no organisation '%.80s'%s%s%s", org, nearest != NULL ? "; is '" : "",
	    nearest != NULL ? nearest : "", nearest != NULL ? "' meant?" : "");
	return NULL;
}

void get_suppressions(void *app, struct http_request *r)
{
	struct leadd *l = app;
	const char *org = org_param(l, r);
	struct txn *t = org != NULL ? read_begin(l, r) : NULL;

	if (t != NULL) {
		http_reply_json(r, 200, show_suppressions(l->engine, t, org));
		txn_abort(t);
	}
}

void post_suppressions_check(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct json_object *body = http_body_json(r), *o;
	const char *entry = NULL, *org, *why;
	struct lead_error err;
	struct txn *t;

	if (body == NULL || (org = org_param(l, r)) == NULL) {
		return;
	}
	if (json_get_string(body, "entry", TOLD_TEXT, &entry, &err) < 0) {
		http_reply_error(r, &err);
		return;
	}
	if (entry == NULL) {
		http_reply_problem(r, 400, "bad-entry", "'entry' is an address, a domain or a SHA-256 sum");
		return;
	}
	t = read_begin(l, r);
	if (t == NULL) {
		return;
	}
	o = show_suppressed(l->engine, t, org, entry, &why);
	txn_abort(t);
	if (o == NULL) {
		http_reply_problem(r, 400, "bad-entry", "'entry': %s", why);
	} else {
		http_reply_json(r, 200, o);
	}
}

/* --- changes --- */

/* A word for people: small letters, digits and dashes. */
static bool is_word(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len < sizeof(((struct suppress_batch *)0)->reason) && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* `source` and `reason` of the body; false when it was answered already. */
static bool read_origin(struct http_request *r, struct json_object *body, const char *fallback, struct suppress_batch *b)
{
	const char *source = fallback, *reason = "";
	struct lead_error err;

	if (json_get_string(body, "source", TOLD_TEXT, &source, &err) < 0 || json_get_string(body, "reason", TOLD_TEXT, &reason, &err) < 0) {
		http_reply_error(r, &err);
		return false;
	}
	if (reason[0] != 0 && !is_word(reason)) {
		http_reply_problem(r, 400, "bad-reason", "'reason' is a word of small letters, digits and dashes, such as opt-out");
		return false;
	}
	if (source[0] == 0) {
		http_reply_problem(r, 400, "bad-source", "'source' is empty");
		return false;
	}
	(void)snprintf(b->source, sizeof(b->source), "%s", source);
	(void)snprintf(b->reason, sizeof(b->reason), "%s", reason);
	return true;
}

static bool read_entries(struct http_request *r, struct json_object *body, struct suppress_batch *b)
{
	struct json_object *list = NULL;
	struct lead_error err;
	size_t n;

	if (json_get_array(body, "entries", TOLD_TEXT, &list, &err) < 0) {
		http_reply_error(r, &err);
		return false;
	}
	n = list != NULL ? json_object_array_length(list) : 0;
	if (n == 0 || n > SUPPRESS_BATCH) {
		http_reply_problem(r, 400, "bad-entries", "'entries' is a list of 1 to %d addresses, domains and SHA-256 sums", SUPPRESS_BATCH);
		return false;
	}
	for (; b->n < n; b->n++) {
		struct json_object *one = json_object_array_get_idx(list, b->n);

		if (!json_object_is_type(one, json_type_string)) {
			http_reply_problem(r, 400, "bad-entries", "'entries': number %zu is no text", b->n + 1);
			return false;
		}
		b->list[b->n].text = json_object_get_string(one);
		b->list[b->n].len = (size_t)json_object_get_string_len(one);
		b->list[b->n].line = b->n + 1;
	}
	return true;
}

static void on_changed(struct leadd *l, struct http_request *r, struct command *c)
{
	struct suppress_batch *b = c->batch;
	struct json_object *o, *rejected;
	int64_t done = 0, known = 0;

	(void)l;
	if (c->rc != 0) {
		command_problem(r, c);
		free(b);
		return;
	}
	o = json_object_new_object();
	rejected = json_object_new_array();
	for (size_t i = 0; i < b->n; i++) {
		done += b->list[i].result == SUPPRESS_DONE;
		known += b->list[i].result == SUPPRESS_KNOWN;
		if (b->list[i].result == SUPPRESS_BAD) {
			struct json_object *one = json_object_new_object();

			json_object_object_add(one, "entry", json_object_new_int64((int64_t)b->list[i].line));
			json_object_object_add(one, "why", json_object_new_string(b->list[i].why));
			json_object_array_add(rejected, one);
		}
	}
	json_object_object_add(o, b->remove ? "removed" : "new", json_object_new_int64(done));
	json_object_object_add(o, b->remove ? "unknown" : "known", json_object_new_int64(known));
	json_object_object_add(o, "rejected", rejected);
	free(b);
	http_reply_json(r, 200, o);
}

static void change(struct leadd *l, struct http_request *r, bool take_off)
{
	struct json_object *body = http_body_json(r);
	const char *org = body != NULL ? org_param(l, r) : NULL;
	struct suppress_batch *b;
	struct command *c;

	if (org == NULL) {
		return;
	}
	b = calloc(1, sizeof(*b));
	if (b == NULL) {
		abort();
	}
	(void)snprintf(b->org, sizeof(b->org), "%s", org);
	b->remove = take_off;
	if (!read_origin(r, body, "operator", b) || !read_entries(r, body, b)) {
		free(b);
		return;
	}
	c = command_new(COMMAND_SUPPRESS);
	c->batch = b;
	command_send(l, c, r, on_changed);
}

void post_suppressions(void *app, struct http_request *r)
{
	change(app, r, false);
}

void post_suppressions_remove(void *app, struct http_request *r)
{
	change(app, r, true);
}

void post_suppressions_import(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct json_object *body = http_body_json(r);
	const char *org = body != NULL ? org_param(l, r) : NULL, *upload = "";
	struct upload_row row = {.name = ""};
	struct suppress_batch *like;
	struct lead_error err;
	struct txn *t;

	if (org == NULL) {
		return;
	}
	if (json_get_string(body, "upload", TOLD_TEXT, &upload, &err) < 0) {
		http_reply_error(r, &err);
		return;
	}
	if (!upload_whole(l, upload, r) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	(void)upload_read(t, upload, &row);
	txn_abort(t);
	like = calloc(1, sizeof(*like));
	if (like == NULL) {
		abort();
	}
	(void)snprintf(like->org, sizeof(like->org), "%s", org);
	if (read_origin(r, body, row.name[0] != 0 ? row.name : "upload", like)) {
		suppress_import(l, r, upload, like);
	}
	free(like);
}
