/* lib/sim/model.c: what all provider models need: headers, query fields, draws. */
#include "lib/sim/model.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/decimal.h"
#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/base/text.h"

void plan_header(struct world_plan *p, const char *name, const char *value)
{
	if (p->n_headers < WORLD_HEADERS && value != NULL) {
		p->headers[p->n_headers++] = (struct world_header){name, value};
	}
}

void plan_json(struct world_plan *p, int status)
{
	p->status = status;
	plan_header(p, "Content-Type", "application/json");
}

void plan_retry_after(struct ask *q, struct world_plan *p, int64_t wait_us)
{
	if (wait_us > 0) {
		plan_header(p, "Retry-After",
		    arena_printf(q->a, "%lld", (long long)((wait_us + US_PER_S - 1) / US_PER_S)));
	}
}

const char *ask_header(const struct ask *q, const char *name)
{
	for (size_t i = 0; i < q->r->n_headers; i++) {
		if (strcasecmp(q->r->headers[i].name, name) == 0) {
			return q->r->headers[i].value;
		}
	}
	return NULL;
}

const char *ask_bearer(struct ask *q)
{
	const char *value = ask_header(q, "Authorization");

	if (value == NULL || strncasecmp(value, "Bearer ", 7) != 0 || value[7] == '\0') {
		return NULL;
	}
	return value + 7;
}

struct value ask_query(struct ask *q, const char *name)
{
	size_t len = strlen(name);
	const char *p = q->r->query, *end;
	struct value v = {0};
	struct buf text = {0};

	for (; p != NULL && *p != '\0'; p = *end != '\0' ? end + 1 : end) {
		end = p + strcspn(p, "&");
		if (strncmp(p, name, len) != 0 || p[len] != '=') {
			continue;
		}
		if (text_percent_decode(&text, p + len + 1, (size_t)(end - p) - len - 1, true)) {
			const char *copy =
			    arena_dup(q->a, text.data != NULL ? text.data : "", text.len);

			v = copy != NULL ? value_string(copy, text.len) : v;
		}
		break;
	}
	buf_free(&text);
	return v;
}

/* Decoded into the arena; NULL for a bad escape. */
static const char *decoded(struct ask *q, const char *text, size_t len)
{
	struct buf plain = {0};
	const char *copy = NULL;

	if (text_percent_decode(&plain, text, len, true)) {
		copy = arena_dup(q->a, plain.data != NULL ? plain.data : "", plain.len);
	}
	buf_free(&plain);
	return copy;
}

size_t ask_query_all(struct ask *q, const char *name, const char *ret[], size_t max)
{
	const char *p = q->r->query, *end, *is, *key;
	size_t n = 0;

	for (; p != NULL && *p != '\0' && n < max; p = *end != '\0' ? end + 1 : end) {
		end = p + strcspn(p, "&");
		is = memchr(p, '=', (size_t)(end - p));
		key = is != NULL ? decoded(q, p, (size_t)(is - p)) : NULL;
		if (key != NULL && strcmp(key, name) == 0 &&
		    (ret[n] = decoded(q, is + 1, (size_t)(end - is) - 1)) != NULL) {
			n++;
		}
	}
	return n;
}

bool ask_query_next(struct ask *q, const char **at, const char **ret_name, const char **ret_value)
{
	const char *p = *at != NULL ? *at : q->r->query;

	while (p != NULL && *p != '\0') {
		const char *end = p + strcspn(p, "&"), *is = memchr(p, '=', (size_t)(end - p));

		*ret_name = is != NULL ? decoded(q, p, (size_t)(is - p)) : NULL;
		*ret_value = is != NULL ? decoded(q, is + 1, (size_t)(end - is) - 1) : NULL;
		p = *at = *end != '\0' ? end + 1 : end;
		if (*ret_name != NULL && *ret_value != NULL) {
			return true;
		}
	}
	return false;
}

const char *ask_query_text(struct ask *q, const char *name)
{
	const char *text;

	return ask_query_all(q, name, &text, 1) == 1 ? text : NULL;
}

bool ask_query_flag(struct ask *q, const char *name)
{
	const char *text = ask_query_text(q, name);

	return text != NULL && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
}

size_t ask_query_count(
    struct ask *q, const char *name, size_t min, size_t max, size_t def, int status)
{
	const char *text = ask_query_text(q, name);
	int64_t value;
	bool exact;

	if (text == NULL) {
		return def;
	}
	if (!decimal_scaled(text, strlen(text), 0, &value, &exact) || !exact ||
	    value < (int64_t)min || value > (int64_t)max) {
		ask_bad(q, status, name, "%s must be a number from %zu to %zu", name, min, max);
		return def;
	}
	return (size_t)value;
}

void ask_bad(struct ask *q, int status, const char *field, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	q->bad = arena_dup(q->a, text, strlen(text));
	q->bad = q->bad != NULL ? q->bad : "bad request";
	q->bad_field = field;
	q->bad_status = status;
}

uint64_t hash_many(const uint64_t *parts, size_t n)
{
	return hash_plain(parts, n * sizeof(*parts));
}

uint64_t ask_meaning(const struct ask *q, const void *bytes, size_t len)
{
	const uint64_t parts[] = {
	    (uint64_t)q->service, (uint64_t)q->endpoint, hash_plain(bytes, len)};

	return hash_many(parts, 3);
}

int ask_means(struct ask *q, bool body)
{
	const char *query = q->r->query != NULL ? q->r->query : "";
	const char *whole = body ? arena_printf(q->a, "%s?%s\n%.*s", q->path, query, (int)q->r->body_len, q->r->body != NULL ? q->r->body : "")
				 : arena_printf(q->a, "%s?%s", q->path, query);

	if (whole == NULL) {
		return LEAD_ENOMEM;
	}
	q->meaning = ask_meaning(q, whole, strlen(whole));
	return 0;
}

uint64_t ask_draw(const struct ask *q, const char *purpose)
{
	const uint64_t parts[] = {q->s->seed, q->meaning, hash_plain(purpose, strlen(purpose))};

	return hash_many(parts, 3);
}

uint64_t ask_roll(const struct ask *q, const char *purpose)
{
	const uint64_t parts[] = {
	    q->s->seed, q->meaning, hash_plain(purpose, strlen(purpose)), q->attempt};

	return hash_many(parts, 4);
}

size_t draw_share(uint64_t draw, const uint32_t ppm[], size_t n)
{
	uint64_t at = draw % PPM, sum = 0;

	for (size_t i = 1; i < n; i++) {
		sum += ppm[i];
		if (at < sum) {
			return i;
		}
	}
	return 0;
}

void json_add(struct buf *out, const char *text)
{
	if (text == NULL) {
		buf_add_text(out, "null");
		return;
	}
	json_write_string(out, text, strlen(text));
}
