/* See prompt.h. */
#include "lib/engine/config/prompt.h"

#include "lib/base/buf.h"
#include "lib/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sodium.h>

static const char fence[] = "---";

/* The line at *at without its end; *at goes behind it. */
static struct yaml_node line_of(const char **at, const char *end)
{
	const char *from = *at, *stop = memchr(from, '\n', (size_t)(end - from));
	struct yaml_node line = {.text = from};

	*at = stop != NULL ? stop + 1 : end;
	stop = stop != NULL ? stop : end;
	line.len = (size_t)(stop - from);
	line.len -= line.len > 0 && from[line.len - 1] == '\r';
	return line;
}

static bool is_fence(const struct yaml_node *line)
{
	return line->len == 3 && memcmp(line->text, fence, 3) == 0;
}

/* Behind the head, whose lines are [*ret_from, *ret_to); bytes when there is none; NULL when it has no end. */
static const char *skip_head(const char *bytes, const char *end, const char **ret_from, const char **ret_to, unsigned *ret_line)
{
	const char *at = bytes;
	struct yaml_node line = line_of(&at, end);

	*ret_from = *ret_to = bytes;
	*ret_line = 1;
	if (!is_fence(&line)) {
		return bytes;
	}
	*ret_from = at;
	while (at < end) {
		line = line_of(&at, end);
		++*ret_line;
		if (is_fence(&line)) {
			*ret_to = line.text;
			++*ret_line;
			return at;
		}
	}
	return NULL;
}

/* Declared version; 0: none. False when something was reported. */
static bool read_head(const char *path, const char *from, const char *to, int64_t *ret, struct problems *p)
{
	static const char *const keys[] = {"version", "about", NULL};
	struct yaml *y = NULL;
	struct lead_error err;
	const char *about = NULL;
	size_t before = p->count;

	*ret = 0;
	if (to == from) {
		return true;
	}
	if (yaml_parse(path, from - 1, (size_t)(to - from) + 1, &y, &err) != 0) { /* with the end of the line before it: lines are counted from there */
		problems_add(p, NULL, NULL, "%s", err.text);
		return false;
	}
	if (y->root != NULL && yaml_only_keys(y, y->root, keys, "prompt's head", p)) {
		(void)yaml_read_int(y, y->root, "version", 1, 999999999, ret, p);
		(void)yaml_read_string(y, y->root, "about", &about, p);
	}
	yaml_free(y);
	return p->count == before;
}

static const char *version_of(const char *name, size_t stem, int64_t declared, const char *bytes, size_t len, struct arena *a)
{
	unsigned char sum[crypto_hash_sha256_BYTES];
	char number[24] = "";

	(void)crypto_hash_sha256(sum, (const unsigned char *)bytes, len);
	if (declared > 0) {
		(void)snprintf(number, sizeof(number), "%lld.", (long long)declared);
	}
	return arena_printf(a, "%.*s@%s%02x%02x%02x%02x", (int)stem, name, number, sum[0], sum[1], sum[2], sum[3]);
}

/* Length of the name without its ending; 0 when it is no name for a prompt. */
static size_t stem_of(const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t stem = strspn(name, plain);

	return stem > PROMPT_NAME || (strcmp(name + stem, ".md") != 0 && strcmp(name + stem, ".txt") != 0) ? 0 : stem;
}

void prompts_add(struct prompts *ps, const char *path, const char *bytes, size_t len, struct arena *a, struct problems *p)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path, *from, *to, *text, *end = bytes + len;
	struct prompt *new = &ps->list[ps->n];
	size_t stem = stem_of(name);
	unsigned line;
	int64_t declared;

	if (stem == 0 || ps->n == PROMPT_FILES) {
		problems_add(p, NULL, NULL, stem == 0 ? "%s: a prompt's file has a name of 1 to %d letters, digits, - and _, and ends in .md or .txt"
						      : "%s: more than %d prompts", path, stem == 0 ? PROMPT_NAME : PROMPT_FILES);
		return;
	}
	if (len > PROMPT_BYTES || !text_is_utf8(bytes, len) || memchr(bytes, 0, len) != NULL) {
		problems_add(p, NULL, NULL, len > PROMPT_BYTES ? "%s: longer than 256 KiB" : "%s: not UTF-8 text", path);
		return;
	}
	text = len >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? bytes + 3 : bytes;
	text = skip_head(text, end, &from, &to, &line);
	if (text == NULL) {
		problems_add(p, NULL, NULL, "%s:1: the head that begins with --- has no end", path);
		return;
	}
	if (!read_head(path, from, to, &declared, p)) {
		return;
	}
	while (end > text && strchr(" \t\r\n", end[-1]) != NULL) {
		end--;
	}
	if (end == text) {
		problems_add(p, NULL, NULL, "%s: an empty prompt", path);
		return;
	}
	*new = (struct prompt){.name = arena_dup(a, name, strlen(name)),
	    .version = version_of(name, stem, declared, bytes, len, a),
	    .at = {.file = arena_dup(a, path, strlen(path))},
	    .text = {.kind = YAML_STRING, .line = line, .column = 1, .text = arena_dup(a, text, (size_t)(end - text)), .len = (size_t)(end - text)}};
	if (new->name == NULL || new->version == NULL || new->at.file == NULL || new->text.text == NULL) {
		problems_add(p, NULL, NULL, "out of memory");
		return;
	}
	ps->n++;
}

void prompts_load(struct prompts *ps, const char *path, struct arena *a, struct problems *p)
{
	struct buf b = {.max = PROMPT_BYTES + 2};
	FILE *f = fopen(path, "re");
	char part[4096];
	size_t n;

	if (f == NULL) {
		problems_add(p, NULL, NULL, "%s: %s", path, strerror(errno));
		return;
	}
	while ((n = fread(part, 1, sizeof(part), f)) > 0) {
		buf_add(&b, part, n);
	}
	fclose(f);
	if (b.failed) {
		problems_add(p, NULL, NULL, "%s: longer than 256 KiB", path);
	} else {
		prompts_add(ps, path, b.data != NULL ? b.data : "", b.len, a, p);
	}
	buf_free(&b);
}

const struct prompt *prompts_find(const struct prompts *ps, const char *name, const char **ret_nearest)
{
	const char *names[PROMPT_FILES + 1] = {NULL};

	for (size_t i = 0; i < ps->n; i++) {
		names[i] = ps->list[i].name;
		if (strcmp(names[i], name) == 0) {
			return &ps->list[i];
		}
	}
	*ret_nearest = text_nearest(name, names);
	return NULL;
}
