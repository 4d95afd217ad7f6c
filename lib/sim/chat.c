/*
 * lib/sim/chat.c: what Perplexity and OpenAI have in common: the request's body.
 *
 * The meaning of a prompt is its model and its messages, byte for byte; temperature and the like
 * do not make it another one.
 */
#include "lib/sim/model.h"

#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/base/path.h"

#define MESSAGES 8 /* so many are looked at for the lead; the meaning takes them all */

enum {
	SLOT_MODEL,
	SLOT_MESSAGES,
	SLOT_MAX,
	SLOT_MAX_COMPLETION,
	SLOT_FORM,
	SLOT_SCHEMA,
	SLOT_CONTENT,
	SLOTS = SLOT_CONTENT + MESSAGES
};

struct chat_paths {
	struct path_set *set;
	size_t slot[SLOTS];
};

static const char *const path_texts[SLOTS] = {".model", ".messages", ".max_tokens",
    ".max_completion_tokens", ".response_format.type", ".response_format.json_schema.schema",
    ".messages[0].content", ".messages[1].content", ".messages[2].content", ".messages[3].content",
    ".messages[4].content", ".messages[5].content", ".messages[6].content", ".messages[7].content"};

struct chat_paths *chat_paths_new(void)
{
	struct chat_paths *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->set = path_set_new()) == NULL) {
		free(c);
		return NULL;
	}
	for (size_t i = 0; i < SLOTS; i++) {
		struct path path = {0};
		int rc = path_parse(path_texts[i], &path);

		if (rc == 0) {
			rc = path_set_add(c->set, &path, &c->slot[i]);
			path_fini(&path);
		}
		if (rc != 0) {
			chat_paths_free(c);
			return NULL;
		}
	}
	return c;
}

void chat_paths_free(struct chat_paths *c)
{
	if (c != NULL) {
		path_set_free(c->set);
		free(c);
	}
}

uint64_t chat_tokens(size_t bytes)
{
	return bytes / 4 + 1;
}

static void read_limits(struct ask *q, const struct value *max, const struct value *max_completion)
{
	int64_t n;

	if (value_to_int(max_completion, &n) || value_to_int(max, &n)) {
		q->tokens_max = n > 0 && n <= UINT32_MAX ? (uint64_t)n : 0;
		if (n < 1) {
			ask_bad(q, 400, "max_tokens", "Invalid 'max_tokens': must be at least 1.");
		}
	}
	q->tokens_asked = q->tokens_in > q->tokens_max ? q->tokens_in : q->tokens_max;
}

int chat_read(struct ask *q)
{
	struct value v[SLOTS];
	const size_t *slot = q->paths->slot;
	struct lead_error err;
	uint64_t parts[2];
	int rc = json_scan(
	    q->r->body != NULL ? q->r->body : "", q->r->body_len, q->paths->set, q->a, v, &err);

	q->meaning = ask_meaning(q, q->r->body, q->r->body != NULL ? q->r->body_len : 0);
	if (rc == LEAD_ENOMEM) {
		return rc;
	}
	if (rc != 0) {
		ask_bad(q, 400, NULL, "We could not parse the JSON body of your request.");
		return 0;
	}
	q->subject = v[slot[SLOT_MODEL]];
	if (q->subject.kind != VALUE_STRING) {
		ask_bad(q, 400, "model", "you must provide a model parameter");
		return 0;
	}
	if (v[slot[SLOT_MESSAGES]].kind != VALUE_JSON || v[slot[SLOT_CONTENT]].kind == VALUE_NONE) {
		ask_bad(q, 400, "messages", "Missing required parameter: 'messages'.");
		return 0;
	}
	parts[0] = ask_meaning(q, q->subject.text, q->subject.len);
	parts[1] = hash_plain(v[slot[SLOT_MESSAGES]].text, v[slot[SLOT_MESSAGES]].len);
	q->meaning = hash_many(parts, 2);
	for (size_t i = 0; i < MESSAGES && v[slot[SLOT_CONTENT + i]].kind != VALUE_NONE; i++) {
		q->prompt = v[slot[SLOT_CONTENT + i]];
	}
	q->schema = v[slot[SLOT_SCHEMA]];
	q->json_mode = v[slot[SLOT_FORM]].kind == VALUE_STRING && v[slot[SLOT_FORM]].len == 11 &&
		       memcmp(v[slot[SLOT_FORM]].text, "json_object", 11) == 0;
	q->tokens_in = chat_tokens(v[slot[SLOT_MESSAGES]].len);
	read_limits(q, &v[slot[SLOT_MAX]], &v[slot[SLOT_MAX_COMPLETION]]);
	return 0;
}

void chat_find_lead(struct ask *q)
{
	prose_find(q->prompt.text != NULL ? q->prompt.text : "", q->prompt.len, &q->lead);
}

int chat_form(struct ask *q, uint64_t draw, const char *text, struct buf *out)
{
	struct json_object *schema = NULL;
	struct buf subject = {0};
	int rc = 0;

	if (q->schema.kind == VALUE_JSON) {
		rc = json_parse(q->schema.text, q->schema.len, &schema, NULL);
		if (rc == 0) {
			prose_schema(out, schema, &q->lead, draw, text);
			json_object_put(schema);
		}
		return rc;
	}
	if (q->json_mode) {
		prose_subject(&subject, &q->lead, draw);
		buf_add_text(out, "{\"subject\":");
		json_add(out, subject.data);
		buf_add_text(out, ",\"body\":");
		json_add(out, text);
		buf_add_char(out, '}');
		buf_free(&subject);
		return 0;
	}
	buf_add_text(out, text);
	return 0;
}
