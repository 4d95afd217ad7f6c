/*
 * lib/base/yaml.c: libyaml's events become nodes of a tree.
 *
 *   text -> check_bytes -> libyaml -> on_event -> add_node (under b->open)
 *                                        |
 *                     a map or list opens: b->open goes down; closes: checked
 *                     for duplicate keys, b->open goes up again
 *
 * There is no recursion: the parent pointers are the stack. What libyaml takes
 * but we do not want is refused where it stands. Bad bytes are found before
 * libyaml sees them, since it reports them at 1:1.
 */
#include "lib/base/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "lib/base/text.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define DEPTH_MAX 32 /* also what keeps libyaml, quadratic in depth, quick */

struct builder {
	struct yaml *y;
	struct yaml_node *open; /* the innermost open map or list */
	struct yaml_node *last; /* its last child */
	const char *key;        /* read, and waiting for its value */
	yaml_mark_t key_mark;
	unsigned depth, documents;
	struct lead_error *err;
};

static int fail_at(const struct builder *b, yaml_mark_t at, const char *text)
{
	return lead_fail(
	    b->err, LEAD_EINPUT, "%s:%zu:%zu: %s", b->y->file, at.line + 1, at.column + 1, text);
}

static int fail_memory(const struct builder *b)
{
	return lead_fail(b->err, LEAD_ENOMEM, "%s: out of memory", b->y->file);
}

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
			return fail_at(b, mark_of(text, (size_t)(p - text)),
			    "this byte is no UTF-8: save the file as UTF-8");
		}
		if (c == 0) {
			return fail_at(b, mark_of(text, (size_t)(p - text)),
			    "a NUL byte cannot stand in a text file");
		}
		p += n;
	}
	return 0;
}

/* libyaml's own complaint, with the tab that is nearly always behind one of them. */
static int fail_syntax(
    const struct builder *b, const yaml_parser_t *parser, const char *text, size_t len)
{
	const char *problem = parser->problem != NULL ? parser->problem : "not readable";
	yaml_mark_t at = parser->problem_mark;
	const char *line = text, *end = text + len, *bad;

	if (parser->error == YAML_MEMORY_ERROR) {
		return fail_memory(b);
	}
	if (parser->error == YAML_READER_ERROR) {
		return fail_at(b, mark_of(text, parser->problem_offset), problem);
	}
	for (size_t i = 0; i < at.line && line != NULL; i++) {
		line = memchr(line, '\n', (size_t)(end - line));
		line += line != NULL ? 1 : 0;
	}
	bad = line != NULL && at.column < (size_t)(end - line) ? line + at.column : end;
	if (bad < end && *bad == '\t') {
		problem = "a tab stands where only spaces may indent";
	}
	if (parser->context == NULL || parser->context_mark.line == at.line) {
		return fail_at(b, at, problem);
	}
	return lead_fail(b->err, LEAD_EINPUT, "%s:%zu:%zu: %s %s that begins in line %zu",
	    b->y->file, at.line + 1, at.column + 1, problem, parser->context,
	    parser->context_mark.line + 1);
}

/* YAML 1.2 core schema, section 10.3.2. */

static bool is_one_of(const char *text, const char *const words[3])
{
	return strcmp(text, words[0]) == 0 || strcmp(text, words[1]) == 0 ||
	       strcmp(text, words[2]) == 0;
}

static const char DIGITS[] = "0123456789";

static bool is_integer(const char *text)
{
	if (text[0] == '0' && (text[1] == 'o' || text[1] == 'x')) {
		size_t n = strspn(text + 2, text[1] == 'o' ? "01234567" : "0123456789abcdefABCDEF");

		return n > 0 && text[2 + n] == '\0';
	}
	text += *text == '-' || *text == '+';
	return *text != '\0' && text[strspn(text, DIGITS)] == '\0';
}

