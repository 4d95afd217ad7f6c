/*
 * lib/base/json_tree.c: json-c behind our own door. The scanner has accepted the
 * text before json-c reads it, and what is taken out of a tree goes through
 * getters that check the type instead of converting.
 */
#include "lib/base/json.h"

#include "lib/base/json_scan.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/*
 * Two kinds of escapes become plain UTF-8, in place, before json-c sees them:
 * NUL, since json-c keeps keys as C strings (both readers take it for U+FFFD);
 * and surrogate pairs, since json-c 0.16 loses U+1D800 to U+1DFFF and their like
 * in higher planes (json-c pull request 893). Returns the new length.
 */
static size_t decode_troublesome(char *text, size_t len)
{
	const char *p = text, *end = text + len;
	char *o = text;

	while (p < end) {
		size_t n = 1;
		bool decode = false;

		if (p[0] == '\\' && p[1] != 'u') {
			n = 2;
		} else if (p[0] == '\\') {
			bool pair = (p[2] | 0x20) == 'd' && strchr("89abAB", p[3]) != NULL;

			n = pair ? 12 : 6;
			decode = pair || memcmp(p + 2, "0000", 4) == 0;
		}
		if (decode) {
			o += json_unescape(p, n, o);
		} else {
			memmove(o, p, n);
			o += n;
		}
		p += n;
	}
	return (size_t)(o - text);
}

static int build(const char *text, size_t len, struct json_object **ret, struct lead_error *err)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH + 1);
	struct json_object *tree;
	enum json_tokener_error rc;

	if (tok == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "JSON: out of memory");
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	tree = json_tokener_parse_ex(tok, text, (int)len);
	rc = json_tokener_get_error(tok);
	if (rc == json_tokener_continue) {
		tree = json_tokener_parse_ex(
		    tok, "", 1); /* the NUL tells json-c that a number is over */
		rc = json_tokener_get_error(tok);
	}
	json_tokener_free(tok);
	if (rc != json_tokener_success) {
		return lead_fail(err, LEAD_EBUG, "JSON: json-c refuses a checked text: %s",
		    json_tokener_error_desc(rc));
	}
	*ret = tree;
	return 0;
}

int json_parse(const char *text, size_t len, struct json_object **ret, struct lead_error *err)
{
	bool troublesome;
	char *copy;
	int rc;

	if (len > INT_MAX) {
		return lead_fail(err, LEAD_EINPUT, "JSON: a text of %zu bytes is too long", len);
	}
	rc = json_check_for_tree(text, len, &troublesome, err);
	if (rc != 0 || !troublesome) {
		return rc != 0 ? rc : build(text, len, ret, err);
	}
	copy = malloc(len);
	if (copy == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "JSON: out of memory");
	}
	memcpy(copy, text, len);
	rc = build(copy, decode_troublesome(copy, len), ret, err);
	free(copy);
	return rc;
}

/* 0 with the member, 1 when it is absent or null. */
static int get(struct json_object *obj, const char *key, const char *what, enum json_type type,
    const char *type_name, struct json_object **ret, struct lead_error *err)
{
	struct json_object *member = NULL;

	if (!json_object_is_type(obj, json_type_object)) {
		return lead_fail(err, LEAD_EINPUT, "%s must be an object", what);
	}
	if (!json_object_object_get_ex(obj, key, &member) || member == NULL) {
		return 1;
	}
	if (!json_object_is_type(member, type)) {
		return lead_fail(err, LEAD_EINPUT, "%s: '%s' must be %s", what, key, type_name);
	}
	*ret = member;
	return 0;
}

int json_get_string(struct json_object *obj, const char *key, const char *what, const char **ret,
    struct lead_error *err)
{
	struct json_object *member = NULL;
	const char *text;
	int rc = get(obj, key, what, json_type_string, "a string", &member, err);

	if (rc != 0) {
		return rc;
	}
	text = json_object_get_string(member);
	if (strlen(text) != (size_t)json_object_get_string_len(member)) {
		return lead_fail(err, LEAD_EINPUT, "%s: '%s' holds a NUL", what, key);
	}
	*ret = text;
	return 0;
}

int json_get_int(struct json_object *obj, const char *key, const char *what, int64_t min,
    int64_t max, int64_t *ret, struct lead_error *err)
{
	struct json_object *member = NULL;
	int64_t number;
	int rc = get(obj, key, what, json_type_int, "a whole number", &member, err);

	if (rc != 0) {
		return rc;
	}
	number = json_object_get_int64(member);
	if (number < min || number > max || json_object_get_uint64(member) > INT64_MAX) {
		return lead_fail(err, LEAD_EINPUT, "%s: '%s' must lie between %lld and %lld", what,
		    key, (long long)min, (long long)max);
	}
	*ret = number;
	return 0;
}

int json_get_bool(
    struct json_object *obj, const char *key, const char *what, bool *ret, struct lead_error *err)
{
	struct json_object *member = NULL;
	int rc = get(obj, key, what, json_type_boolean, "true or false", &member, err);

	if (rc == 0) {
		*ret = json_object_get_boolean(member);
	}
	return rc;
}

int json_get_object(struct json_object *obj, const char *key, const char *what,
    struct json_object **ret, struct lead_error *err)
{
	return get(obj, key, what, json_type_object, "an object", ret, err);
}

int json_get_array(struct json_object *obj, const char *key, const char *what,
    struct json_object **ret, struct lead_error *err)
{
	return get(obj, key, what, json_type_array, "an array", ret, err);
}
