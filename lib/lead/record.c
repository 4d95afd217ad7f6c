/*
 * lib/lead/record.c: a stored row is
 *
 *   length of each column's text · number of derived fields · (field, length) of each · all texts
 *
 * with varints for numbers, so that a row costs little more than its texts and a
 * cell is found by adding up the lengths before it.
 */
#include "lib/lead/record.h"

#include <string.h>

#include "lib/base/text.h"
#include "lib/lead/name.h"
#include "lib/lead/varint.h"

struct derived {
	enum lead_field field;
	struct name_part parts[2]; /* joined by a space when both are there */
};

static struct name_part trimmed(const struct csv_field *cells, size_t n, size_t i)
{
	struct name_part p = {0};

	if (i < n) {
		p = (struct name_part){.text = cells[i].text, .len = cells[i].len};
		text_trim(&p.text, &p.len);
	}
	return p;
}

static size_t derived_len(const struct derived *d)
{
	return d->parts[0].len + d->parts[1].len + (d->parts[0].len > 0 && d->parts[1].len > 0);
}

/* The names that the row does not give but that follow from those it gives. */
static size_t derive(
    const struct columns *c, const struct csv_field *cells, size_t n, struct derived ret[2])
{
	struct name_part given[FIELD_N] = {{0}}, first, last;
	size_t count = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (c->list[i].field >= FIELD_FIRST_NAME && c->list[i].field <= FIELD_FULL_NAME) {
			given[c->list[i].field] = trimmed(cells, n, i);
		}
	}
	if (given[FIELD_FULL_NAME].len == 0) {
		ret[0] = (struct derived){.field = FIELD_FULL_NAME,
		    .parts = {given[FIELD_FIRST_NAME], given[FIELD_LAST_NAME]}};
		return derived_len(&ret[0]) > 0;
	}
	if (given[FIELD_FIRST_NAME].len > 0 && given[FIELD_LAST_NAME].len > 0) {
		return 0;
	}
	name_split(given[FIELD_FULL_NAME].text, given[FIELD_FULL_NAME].len, &first, &last);
	if (given[FIELD_FIRST_NAME].len == 0 && first.len > 0) {
		ret[count++] = (struct derived){.field = FIELD_FIRST_NAME, .parts = {first}};
	}
	if (given[FIELD_LAST_NAME].len == 0 && last.len > 0) {
		ret[count++] = (struct derived){.field = FIELD_LAST_NAME, .parts = {last}};
	}
	return count;
}

void record_write(const struct columns *c, const struct csv_field *cells, size_t n, struct buf *out)
{
	struct derived derived[2];
	size_t count = derive(c, cells, n, derived);

	for (size_t i = 0; i < c->n; i++) {
		varint_write(out, trimmed(cells, n, i).len);
	}
	varint_write(out, count);
	for (size_t i = 0; i < count; i++) {
		varint_write(out, derived[i].field);
		varint_write(out, derived_len(&derived[i]));
	}
	for (size_t i = 0; i < c->n; i++) {
		struct name_part p = trimmed(cells, n, i);

		buf_add(out, p.text, p.len);
	}
	for (size_t i = 0; i < count; i++) {
		const struct name_part *parts = derived[i].parts;

		buf_add(out, parts[0].text, parts[0].len);
		if (parts[0].len > 0 && parts[1].len > 0) {
			buf_add_char(out, ' ');
		}
		buf_add(out, parts[1].text, parts[1].len);
	}
}

/*
 * Walks the lengths. Cell `want` (columns first, then derived ones by their
 * field) in *ret when it is there; false when the bytes are no row.
 */
static bool walk(const struct record *r, size_t want, int want_field, struct value *ret)
{
	const unsigned char *p = r->bytes, *end = p + r->len;
	uint64_t len, total = 0, count, field, from = 0, size = 0;
	bool found = false;

	for (size_t i = 0; i < r->columns->n; i++) {
		if (!varint_read(&p, end, &len) || len > r->len) {
			return false;
		}
		if (i == want) {
			from = total;
			size = len;
			found = true;
		}
		total += len;
	}
	if (!varint_read(&p, end, &count) || count > 2) {
		return false;
	}
	for (; count > 0; count--) {
		if (!varint_read(&p, end, &field) || !varint_read(&p, end, &len) || len > r->len) {
			return false;
		}
		if (!found && (int)field == want_field) {
			from = total;
			size = len;
			found = true;
		}
		total += len;
	}
	if (total != (uint64_t)(end - p)) {
		return false;
	}
	*ret = (struct value){.kind = VALUE_NONE};
	if (found && size > 0) {
		*ret = value_string((const char *)p + from, (size_t)size);
	}
	return true;
}

bool record_open(struct record *r, const struct columns *c, const void *bytes, size_t len)
{
	struct value none;

	*r = (struct record){.columns = c, .bytes = bytes, .len = len};
	return walk(r, SIZE_MAX, -1, &none);
}

struct value record_cell(const struct record *r, size_t i)
{
	struct value v = {.kind = VALUE_NONE};

	(void)walk(r, i, -1, &v); /* record_open has seen that it is a row */
	return v;
}

struct value record_field(const struct record *r, enum lead_field f)
{
	struct value v = {.kind = VALUE_NONE};

	for (size_t i = 0; i < r->columns->n; i++) {
		if (r->columns->list[i].field == (int)f) {
			v = record_cell(r, i);
			break;
		}
	}
	if (v.kind == VALUE_NONE) {
		(void)walk(r, SIZE_MAX, (int)f, &v);
	}
	return v;
}

size_t record_word(const char *header, char *word, size_t max)
{
	size_t n = 0;
	bool gap = false;

	for (const char *p = header; *p != '\0'; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + ('a' - 'A')) : *p;

		if (!((unsigned char)c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) {
			gap = n > 0; /* none at the start, and none at the end */
			continue;
		}
		if (n + gap >= max) {
			return 0;
		}
		if (gap) {
			word[n++] = '_';
			gap = false;
		}
		word[n++] = c;
	}
	return n;
}

/* Whether the header, made a word, is name. Letters beyond ASCII stay as they are. */
static bool header_is(const char *header, const char *name, size_t len)
{
	size_t n = 0;
	bool gap = false;

	for (const char *p = header; *p != '\0'; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + ('a' - 'A')) : *p;

		if (!((unsigned char)c >= 0x80 || (c >= 'a' && c <= 'z') ||
			(c >= '0' && c <= '9'))) {
			gap = n > 0; /* none at the start */
			continue;
		}
		if (gap) {
			if (n >= len || name[n++] != '_') {
				return false;
			}
			gap = false;
		}
		if (n >= len || name[n++] != c) {
			return false;
		}
	}
	return n == len && n > 0; /* and none at the end */
}

struct value record_get(const struct record *r, const char *name, size_t len)
{
	for (int f = 0; f < FIELD_N; f++) {
		if (strlen(lead_field_names[f]) == len &&
		    memcmp(lead_field_names[f], name, len) == 0) {
			return record_field(r, (enum lead_field)f);
		}
	}
	for (size_t i = 0; i < r->columns->n; i++) {
		if (header_is(r->columns->list[i].header, name, len)) {
			return record_cell(r, i);
		}
	}
	return (struct value){.kind = VALUE_NONE};
}
