/*
 * lib/lead/columns.c: from a header row to columns.
 *
 *   copy headers -> overrides -> known spellings, best first -> `Name`, by what else there is ->
 * enough?
 */
#include "lib/lead/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/text.h"
#include "lib/lead/header_words.h"
#include "lib/lead/varint.h"

#define COLUMNS_MAX 1000 /* the reader's own bound */
#define HEADER_BYTES 1000

const char *const lead_field_names[FIELD_N + 1] = {
    [FIELD_EMAIL] = "email",
    [FIELD_FIRST_NAME] = "first_name",
    [FIELD_LAST_NAME] = "last_name",
    [FIELD_FULL_NAME] = "full_name",
    [FIELD_COMPANY] = "company",
    [FIELD_WEBSITE] = "website",
    [FIELD_LINKEDIN] = "linkedin",
    [FIELD_TITLE] = "title",
    [FIELD_CITY] = "city",
    [FIELD_REGION] = "region",
};

/* Folded, letters and digits only: `E-Mail Address` is `emailaddress`. False when too long to be
 * known. */
static bool header_key(const char *header, char out[64])
{
	struct buf folded = {.max = 256};
	size_t n = 0;

	text_fold(&folded, header, strlen(header));
	for (size_t i = 0; i < folded.len && n < 63; i++) {
		char c = folded.data[i];

		if ((unsigned char)c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
			out[n++] = c;
		}
	}
	out[n] = '\0';
	buf_free(&folded);
	return n > 0 && n < 63;
}

static size_t find_header(const struct columns *c, size_t n, const char *header)
{
	size_t i = 0;

	while (i < n && strcmp(c->list[i].header, header) != 0) {
		i++;
	}
	return i;
}

/* How many of the first n headers are the text, or the text with a number behind it. */
static size_t count_alike(const struct columns *c, size_t n, const char *text)
{
	size_t alike = 0, len = strlen(text);

	for (size_t i = 0; i < n; i++) {
		const char *h = c->list[i].header;

		alike +=
		    strncmp(h, text, len) == 0 &&
		    (h[len] == '\0' || (h[len] == '_' && h[len + 1] != '\0' &&
					   h[len + 1 + strspn(h + len + 1, "0123456789")] == '\0'));
	}
	return alike;
}

/* Trimmed; `column_N` for none; `_2`, `_3` … behind one that was there before. */
static char *unique_header(const struct columns *c, size_t i, const char *text, size_t len)
{
	char *header = NULL, *base;
	int rc = len > 0 ? asprintf(&base, "%.*s", (int)len, text)
			 : asprintf(&base, "column_%zu", i + 1);

	if (rc < 0) {
		return NULL;
	}
	if (find_header(c, i, base) == i) {
		return base;
	}
	for (size_t n = count_alike(c, i, base) + 1; header == NULL; n++) {
		if (asprintf(&header, "%s_%zu", base, n) < 0) {
			header = NULL;
			break;
		}
		if (find_header(c, i, header) < i) {
			free(header);
			header = NULL;
		}
	}
	free(base);
	return header;
}

