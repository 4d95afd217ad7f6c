/*
 * tests/fuzz/fuzz_expr.c: an expression and a document, split at the first
 * newline. The words of any text are read; a plain expression is also run, both
 * on the text and field by field, and the two must agree. libjq stays out: it is
 * slow to compile and not ours.
 *
 * clang -std=gnu11 -D_GNU_SOURCE -g -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_expr.c,
 * all of lib/base, and -lyaml -ljq -ljson-c -lsodium -lm
 */
#include "lib/base/expr.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/expr_internal.h"
#include "lib/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define AGREE(condition) ((condition) ? (void)0 : abort())

/* The document as a source: each field is looked up with a path of one step. */
struct document {
	const char *json;
	size_t len;
	struct arena arena;
};

static struct value document_field(const void *ctx, const char *name, size_t len)
{
	struct document *doc = (struct document *)ctx;
	struct path_step step = {.name = name, .len = len};
	struct path path = {.steps = &step, .n = 1};
	struct path_set *set = path_set_new();
	struct value v;
	size_t slot;

	AGREE(set != NULL && path_set_add(set, &path, &slot) == 0);
	AGREE(json_scan(doc->json, doc->len, set, &doc->arena, &v, NULL) == 0);
	path_set_free(set);
	return v;
}

static void document_write(const void *ctx, struct buf *out)
{
	const struct document *doc = ctx;

	buf_add(out, doc->json, doc->len);
}

static void on_name(void *arg, const char *name, size_t len)
{
	size_t *sum = arg;

	for (size_t i = 0; i < len; i++) {
		*sum += (unsigned char)name[i]; /* reads it, for the sanitizer */
	}
}

static void run_plain(struct expr *e, const char *json, size_t len)
{
	struct document doc = {.json = json, .len = len};
	struct expr_source src = {document_field, document_write, &doc};
	struct value whole = {VALUE_NONE}, fields = {VALUE_NONE};
	struct arena a = {0};
	int rc = expr_eval_json(e, json, len, &a, &whole, NULL);

	AGREE((rc == 0) == (json_check(json, len, JSON_DEPTH, NULL) == 0));
	/* a source is an object; of `.` the scan gives the value without the space around it */
	if (rc == 0 && *json == '{' && expr_path(e)->n > 0) {
		AGREE(expr_eval(e, &src, &a, &fields, NULL) == 0);
		AGREE(fields.kind == whole.kind);
		AGREE(
		    fields.kind < VALUE_NUMBER ||
		    (fields.len == whole.len && memcmp(fields.text, whole.text, fields.len) == 0));
	}
	arena_free(&doc.arena);
	arena_free(&a);
}

/* A path, or a path, two slashes and a JSON text: what must never reach libjq. */
static bool is_plain(const char *text)
{
	const char *literal = strstr(text, "//");
	size_t len = literal != NULL ? (size_t)(literal - text) : strlen(text);
	struct path path;
	char *left;
	int rc = path_parse(text, &path);

	if (rc != 0 && literal != NULL &&
	    json_check(literal + 2, strlen(literal + 2), 64, NULL) == 0) {
		left = strndup(text, len);
		AGREE(left != NULL);
		rc = path_parse(left, &path);
		free(left);
	}
	if (rc == 0) {
		path_fini(&path);
	}
	return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t len = newline != NULL ? (size_t)(newline - data) : size, sum = 0;
	char *text = strndup((const char *)data, len);
	struct expr_words words;
	struct expr *e = NULL;

	AGREE(text != NULL);
	if (expr_scan(text, &words, on_name, &sum, NULL) == LEAD_EINPUT) {
		sum++; /* refused; a plain path never gets this far */
	}
	if (is_plain(text)) {
		AGREE(expr_compile(text, NULL, &e, NULL) == 0 && expr_path(e) != NULL);
		expr_reads(e, on_name, &sum);
		if (newline != NULL) {
			run_plain(e, (const char *)newline + 1, size - len - 1);
		}
		expr_free(e);
	}
	free(text);
	return 0;
}
