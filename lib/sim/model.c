/* lib/sim/model.c: what all provider models need: headers, query fields, draws. */
#include "lib/sim/model.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

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