static int copy_headers(
    const struct csv_field *header, size_t n, struct columns *c, struct lead_error *err)
{
	if (n > COLUMNS_MAX) {
		return lead_fail(err, LEAD_EINPUT, "more than %d columns", COLUMNS_MAX);
	}
	c->list = calloc(n + 1, sizeof(*c->list));
	if (c->list == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	for (; c->n < n; c->n++) {
		const char *text = header[c->n].text;
		size_t len = header[c->n].len;

		text_trim(&text, &len);
		if (len > HEADER_BYTES) {
			return lead_fail(err, LEAD_EINPUT,
			    "the header of column %zu has more than %d bytes: is the first line "
			    "the header?",
			    c->n + 1, HEADER_BYTES);
		}
		c->list[c->n].field = -1;
		c->list[c->n].header = unique_header(c, c->n, text, len);
		if (c->list[c->n].header == NULL) {
			return lead_fail(err, LEAD_ENOMEM, "out of memory");
		}
	}
	return 0;
}

/* The column of a field; c->n when there is none. */
static size_t column_of(const struct columns *c, int field)
{
	size_t i = 0;

	while (i < c->n && c->list[i].field != field) {
		i++;
	}
	return i;
}

/* By the header itself, else by the letters and digits of it. */
static size_t column_named(const struct columns *c, const char *header)
{
	char key[64], other[64];
	size_t i = find_header(c, c->n, header);

	if (i == c->n && header_key(header, key)) {
		for (i = 0; i < c->n; i++) {
			if (header_key(c->list[i].header, other) && strcmp(key, other) == 0) {
				break;
			}
		}
	}
	return i;
}

static int no_such_column(const struct columns *c, const char *header, struct lead_error *err)
{
	const char **all = calloc(c->n + 1, sizeof(*all));
	const char *nearest = NULL;
	int rc;

	for (size_t i = 0; all != NULL && i < c->n; i++) {
		all[i] = c->list[i].header;
	}
	if (all != NULL) {
		nearest = text_nearest(header, all);
	}
	if (nearest != NULL) {
		rc = lead_fail(err, LEAD_EINPUT,
		    "the file has no column '%.100s'; did you mean '%.100s'?", header, nearest);
	} else {
		rc = lead_fail(err, LEAD_EINPUT, "the file has no column '%.100s'", header);
	}
	free(all);
	return rc;
}

static int no_such_field(const char *name, struct lead_error *err)
{
	const char *nearest = text_nearest(name, lead_field_names);
	struct buf all = {0};
	int rc;

	if (nearest != NULL) {
		return lead_fail(err, LEAD_EINPUT, "there is no field '%.100s'; did you mean '%s'?",
		    name, nearest);
	}
	for (size_t i = 0; i < FIELD_N; i++) {
		buf_printf(&all, "%s%s", i > 0 ? ", " : "", lead_field_names[i]);
	}
	rc = lead_fail(err, LEAD_EINPUT, "there is no field '%.100s'; the fields are %s", name,
	    all.failed ? "many" : all.data);
	buf_free(&all);
	return rc;
}

/* One `field=Header`. */
static int override(struct columns *c, const char *pair, struct lead_error *err)
{
	const char *equals = strchr(pair, '=');
	char name[64];
	int field = 0;
	size_t i;

	if (equals == NULL || equals == pair || equals[1] == '\0') {
		return lead_fail(err, LEAD_EINPUT, "'%.100s' should be field=Header", pair);
	}
	snprintf(name, sizeof(name), "%.*s", (int)(equals - pair), pair);
	while (field < FIELD_N && strcmp(lead_field_names[field], name) != 0) {
		field++;
	}
	if (field == FIELD_N) {
		return no_such_field(name, err);
	}
	if (column_of(c, field) < c->n) {
		return lead_fail(err, LEAD_EINPUT, "field '%s' is mapped twice", name);
	}
	i = column_named(c, equals + 1);
	if (i == c->n) {
		return no_such_column(c, equals + 1, err);
	}
	if (c->list[i].field >= 0) {
		return lead_fail(
		    err, LEAD_EINPUT, "column '%.100s' is mapped twice", c->list[i].header);
	}
	c->list[i].field = field;
	return 0;
}

static bool has_field(const struct columns *c, enum lead_field f)
{
	return column_of(c, (int)f) < c->n;
}

/* `Name` beside a first name is the last one (German, French), beside a last name the first
 * (Italian). */
static enum lead_field some_name(const struct columns *c)
{
	bool first = has_field(c, FIELD_FIRST_NAME), last = has_field(c, FIELD_LAST_NAME);

	return first && !last   ? FIELD_LAST_NAME
	       : last && !first ? FIELD_FIRST_NAME
				: FIELD_FULL_NAME;
}

/* Known words for fields that no override gave; the table's order decides between columns. */
static void map_known(struct columns *c, char (*keys)[64])
{
	for (size_t w = 0; w < sizeof(header_words) / sizeof(header_words[0]); w++) {
		enum lead_field f = header_words[w].field;

		for (size_t i = 0; i < c->n; i++) {
			if (c->list[i].field >= 0 || strcmp(keys[i], header_words[w].word) != 0) {
				continue;
			}
			f = f == FIELD_SOME_NAME ? some_name(c) : f;
			if (!has_field(c, f)) {
				c->list[i].field = (int)f;
			}
			break;
		}
	}
}

static int map_all(const struct csv_field *header, size_t n, const char *const overrides[],
    struct columns *c, struct lead_error *err)
{
	char(*keys)[64];
	int rc = copy_headers(header, n, c, err);

	for (size_t i = 0; rc == 0 && overrides != NULL && overrides[i] != NULL; i++) {
		rc = override(c, overrides[i], err);
	}
	if (rc != 0) {
		return rc;
	}
	keys = calloc(n + 1, sizeof(*keys));
	if (keys == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < n; i++) {
		if (!header_key(c->list[i].header, keys[i])) {
			keys[i][0] = '\0';
		}
	}
	map_known(c, keys);
	free(keys);
	if (!has_field(c, FIELD_EMAIL) && !has_field(c, FIELD_LINKEDIN) &&
	    !has_field(c, FIELD_FULL_NAME) && !has_field(c, FIELD_LAST_NAME) &&
	    !has_field(c, FIELD_FIRST_NAME) && !has_field(c, FIELD_COMPANY)) {
		return lead_fail(err, LEAD_EINPUT,
		    "no column for an address, a profile, a name or a company: is the first line "
		    "the header? Columns can be named: --map email=Header");
	}
	return 0;
}

int columns_map(const struct csv_field *header, size_t n, const char *const overrides[],
    struct columns *ret, struct lead_error *err)
{
	struct columns c = {0};
	int rc = map_all(header, n, overrides, &c, err);

	if (rc != 0) {
		columns_fini(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

void columns_fini(struct columns *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->list[i].header);
	}
	free(c->list);
	*c = (struct columns){0};
}

/* count, then per column: field + 1, length, header. */
void columns_write(const struct columns *c, struct buf *out)
{
	varint_write(out, c->n);
	for (size_t i = 0; i < c->n; i++) {
		size_t len = strlen(c->list[i].header);

		varint_write(out, (uint64_t)(c->list[i].field + 1));
		varint_write(out, len);
		buf_add(out, c->list[i].header, len);
	}
}

int columns_read(const void *bytes, size_t len, struct columns *ret)
{
	const unsigned char *p = bytes, *end = p + len;
	struct columns c = {0};
	uint64_t n, field, size;

	if (!varint_read(&p, end, &n) || n > COLUMNS_MAX) {
		return LEAD_EINPUT;
	}
	c.list = calloc((size_t)n + 1, sizeof(*c.list));
	if (c.list == NULL) {
		return LEAD_ENOMEM;
	}
	for (; c.n < n; c.n++) {
		if (!varint_read(&p, end, &field) || field > FIELD_N ||
		    !varint_read(&p, end, &size) || size > (size_t)(end - p) ||
		    memchr(p, '\0', (size_t)size) != NULL) {
			columns_fini(&c);
			return LEAD_EINPUT;
		}
		c.list[c.n].field = (int)field - 1;
		c.list[c.n].header = strndup((const char *)p, (size_t)size);
		if (c.list[c.n].header == NULL) {
			columns_fini(&c);
			return LEAD_ENOMEM;
		}
		p += size;
	}
	if (p != end) {
		columns_fini(&c);
		return LEAD_EINPUT;
	}
	*ret = c;
	return 0;
}

int columns_of(const char *const names[], size_t n, struct columns *ret)
{
	struct columns c = {.list = calloc(n + 1, sizeof(*c.list))};

	for (; c.list != NULL && c.n < n; c.n++) {
		struct column *column = &c.list[c.n];

		column->field = -1;
		for (int f = 0; f < FIELD_N; f++) {
			column->field = strcmp(lead_field_names[f], names[c.n]) == 0 ? f : column->field;
		}
		column->header = strdup(names[c.n]);
		if (column->header == NULL) {
			columns_fini(&c);
			return LEAD_ENOMEM;
		}
	}
	if (c.list == NULL) {
		return LEAD_ENOMEM;
	}
	*ret = c;
	return 0;
}
