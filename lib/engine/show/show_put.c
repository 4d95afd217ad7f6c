/* See show_put.h. */
#include "lib/engine/show/show_put.h"

#include "lib/base/ids.h"
#include "lib/base/json.h"

#include <stdio.h>
#include <string.h>

void put_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, text != NULL && text[0] != 0 ? json_object_new_string(text) : NULL);
}

void put_word(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

void put_int(struct json_object *o, const char *key, int64_t v)
{
	json_object_object_add(o, key, json_object_new_int64(v));
}

void put_bool(struct json_object *o, const char *key, bool v)
{
	json_object_object_add(o, key, json_object_new_boolean(v));
}

void put_wall(struct json_object *o, const char *key, int64_t wall_us)
{
	char text[25];

	if (wall_us == 0 || wall_us == TIME_NEVER) {
		json_object_object_add(o, key, NULL);
		return;
	}
	time_write_utc(wall_us, text);
	put_word(o, key, text);
}

void put_boot(struct json_object *o, const char *key, int64_t boot_us, struct now now)
{
	put_wall(o, key, boot_us == 0 || boot_us == TIME_NEVER ? 0 : now.wall_us + (boot_us - now.boot_us));
}

void put_value(struct json_object *o, const char *key, size_t key_len, const struct value *v)
{
	char name[256];
	size_t len = key_len < sizeof(name) - 1 ? key_len : sizeof(name) - 1;
	struct json_object *child = NULL;
	char number[64];

	memcpy(name, key, len);
	name[len] = 0;
	switch (v->kind) {
	case VALUE_TRUE:
	case VALUE_FALSE:
		child = json_object_new_boolean(v->kind == VALUE_TRUE);
		break;
	case VALUE_STRING:
		child = json_object_new_string_len(v->text, (int)v->len);
		break;
	case VALUE_NUMBER:
		if (v->len < sizeof(number)) {
			memcpy(number, v->text, v->len);
			number[v->len] = 0;
			child = json_object_new_double_s(strtod(number, NULL), number);
		}
		break;
	case VALUE_JSON:
		if (json_parse(v->text, v->len, &child, NULL) != 0) {
			child = NULL;
		}
		break;
	default:
		break;
	}
	json_object_object_add(o, name, child);
}

void put_call_id(struct json_object *o, const char *key, uint64_t id)
{
	char text[17];

	if (id == 0) {
		json_object_object_add(o, key, NULL);
		return;
	}
	ids_write(id, text);
	put_word(o, key, text);
}

void put_page(struct json_object *o, struct json_object *items, bool more, uint32_t cursor)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", cursor);
	json_object_object_add(o, "items", items);
	put_text(o, "next", more ? text : NULL);
}
