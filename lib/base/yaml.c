/*
 * lib/base/yaml.c: from a file's bytes to a tree.
 *
 *   yaml_load -> yaml_parse -> check_bytes -> libyaml -> builder_event
 *                                               '-> fail_syntax
 *
 * Bad bytes are found before libyaml sees them, since it reports them at 1:1.
 */
#include "lib/base/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/text.h"
#include "lib/base/yaml_internal.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

/* Line and column (in characters, from 0) of a byte. */
static yaml_mark_t mark_of(const char *text, size_t offset)
{
	yaml_mark_t mark = {0};

	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if (((unsigned char)text[i] & 0xC0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

static int check_bytes(const struct builder *b, const char *text, size_t len)
{
	const char *p = text, *end = text + len;
	uint32_t c;

	if (len > FILE_BYTES_MAX) {
		return lead_fail(
		    b->err, LEAD_EINPUT, "%s: larger than %zu bytes", b->y->file, FILE_BYTES_MAX);
	}
	while (p < end) {
		size_t n = text_next(p, end, &c);

		if (n == 0) {
			return builder_fail(b, mark_of(text, (size_t)(p - text)),
			    "this byte is no UTF-8: save the file as UTF-8");
		}
		if (c == 0) {
			return builder_fail(b, mark_of(text, (size_t)(p - text)),
			    "a NUL byte cannot stand in a text file");
		}
		p += n;
	}
	return 0;
}

/* The byte at a mark, NUL when there is none. */
static char byte_at(const char *text, size_t len, yaml_mark_t at)
{
	const char *line = text, *end = text + len;

	for (size_t i = 0; i < at.line; i++) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		if (newline == NULL) {
			return '\0';
		}
		line = newline + 1;
	}
	return at.column < (size_t)(end - line) ? line[at.column] : '\0';
}

/* libyaml's complaint in plainer words, for what people get wrong most. */
static const char *explain(const char *problem, char byte)
{
	static const char *const WORDS[][2] = {
	    {"found character that cannot start any token",
		"a text that begins with this character must stand in quotes"},
	    {"mapping values are not allowed in this context",
		"wrong indentation, or a text with a colon in it that must stand in quotes"},
	};

	if (byte == '\t') {
		return "a tab stands where only spaces may indent";
	}
	for (size_t i = 0; i < sizeof(WORDS) / sizeof(*WORDS); i++) {
		if (strcmp(problem, WORDS[i][0]) == 0) {
			return WORDS[i][1];
		}
	}
	return problem;
}

static int fail_syntax(
    const struct builder *b, const yaml_parser_t *parser, const char *text, size_t len)
{
	const char *problem = parser->problem != NULL ? parser->problem : "not readable";
	yaml_mark_t at = parser->problem_mark;

	if (parser->error == YAML_MEMORY_ERROR) {
		return builder_fail_memory(b);
	}
	if (parser->error == YAML_READER_ERROR) {
		return builder_fail(b, mark_of(text, parser->problem_offset), problem);
	}
	problem = explain(problem, byte_at(text, len, at));
	if (parser->context == NULL || parser->context_mark.line == at.line) {
		return builder_fail(b, at, problem);
	}
	return lead_fail(b->err, LEAD_EINPUT, "%s:%zu:%zu: %s %s that begins in line %zu",
	    b->y->file, at.line + 1, at.column + 1, problem, parser->context,
	    parser->context_mark.line + 1);
}

static int read_events(struct builder *b, const char *text, size_t len)
{
	yaml_parser_t parser;
	bool done = false;
	int rc = 0;

	if (!yaml_parser_initialize(&parser)) {
		return builder_fail_memory(b);
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (rc == 0 && !done) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			rc = fail_syntax(b, &parser, text, len);
			break;
		}
		rc = builder_event(b, &event);
		done = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return rc;
}

int yaml_parse(
    const char *file, const char *text, size_t len, struct yaml **ret, struct lead_error *err)
{
	struct yaml *y = calloc(1, sizeof(*y));
	struct builder b = {.y = y, .err = err};
	int rc;

	if (y != NULL) {
		y->file = arena_dup(&y->arena, file, strlen(file));
	}
	if (y == NULL || y->file == NULL) {
		yaml_free(y);
		return lead_fail(err, LEAD_ENOMEM, "%s: out of memory", file);
	}
	rc = check_bytes(&b, text, len);
	if (rc == 0) {
		rc = read_events(&b, text, len);
	}
	if (rc != 0) {
		yaml_free(y);
		return rc;
	}
	*ret = y;
	return 0;
}

/* Reads at most one byte more than we take. Negative: errno. */
static ssize_t read_file(const char *file, char *text, size_t size)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
	struct stat st;
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0) {
		return -errno;
	}
	if (fstat(fd, &st) != 0) {
		n = -errno;
	} else if (!S_ISREG(st.st_mode)) {
		n = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	}
	while (n > 0 && len < size) {
		n = read(fd, text + len, size - len);
		len += n > 0 ? (size_t)n : 0;
		if (n < 0) {
			n = errno == EINTR ? 1 : -errno;
		}
	}
	close(fd);
	return n < 0 ? n : (ssize_t)len;
}

int yaml_load(const char *file, struct yaml **ret, struct lead_error *err)
{
	char *text = malloc(FILE_BYTES_MAX + 1);
	ssize_t len;
	int rc;

	if (text == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "%s: out of memory", file);
	}
	len = read_file(file, text, FILE_BYTES_MAX + 1);
	if (len < 0) {
		rc = lead_fail(
		    err, LEAD_EINPUT, "%s: cannot be read: %s", file, strerror((int)-len));
	} else {
		rc = yaml_parse(file, text, (size_t)len, ret, err);
	}
	free(text);
	return rc;
}

void yaml_free(struct yaml *y)
{
	if (y != NULL) {
		arena_free(&y->arena);
		free(y);
	}
}
