/*
 * lib/base/value.c: small questions to one field. Numbers stay text until
 * somebody asks for an integer or a double, and then the text decides.
 */
#include "lib/base/value.h"

#include "lib/base/decimal.h"
#include "lib/base/json.h"
#include "lib/base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct value value_string(const char *text, size_t len)
{
	if (len > UINT32_MAX) {
		return (struct value){.kind = VALUE_NONE};
	}
	return (struct value){.kind = VALUE_STRING, .len = (uint32_t)len, .text = text};
}

struct value value_text(const char *text)
{
	return text == NULL ? (struct value){.kind = VALUE_NONE} : value_string(text, strlen(text));
}

struct value value_int(struct arena *a, int64_t number)
{
	char *text = arena_printf(a, "%lld", (long long)number);

	if (text == NULL) {
		return (struct value){.kind = VALUE_NONE};
	}
	return (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)strlen(text), .text = text};
}

bool value_is_blank(const struct value *v)
{
	const char *text = v->text;
	size_t len = v->len;

	if (v->kind != VALUE_STRING) {
		return v->kind == VALUE_NONE || v->kind == VALUE_NULL;
	}
	text_trim(&text, &len);
	return len == 0;
}

bool value_is_true(const struct value *v)
{
	return v->kind != VALUE_NONE && v->kind != VALUE_NULL && v->kind != VALUE_FALSE;
}

static bool numbers_equal(const struct value *a, const struct value *b)
{
	int64_t ia, ib;
	double da, db;

	if (value_to_int(a, &ia) && value_to_int(b, &ib)) {
		return ia == ib;
	}
	return value_to_double(a, &da) && value_to_double(b, &db) && da == db;
}

bool value_equal(const struct value *a, const struct value *b)
{
	if (a->kind != b->kind) {
		return false;
	}
	if (a->kind != VALUE_NUMBER && a->kind != VALUE_STRING && a->kind != VALUE_JSON) {
		return true;
	}
	if (a->len == b->len && (a->len == 0 || memcmp(a->text, b->text, a->len) == 0)) {
		return true;
	}
	return a->kind == VALUE_NUMBER && numbers_equal(a, b);
}

bool value_to_int(const struct value *v, int64_t *ret)
{
	int64_t number;
	bool exact;

	if ((v->kind != VALUE_NUMBER && v->kind != VALUE_STRING) ||
	    !decimal_scaled(v->text, v->len, 0, &number, &exact) || !exact) {
		return false;
	}
	*ret = number;
	return true;
}

bool value_to_double(const struct value *v, double *ret)
{
	char small[64], *text = small;
	double number;

	if ((v->kind != VALUE_NUMBER && v->kind != VALUE_STRING) || v->len == 0 ||
	    decimal_length(v->text, v->len) != v->len) {
		return false;
	}
	if (v->len >= sizeof(small)) {
		text = malloc((size_t)v->len + 1);
		if (text == NULL) {
			return false;
		}
	}
	memcpy(text, v->text, v->len);
	text[v->len] = '\0'; /* strtod wants an end */
	number = strtod(text, NULL);
	if (text != small) {
		free(text);
	}
	if (!isfinite(number)) {
		return false;
	}
	*ret = number;
	return true;
}

void value_write_json(struct buf *out, const struct value *v)
{
	switch (v->kind) {
	case VALUE_NONE:
	case VALUE_NULL:
		buf_add_text(out, "null");
		break;
	case VALUE_FALSE:
		buf_add_text(out, "false");
		break;
	case VALUE_TRUE:
		buf_add_text(out, "true");
		break;
	case VALUE_STRING:
		json_write_string(out, v->text, v->len);
		break;
	case VALUE_NUMBER:
	case VALUE_JSON:
		buf_add(out, v->text, v->len);
		break;
	}
}

void value_write_text(struct buf *out, const struct value *v)
{
	if (v->kind == VALUE_STRING) {
		buf_add(out, v->text, v->len);
	} else if (v->kind != VALUE_NONE && v->kind != VALUE_NULL) {
		value_write_json(out, v);
	}
}

struct value value_copy(struct arena *a, const struct value *v)
{
	struct value copy = *v;

	if (v->kind == VALUE_NUMBER || v->kind == VALUE_STRING || v->kind == VALUE_JSON) {
		copy.text = arena_dup(a, v->text, v->len);
		if (copy.text == NULL) {
			return (struct value){.kind = VALUE_NONE};
		}
	}
	return copy;
}
