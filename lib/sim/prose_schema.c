/* lib/sim/prose_schema.c: a value for every field that a JSON Schema names. */
#include "lib/sim/prose.h"

#include <string.h>

#include <json-c/json.h>

#include "lib/base/json.h"

static bool named(const char *name, const char *const words[])
{
	for (size_t i = 0; name != NULL && words[i] != NULL; i++) {
		if (strstr(name, words[i]) != NULL) {
			return true;
		}
	}
	return false;
}

static void write_text(struct buf *out, const char *name, const struct prose_lead *lead,
    uint64_t draw, const char *text)
{
	static const char *const subject[] = {"subject", "title", "headline", NULL},
				 *const company[] = {"company", "organi", NULL},
				 *const first[] = {"first_name", "name", NULL};
	struct buf b = {0};

	if (named(name, subject)) {
		prose_subject(&b, lead, draw);
	} else if (named(name, company)) {
		buf_add_text(&b, lead->company);
	} else if (named(name, first)) {
		buf_add_text(&b, lead->first);
	} else {
		buf_add_text(&b, text);
	}
	json_write_string(out, b.data != NULL ? b.data : "", b.len);
	buf_free(&b);
}

static void write_schema(struct buf *out, struct json_object *schema, const char *name,
    const struct prose_lead *lead, uint64_t draw, const char *text, unsigned depth);

static void write_object(struct buf *out, struct json_object *schema, const struct prose_lead *lead,
    uint64_t draw, const char *text, unsigned depth)
{
	struct json_object *properties = json_object_object_get(schema, "properties");
	bool first = true;

	buf_add_char(out, '{');
	if (json_object_is_type(properties, json_type_object)) {
		json_object_object_foreach(properties, key, property)
		{
			buf_add_text(out, first ? "" : ",");
			json_write_string(out, key, strlen(key));
			buf_add_char(out, ':');
			write_schema(out, property, key, lead, draw, text, depth + 1);
			first = false;
		}
	}
	buf_add_char(out, '}');
}

/* `type` may be a list such as ["string", "null"]: the first counts. */
static const char *schema_type(struct json_object *schema)
{
	struct json_object *type = json_object_object_get(schema, "type");

	if (json_object_is_type(type, json_type_array)) {
		type = json_object_array_get_idx(type, 0);
	}
	return json_object_is_type(type, json_type_string) ? json_object_get_string(type)
							   : "string";
}

static void write_schema(struct buf *out, struct json_object *schema, const char *name,
    const struct prose_lead *lead, uint64_t draw, const char *text, unsigned depth)
{
	struct json_object *choice;
	const char *type;

	if (depth > 16 || !json_object_is_type(schema, json_type_object)) {
		buf_add_text(out, "null");
		return;
	}
	choice = json_object_object_get(schema, "enum");
	type = schema_type(schema);
	if (json_object_is_type(choice, json_type_array) && json_object_array_length(choice) > 0) {
		buf_add_text(out,
		    json_object_to_json_string_ext(
			json_object_array_get_idx(choice, draw % json_object_array_length(choice)),
			JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	} else if (strcmp(type, "object") == 0) {
		write_object(out, schema, lead, draw, text, depth);
	} else if (strcmp(type, "array") == 0) {
		buf_add_char(out, '[');
		write_schema(out, json_object_object_get(schema, "items"), name, lead, draw, text,
		    depth + 1);
		buf_add_char(out, ']');
	} else if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0) {
		buf_printf(out, "%u", (unsigned)(draw % 10) + 1);
	} else if (strcmp(type, "boolean") == 0) {
		buf_add_text(out, draw % 2 == 0 ? "true" : "false");
	} else if (strcmp(type, "null") == 0) {
		buf_add_text(out, "null");
	} else {
		write_text(out, name, lead, draw, text);
	}
}

void prose_schema(struct buf *out, struct json_object *schema, const struct prose_lead *lead,
    uint64_t draw, const char *text)
{
	write_schema(out, schema, NULL, lead, draw, text, 0);
}
