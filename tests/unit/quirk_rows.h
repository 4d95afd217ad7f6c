/*
 * tests/unit/quirk_rows.h: rows that are tests: what a provider does, the file and the line that say it, an answer that shows it, and
 * what that means. Services that are not shipped are in tests/data/services.
 */
#pragma once

#include "tests/unit/service_file.h"

#include "lib/base/buf.h"

#include <unistd.h>

#define NOW ((struct now){.boot_us = 1000 * US_PER_S, .wall_us = INT64_C(1795305600000000)})
#define SEC US_PER_S
#define ANY (-1)

static struct arena arena;

struct quirk {
	const char *says, *file, *line, *call;
	int status;
	const char *head, *body; /* head: `name: value` lines */
	enum outcome_class is;
	int64_t wait_us, price_micro; /* ANY: not looked at */
};

static void file_of(const struct quirk *q, char path[512])
{
	(void)snprintf(path, 512, SOURCE_ROOT "/etc/services/%s.yaml", q->file);
	if (access(path, R_OK) != 0) {
		(void)snprintf(path, 512, SOURCE_ROOT "/tests/data/services/%s.yaml", q->file);
	}
}

static struct service *load(const char *path)
{
	struct problems p;
	struct service *s = NULL;
	int rc;

	problems_init(&p);
	rc = service_load(path, NULL, &p, &s);
	for (const struct problem *x = p.first; x != NULL; x = x->next) {
		print_error("%s\n", x->text);
	}
	assert_int_equal(rc, 0);
	problems_fini(&p);
	return s;
}

/* The number of the first line that holds the text; 0: none. */
static unsigned line_of(const char *path, const char *text)
{
	FILE *f = fopen(path, "re");
	char line[1024];
	unsigned n = 0, found = 0;

	assert_non_null(f);
	while (found == 0 && fgets(line, sizeof(line), f) != NULL) {
		n++;
		found = strstr(line, text) != NULL ? n : 0;
	}
	(void)fclose(f);
	return found;
}

static size_t read_head(const char *text, struct http_header *ret, size_t max)
{
	char *copy = arena_dup(&arena, text != NULL ? text : "", text != NULL ? strlen(text) : 0),
	     *line;
	size_t n = 0;

	while (n < max && (line = strsep(&copy, "\n")) != NULL && strchr(line, ':') != NULL) {
		char *colon = strchr(line, ':');

		*colon = '\0';
		ret[n++] = (struct http_header){line, colon + 2};
	}
	return n;
}

/* A status that means what it always means needs no line. */
static inline unsigned row_line(const char *path, const char *text)
{
	return text != NULL ? line_of(path, text) : 1;
}

static struct answer read_answer(const struct service *s, const struct quirk *q)
{
	struct http_header headers[4];
	struct http_answer h = {.transport = TRANSPORT_ANSWERED,
	    .status = q->status,
	    .headers = headers,
	    .n_headers = read_head(q->head, headers, 4),
	    .body = q->body,
	    .body_len = strlen(q->body)};
	const struct service_call *c = service_find_call(s, q->call);
	struct answer a;

	assert_non_null(c);
	assert_int_equal(answer_read(s, c, &h, NOW, &arena, &a), 0);
	return a;
}

/* The file but for that line: NULL when it means nothing then. */
static struct service *load_without(const char *path, unsigned line)
{
	struct buf text = {0};
	struct service *s = NULL;
	struct problems p;
	FILE *f = fopen(path, "re");
	char got[1024];

	assert_non_null(f);
	for (unsigned n = 1; fgets(got, sizeof(got), f) != NULL; n++) {
		buf_add_text(&text, n != line ? got : "\n");
	}
	(void)fclose(f);
	problems_init(&p);
	if (service_parse(path, text.data, text.len, NULL, &p, &s) != 0) {
		s = NULL;
	}
	problems_fini(&p);
	buf_free(&text);
	return s;
}

/* Is it that line that says it? Without it the answer means something else. */
static bool matters(const char *path, unsigned line, const struct quirk *q, const struct retry_spec *of, const struct answer *a)
{
	struct service *s = load_without(path, line);
	bool differs = true;

	if (s != NULL && service_find_call(s, q->call) != NULL) {
		struct answer b = read_answer(s, q);

		differs = a->outcome != b.outcome || strcmp(a->reason, b.reason) != 0 || a->retry_after_us != b.retry_after_us ||
			  a->reset_wall_us != b.reset_wall_us || a->price_micro != b.price_micro || a->n_fields != b.n_fields ||
			  memcmp(&service_find_call(s, q->call)->retry[a->outcome], of, sizeof(*of)) != 0;
	}
	if (!differs) {
		print_error("  %s:%u: without that line it means the same\n", path + strlen(SOURCE_ROOT) + 1, line);
	}
	service_unref(s);
	return differs;
}

/* Each row is true, and stands there; prints them as a table. */
static void rows_hold(const struct quirk *rows, size_t n)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < n; i++) {
		const struct quirk *q = &rows[i];
		char path[512];
		struct service *s;
		struct answer a;
		unsigned line;

		file_of(q, path);
		s = load(path);
		line = row_line(path, q->line);
		a = read_answer(s, q);
		if (q->line != NULL) {
			print_message("# %-52s %s:%u -> %s\n", q->says, path + strlen(SOURCE_ROOT) + 1, line, outcome_word(a.outcome));
		} else {
			print_message("# %-52s %s -> %s\n", q->says, "by its status", outcome_word(a.outcome));
		}
		if (line == 0 || (q->line != NULL && !matters(path, line, q, &service_find_call(s, q->call)->retry[a.outcome], &a)) || a.outcome != q->is ||
		    (q->wait_us != ANY && a.retry_after_us != q->wait_us) ||
		    (q->price_micro != ANY && a.price_micro != q->price_micro)) {
			print_error("  wrong: line %u, %s (%s), wait %lld ms, price %lld\n", line,
			    outcome_word(a.outcome), a.reason, (long long)a.retry_after_us / 1000,
			    (long long)a.price_micro);
			wrong++;
		}
		service_unref(s);
		arena_reset(&arena);
	}
	assert_int_equal(wrong, 0);
}