static bool is_float(const char *text)
{
	static const char *const NANS[] = {".nan", ".NaN", ".NAN"}, *const INFS[] = {
									".inf", ".Inf", ".INF"};
	size_t whole, part = 0;

	if (is_one_of(text, NANS)) {
		return true;
	}
	text += *text == '-' || *text == '+';
	if (is_one_of(text, INFS)) {
		return true;
	}
	whole = strspn(text, DIGITS);
	text += whole;
	if (*text == '.') {
		part = strspn(text + 1, DIGITS);
		text += 1 + part;
	}
	if (whole + part == 0) {
		return false;
	}
	if (*text == 'e' || *text == 'E') {
		text += text[1] == '-' || text[1] == '+' ? 2 : 1;
		if (*text == '\0') {
			return false;
		}
		text += strspn(text, DIGITS);
	}
	return *text == '\0';
}

/* false: an integer that does not fit. */
static bool type_plain(struct yaml_node *node)
{
	static const char *const NULLS[] = {"null", "Null", "NULL"},
				 *const TRUES[] = {"true", "True", "TRUE"},
				 *const FALSES[] = {"false", "False", "FALSE"};
	const char *text = node->text;

	if (*text == '\0' || strcmp(text, "~") == 0 || is_one_of(text, NULLS)) {
		node->kind = YAML_NULL;
	} else if (is_one_of(text, TRUES) || is_one_of(text, FALSES)) {
		node->kind = YAML_BOOL;
		node->boolean = *text == 't' || *text == 'T';
	} else if (is_integer(text)) {
		bool prefixed = text[0] == '0' && (text[1] == 'o' || text[1] == 'x');
		int base = !prefixed ? 10 : text[1] == 'o' ? 8 : 16;

		node->kind = YAML_INT;
		errno = 0;
		node->integer = strtoll(prefixed ? text + 2 : text, NULL, base);
		return errno == 0;
	} else if (is_float(text)) {
		node->kind = YAML_FLOAT;
	} else {
		node->kind = YAML_STRING;
	}
	return true;
}

/* A node at the place that is due: behind b->last in b->open, or as the root. */
static struct yaml_node *add_node(struct builder *b, enum yaml_kind kind, yaml_mark_t at)
{
	struct yaml_node *node = arena_zalloc(&b->y->arena, sizeof(*node));

	if (node == NULL) {
		return NULL;
	}
	node->kind = kind;
	node->line = (unsigned)at.line + 1;
	node->column = (unsigned)at.column + 1;
	node->parent = b->open;
	if (b->open == NULL) {
		b->y->root = node;
		return node;
	}
	if (b->open->kind == YAML_MAP) {
		node->key = b->key;
		node->key_line = (unsigned)b->key_mark.line + 1;
		node->key_column = (unsigned)b->key_mark.column + 1;
		b->key = NULL;
	}
	*(b->last == NULL ? &b->open->first : &b->last->next) = node;
	b->last = node;
	b->open->n++;
	return node;
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
	const char *bytes = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	bool is_key = b->open != NULL && b->open->kind == YAML_MAP && b->key == NULL;
	struct yaml_node *node;
	char *text;

	if (memchr(bytes, '\0', len) != NULL) {
		return fail_at(b, event->start_mark, "a NUL cannot stand in a text");
	}
	text = arena_dup(&b->y->arena, bytes, len);
	if (text == NULL) {
		return fail_memory(b);
	}
	if (is_key) {
		if (len == 0) {
			return fail_at(b, event->start_mark, "a key is missing before the colon");
		}
		b->key = text;
		b->key_mark = event->start_mark;
		return 0;
	}
	node = add_node(b, YAML_STRING, event->start_mark);
	if (node == NULL) {
		return fail_memory(b);
	}
	node->text = text;
	node->len = len;
	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !type_plain(node)) {
		return fail_at(b, event->start_mark,
		    "the number is too large; if it is a name, put it in quotes");
	}
	return 0;
}

