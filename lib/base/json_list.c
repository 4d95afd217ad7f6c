/* See json_list.h. */
#include "lib/base/json_list.h"

#include "lib/base/json.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct json_list *l)
{
	while (l->at < l->end && is_blank(*l->at)) {
		l->at++;
	}
}

bool json_list_open(struct json_list *l, const char *text, size_t len)
{
	*l = (struct json_list){text, text + len};
	skip_blanks(l);
	if (l->at == l->end || *l->at != '[') {
		l->at = l->end;
		return false;
	}
	l->at++;
	return true;
}

/* Behind the value that begins at p. */
static const char *value_end(const char *p, const char *end)
{
	size_t depth = 0;
	bool quoted = false;

	for (; p < end; p++) {
		if (quoted && *p == '\\') {
			p++;
		} else if (quoted) {
			quoted = *p != '"';
		} else if (*p == '"') {
			quoted = true;
		} else if (*p == '[' || *p == '{') {
			depth++;
		} else if ((*p == ']' || *p == '}') && depth > 0) {
			depth--;
		} else if (depth == 0 && (*p == ',' || *p == ']' || *p == '}')) {
			return p;
		}
	}
	return end;
}

bool json_list_next(struct json_list *l, const char **ret, size_t *ret_len)
{
	const char *stop;

	skip_blanks(l);
	if (l->at >= l->end || *l->at == ']') {
		l->at = l->end;
		return false;
	}
	stop = value_end(l->at, l->end);
	*ret = l->at;
	l->at = stop < l->end && *stop == ',' ? stop + 1 : stop;
	while (stop > *ret && is_blank(stop[-1])) {
		stop--;
	}
	*ret_len = (size_t)(stop - *ret);
	return true;
}

bool json_members_open(struct json_list *l, const char *text, size_t len)
{
	*l = (struct json_list){text, text + len};
	skip_blanks(l);
	if (l->at == l->end || *l->at != '{') {
		l->at = l->end;
		return false;
	}
	l->at++;
	return true;
}

/* The value of a literal that is valid JSON. */
static struct value literal(const char *text, size_t len, struct arena *a)
{
	struct value v = {.kind = VALUE_NUMBER, .text = text, .len = (uint32_t)len};
	char *decoded;

	switch (text[0]) {
	case '"':
		decoded = arena_alloc(a, len);
		if (decoded == NULL) {
			return (struct value){0};
		}
		return value_string(decoded, json_unescape(text + 1, len - 2, decoded));
	case '{':
	case '[':
		v.kind = VALUE_JSON;
		break;
	case 'n':
		v.kind = VALUE_NULL;
		break;
	case 't':
		v.kind = VALUE_TRUE;
		break;
	case 'f':
		v.kind = VALUE_FALSE;
		break;
	default:
		break;
	}
	return v;
}

bool json_members_next(struct json_list *l, struct arena *a, struct value *ret_name, struct value *ret)
{
	const char *name, *stop;

	skip_blanks(l);
	if (l->at >= l->end || *l->at != '"') {
		l->at = l->end;
		return false;
	}
	name = l->at++;
	while (l->at < l->end && *l->at != '"') {
		l->at += *l->at == '\\' ? 2 : 1;
	}
	if (l->at >= l->end) {
		return false;
	}
	l->at++;
	*ret_name = literal(name, (size_t)(l->at - name), a);
	skip_blanks(l);
	l->at += l->at < l->end ? 1 : 0; /* the colon */
	skip_blanks(l);
	stop = value_end(l->at, l->end);
	name = l->at;
	l->at = stop < l->end && *stop == ',' ? stop + 1 : stop;
	while (stop > name && is_blank(stop[-1])) {
		stop--;
	}
	*ret = stop > name ? literal(name, (size_t)(stop - name), a) : (struct value){0};
	return stop > name;
}
