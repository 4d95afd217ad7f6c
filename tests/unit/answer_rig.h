/* tests/unit/answer_rig.h: one answer to a service's file, and lines of what such answers mean. */
#pragma once

#include "tests/unit/service_file.h"

#define NOW_WALL_US INT64_C(1795305600000000) /* 2026-11-22T00:00:00Z */
#define NOW ((struct now){.boot_us = 1000 * US_PER_S, .wall_us = NOW_WALL_US})

static struct arena arena;

/* Headers as one text, `name: value` a line. */
static inline struct answer answer_to(const struct service *s, const struct service_call *c, int status,
    const char *lines, const char *body, size_t len)
{
	struct http_header headers[16];
	struct http_answer h = {.transport = TRANSPORT_ANSWERED,
	    .status = status,
	    .headers = headers,
	    .body = body,
	    .body_len = len};
	struct answer a;

	while (*lines != '\0') {
		const char *colon = strstr(lines, ": "), *end = strchr(lines, '\n');

		end = end == NULL ? lines + strlen(lines) : end;
		headers[h.n_headers++] =
		    (struct http_header){arena_dup(&arena, lines, (size_t)(colon - lines)),
			arena_dup(&arena, colon + 2, (size_t)(end - colon - 2))};
		lines = *end == '\0' ? end : end + 1;
	}
	assert_int_equal(answer_read(s, c, &h, NOW, &arena, &a), 0);
	return a;
}

static inline struct answer asked(const struct service *s, int status, const char *lines, const char *body)
{
	return answer_to(s, &s->calls[0], status, lines, body, strlen(body));
}

struct line {
	int status;
	const char *headers, *body;
	enum outcome_class is;
	const char *reason;
	int64_t wait_ms;
};

static inline void check_lines(
    const struct service *s, const char *call, const struct line *lines, size_t n)
{
	const struct service_call *c = call == NULL ? &s->calls[0] : service_find_call(s, call);

	for (size_t i = 0; i < n; i++) {
		const struct line *l = &lines[i];
		struct answer a = answer_to(s, c, l->status, l->headers, l->body, strlen(l->body));

		if (a.outcome != l->is || strcmp(a.reason, l->reason) != 0 ||
		    a.retry_after_us != l->wait_ms * US_PER_MS) {
			print_error("%s line %zu: %d %s\n got %s %s %lld us\nwant %s %s %lld ms\n",
			    s->name, i, l->status, l->body, outcome_word(a.outcome), a.reason,
			    (long long)a.retry_after_us, outcome_word(l->is), l->reason,
			    (long long)l->wait_ms);
			fail();
		}
	}
}

static inline void check_shipped(const char *name, const char *call, const struct line *lines, size_t n)
{
	struct service *s = service_shipped(name);

	check_lines(s, call, lines, n);
	service_unref(s);
}

#define SHIPPED(name, call, lines) check_shipped(name, call, lines, sizeof lines / sizeof *lines)

static inline void check_own(const char *rest, const struct line *lines, size_t n)
{
	struct service *s;
	char text[4096];

	snprintf(text, sizeof text, "service: x\nbase: https://h.example\n%s", rest);
	s = service_of(text);
	check_lines(s, NULL, lines, n);
	service_unref(s);
}

#define OWN(rest, lines) check_own(rest, lines, sizeof lines / sizeof *lines)

static inline void assert_field(
    const struct answer *a, size_t i, const char *name, enum value_kind kind, const char *text)
{
	assert_true(i < a->n_fields);
	assert_string_equal(a->fields[i].name, name);
	assert_int_equal(a->fields[i].value.kind, kind);
	if (text != NULL) {
		assert_int_equal(a->fields[i].value.len, strlen(text));
		assert_memory_equal(a->fields[i].value.text, text, strlen(text));
	}
}

#define CALL "calls: {one: {post: /, map: {a: .a}}}\n"
