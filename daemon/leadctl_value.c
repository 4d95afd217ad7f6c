/*
 * daemon/leadctl_value.c: reading the daemon's answers, and showing their values to people. A
 * field that is absent or of another type reads as nothing, so that leadctl works with daemons a
 * little older or newer than itself.
 */
#include "daemon/leadctl.h"

#include "lib/base/decimal.h"
#include "lib/base/json.h"
#include "lib/base/money.h"
#include "lib/base/time.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#define NOTHING "-"

const char *get_text(struct json_object *o, const char *key)
{
	const char *text = "";

	return json_get_string(o, key, "answer", &text, NULL) == 0 ? text : "";
}

int64_t get_int(struct json_object *o, const char *key)
{
	int64_t n = 0;

	return json_get_int(o, key, "answer", INT64_MIN, INT64_MAX, &n, NULL) == 0 ? n : 0;
}

bool get_bool(struct json_object *o, const char *key)
{
	bool b = false;

	return json_get_bool(o, key, "answer", &b, NULL) == 0 && b;
}

bool get_has(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	return json_object_is_type(o, json_type_object) &&
	       json_object_object_get_ex(o, key, &value) && value != NULL;
}

struct json_object *get_object(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	return json_get_object(o, key, "answer", &value, NULL) == 0 ? value : NULL;
}

struct json_object *get_list(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	return json_get_array(o, key, "answer", &value, NULL) == 0 ? value : NULL;
}

size_t list_length(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

struct json_object *list_at(struct json_object *list, size_t i)
{
	return json_object_array_get_idx(list, i);
}

static const char *keep(struct ctl *c, const char *text)
{
	const char *copy = arena_dup(&c->mem, text, strlen(text));

	if (copy == NULL) {
		abort(); /* out of memory */
	}
	return copy;
}

const char *show_text(struct ctl *c, struct json_object *o, const char *key)
{
	const char *text = get_text(o, key);

	return keep(c, text[0] != '\0' ? text : NOTHING);
}

const char *show_value(struct ctl *c, struct json_object *value)
{
	if (value == NULL) {
		return NOTHING;
	}
	if (json_object_is_type(value, json_type_string)) {
		struct json_object *box = json_object_new_object();
		const char *text;

		json_object_object_add(box, "v", json_object_get(value));
		text = keep(c, get_text(box, "v"));
		json_object_put(box);
		return text;
	}
	return keep(c, json_object_to_json_string_ext(
			   value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* The number as the daemon wrote it; NULL when there is none. */
static const char *number_text(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	if (!get_has(o, key) || !json_object_object_get_ex(o, key, &value) ||
	    (!json_object_is_type(value, json_type_int) &&
		!json_object_is_type(value, json_type_double))) {
		return NULL;
	}
	return json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
}

const char *show_number(struct ctl *c, struct json_object *o, const char *key)
{
	const char *text = number_text(o, key);
	int64_t n;
	bool exact;

	if (text == NULL) {
		return NOTHING;
	}
	if (strpbrk(text, ".eE") == NULL || !decimal_scaled(text, strlen(text), 2, &n, &exact)) {
		return keep(c, text);
	}
	return arena_printf(
	    &c->mem, "%s%lld.%02lld", n < 0 ? "-" : "", llabs(n) / 100, llabs(n) % 100);
}

const char *show_percent(struct ctl *c, struct json_object *o, const char *key)
{
	const char *text = number_text(o, key);
	int64_t n;
	bool exact;

	if (text == NULL || !decimal_scaled(text, strlen(text), 3, &n, &exact)) {
		return NOTHING;
	}
	return arena_printf(&c->mem, "%lld.%lld %%", (long long)n / 10, (long long)n % 10);
}

const char *show_money(struct ctl *c, struct json_object *o, const char *key, const char *currency)
{
	char text[32];

	if (!get_has(o, key)) {
		return NOTHING;
	}
	money_write(get_int(o, key), text);
	return arena_printf(&c->mem, "%s%s%s", text, currency[0] != '\0' ? " " : "", currency);
}

const char *show_time(struct ctl *c, struct json_object *o, const char *key)
{
	char text[32];
	int64_t wall_us;

	if (!time_parse_rfc3339(get_text(o, key), &wall_us)) {
		return NOTHING;
	}
	time_write_local(wall_us, text);
	return keep(c, text);
}

const char *show_age(struct ctl *c, struct json_object *o, const char *key)
{
	char text[32];
	int64_t wall_us;
	struct timespec now;

	if (!time_parse_rfc3339(get_text(o, key), &wall_us) || clock_gettime(CLOCK_REALTIME, &now) != 0) {
		return NOTHING;
	}
	wall_us = (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000 - wall_us;
	if (wall_us < US_PER_S) {
		return "now";
	}
	duration_write(wall_us / US_PER_S * US_PER_S, text);
	return keep(c, text);
}

const char *show_ms(struct ctl *c, struct json_object *o, const char *key)
{
	char text[32];

	if (!get_has(o, key)) {
		return NOTHING;
	}
	duration_write(get_int(o, key) * US_PER_MS, text);
	return keep(c, text);
}

const char *show_bytes(struct ctl *c, uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	uint64_t tenths = bytes * 10;
	size_t i = 0;

	while (tenths >= 10240 && i < 4) {
		tenths /= 1024;
		i++;
	}
	if (i == 0) {
		return arena_printf(&c->mem, "%llu B", (unsigned long long)bytes);
	}
	return arena_printf(&c->mem, "%llu.%llu %s", (unsigned long long)tenths / 10,
	    (unsigned long long)tenths % 10, units[i]);
}
