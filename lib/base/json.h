/*
 * lib/base/json.h: strict JSON, both ways.
 *
 * Two readers with one grammar (RFC 8259, checked against nst/JSONTestSuite):
 * json_scan cuts wanted fields out of the raw text in one pass without a tree
 * (3 us instead of 34 us for a 4 KB answer); json_parse builds a json-c tree
 * for configuration and control requests. Both refuse bad UTF-8, lone
 * surrogates, numbers beyond a double, nesting over the given depth and bytes
 * behind the value. Of keys that repeat within an object the last one counts.
 * An escaped NUL is read as U+FFFD, so that no string that comes out of here
 * holds a NUL.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/path.h"
#include "lib/base/value.h"

struct json_object;

#define JSON_DEPTH 64 /* deepest nesting accepted from outside */

/*
 * 0 when text[0..len) is exactly one JSON value, nested at most depth (up to 512)
 * deep; LEAD_EINPUT with the byte offset in err otherwise.
 */
int json_check(const char *text, size_t len, int depth, struct lead_error *err) MUST_CHECK;

/*
 * One pass over the text: validates it like json_check and stores what stands
 * at paths[i] into ret[i] (VALUE_NONE when nothing does). Values that need no
 * unescaping point into text; the others live in the arena. NULL arena is not
 * allowed. ret is undefined when the result is not 0.
 */
int json_scan(const char *text, size_t len, const struct path_set *paths, struct arena *a,
    struct value *ret, struct lead_error *err) MUST_CHECK;

/*
 * A json-c tree, owned by the caller (NULL for the text `null`, as in json-c).
 * Runs the scanner first: json-c alone accepts far more. Integers beyond int64
 * are refused too, since json-c would change them silently.
 */
int json_parse(
    const char *text, size_t len, struct json_object **ret, struct lead_error *err) MUST_CHECK;

/*
 * Checked getters on a json-c object (json-c's own convert silently). Each
 * returns 0, 1 when the key is absent or null (ret untouched), or LEAD_EINPUT
 * with `what` (the name of the thing, for the message) and the key in err.
 * Strings are borrowed from obj and contain no NUL.
 */
int json_get_string(struct json_object *obj, const char *key, const char *what, const char **ret,
    struct lead_error *err) MUST_CHECK;
int json_get_int(struct json_object *obj, const char *key, const char *what, int64_t min,
    int64_t max, int64_t *ret, struct lead_error *err) MUST_CHECK;
int json_get_bool(struct json_object *obj, const char *key, const char *what, bool *ret,
    struct lead_error *err) MUST_CHECK;
int json_get_object(struct json_object *obj, const char *key, const char *what,
    struct json_object **ret, struct lead_error *err) MUST_CHECK;
int json_get_array(struct json_object *obj, const char *key, const char *what,
    struct json_object **ret, struct lead_error *err) MUST_CHECK;

/*
 * The inside of a string literal that json_check accepted, decoded into out (at
 * least len bytes; may be text itself). Returns its length.
 */
size_t json_unescape(const char *text, size_t len, char *out);

/* Appends text as a quoted JSON string; bytes that are no UTF-8 become U+FFFD. */
void json_write_string(struct buf *out, const char *text, size_t len);
/* The same without the quotes, for the inside of a string literal. */
void json_write_escaped(struct buf *out, const char *text, size_t len);