static int on_open(struct builder *b, enum yaml_kind kind, yaml_mark_t at)
{
	struct yaml_node *node;

	if (b->open != NULL && b->open->kind == YAML_MAP && b->key == NULL) {
		return fail_at(b, at, "a key must be a plain word or text, not a map or list");
	}
	if (b->depth == DEPTH_MAX) {
		return fail_at(b, at, "nested too deep");
	}
	node = add_node(b, kind, at);
	if (node == NULL) {
		return fail_memory(b);
	}
	b->depth++;
	b->open = node;
	b->last = NULL;
	return 0;
}

static int compare_keys(const void *left, const void *right)
{
	const struct yaml_node *a = *(struct yaml_node *const *)left,
			       *b = *(struct yaml_node *const *)right;
	int order = strcmp(a->key, b->key);

	if (order == 0) {
		order = a->key_line < b->key_line ? -1 : a->key_line > b->key_line;
	}
	return order != 0 ? order
			  : (a->key_column > b->key_column) - (a->key_column < b->key_column);
}

/* Sorts the keys, since comparing each with each would be slow for a large map. */
static int check_duplicates(const struct builder *b, const struct yaml_node *map)
{
	struct yaml_node **nodes, *twice = NULL;
	size_t n = 0, first = 0;

	if (map->n < 2) {
		return 0;
	}
	nodes = calloc(map->n, sizeof(struct yaml_node *));
	if (nodes == NULL) {
		return fail_memory(b);
	}
	for (struct yaml_node *node = map->first; node != NULL; node = node->next) {
		nodes[n++] = node;
	}
	qsort(nodes, n, sizeof(struct yaml_node *), compare_keys);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(nodes[i - 1]->key, nodes[i]->key) == 0 && twice == NULL) {
			twice = nodes[i];
			first = nodes[i - 1]->key_line;
		}
	}
	free(nodes);
	if (twice == NULL) {
		return 0;
	}
	return lead_fail(b->err, LEAD_EINPUT, "%s:%u:%u: key '%.100s' stands already in line %zu",
	    b->y->file, twice->key_line, twice->key_column, twice->key, first);
}

static int on_close(struct builder *b)
{
	int rc = b->open->kind == YAML_MAP ? check_duplicates(b, b->open) : 0;

	b->last = b->open;
	b->open = b->open->parent;
	b->depth--;
	return rc;
}

static int check_plain(const struct builder *b, const yaml_event_t *event,
    const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL) {
		return fail_at(b, event->start_mark, "anchors (&name) are not supported");
	}
	if (tag != NULL) {
		return fail_at(b, event->start_mark,
		    "tags (!name) are not supported; if it is text, put it in quotes");
	}
	return 0;
}

static int on_event(struct builder *b, const yaml_event_t *event)
{
	int rc;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return b->documents++ == 0
			   ? 0
			   : fail_at(b, event->start_mark, "only one document per file");
	case YAML_ALIAS_EVENT:
		return fail_at(b, event->start_mark,
		    "aliases (*name) are not supported; if it is text, put it in quotes");
	case YAML_SCALAR_EVENT:
		rc = check_plain(b, event, event->data.scalar.anchor, event->data.scalar.tag);
		return rc != 0 ? rc : on_scalar(b, event);
	case YAML_MAPPING_START_EVENT:
		rc = check_plain(
		    b, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		return rc != 0 ? rc : on_open(b, YAML_MAP, event->start_mark);
	case YAML_SEQUENCE_START_EVENT:
		rc = check_plain(
		    b, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
		return rc != 0 ? rc : on_open(b, YAML_LIST, event->start_mark);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return on_close(b);
	default:
		return 0;
	}
}

static int read_events(struct builder *b, const char *text, size_t len)
{
	yaml_parser_t parser;
	bool done = false;
	int rc = 0;

	if (!yaml_parser_initialize(&parser)) {
		return fail_memory(b);
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (rc == 0 && !done) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			rc = fail_syntax(b, &parser, text, len);
			break;
		}
		rc = on_event(b, &event);
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
