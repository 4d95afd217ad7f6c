/*
 * lib/lead/word_list.c: a list file becomes one block of text and a sorted array
 * of pointers into it; looking a word up is a binary search.
 */
#include "lib/lead/gates.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/text.h"

#define FILE_BYTES ((size_t)16 << 20)

struct word_list {
	char *text;
	const char **words; /* sorted, each once */
	size_t n;
};

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The word of one line, ended by a NUL in place; NULL for none. */
static char *line_word(char *line, char *end)
{
	char *comment = memchr(line, '#', (size_t)(end - line));
	const char *word = line;
	size_t len = (size_t)((comment != NULL ? comment : end) - line);

	text_trim(&word, &len);
	if (len == 0) {
		return NULL;
	}
	line += word - line;
	line[len] = '\0'; /* at most the line's end */
	text_lower(line, len);
	return line;
}

static size_t remove_repeats(const char **words, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || strcmp(words[kept - 1], words[i]) != 0) {
			words[kept++] = words[i];
		}
	}
	return kept;
}

static int read_lines(struct word_list *w, const char *name, size_t len, struct lead_error *err)
{
	char *p = w->text, *end = w->text + len;

	for (unsigned line = 1; p < end; line++) {
		char *stop = memchr(p, '\n', (size_t)(end - p));
		char *word;

		stop = stop != NULL ? stop : end;
		word = line_word(p, stop);
		if (word != NULL && strpbrk(word, " \t\r") != NULL) {
			return lead_fail(
			    err, LEAD_EINPUT, "%s:%u: one word a line, please", name, line);
		}
		if (word != NULL) {
			w->words[w->n++] = word;
		}
		p = stop + 1;
	}
	return 0;
}

int word_list_parse(
    const char *name, const char *text, size_t len, struct word_list **ret, struct lead_error *err)
{
	struct word_list *w;
	size_t lines = 1;
	int rc;

	if (!text_is_utf8(text, len) || memchr(text, '\0', len) != NULL) {
		return lead_fail(err, LEAD_EINPUT, "%s: not UTF-8 text", name);
	}
	for (size_t i = 0; i < len; i++) {
		lines += text[i] == '\n';
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL || (w->text = malloc(len + 1)) == NULL ||
	    (w->words = calloc(lines, sizeof(*w->words))) == NULL) {
		word_list_free(w);
		return lead_fail(err, LEAD_ENOMEM, "%s: out of memory", name);
	}
	memcpy(w->text, text, len);
	w->text[len] = '\0';
	rc = read_lines(w, name, len, err);
	if (rc != 0) {
		word_list_free(w);
		return rc;
	}
	qsort(w->words, w->n, sizeof(*w->words), compare_words);
	w->n = remove_repeats(w->words, w->n);
	*ret = w;
	return 0;
}

int word_list_load(const char *file, struct word_list **ret, struct lead_error *err)
{
	struct buf text = {.max = FILE_BYTES};
	char chunk[65536];
	size_t n;
	bool failed;
	int rc;
	FILE *f = fopen(file, "re");

	if (f == NULL) {
		return lead_fail(err, LEAD_EINPUT, "%s: %s", file, strerror(errno));
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
		buf_add(&text, chunk, n);
	}
	failed = ferror(f) != 0;
	fclose(f);
	if (failed || text.failed) {
		rc = lead_fail(err, LEAD_EINPUT, "%s: cannot be read, or larger than 16 MiB", file);
	} else {
		rc = word_list_parse(file, text.data != NULL ? text.data : "", text.len, ret, err);
	}
	buf_free(&text);
	return rc;
}

void word_list_free(struct word_list *w)
{
	if (w != NULL) {
		free(w->words);
		free(w->text);
		free(w);
	}
}

bool word_list_has(const struct word_list *w, const char *word, size_t len)
{
	size_t low = 0, high = w != NULL ? w->n : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *have = w->words[middle];
		int order = strncmp(have, word, len);

		if (order == 0 && have[len] == '\0') {
			return true;
		}
		if (order < 0) {
			low = middle + 1;
		} else {
			high = middle; /* greater, or longer with word as its beginning */
		}
	}
	return false;
}

size_t word_list_count(const struct word_list *w)
{
	return w->n;
}
