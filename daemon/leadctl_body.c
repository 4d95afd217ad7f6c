/* daemon/leadctl_body.c: what the daemon is asked, out of the options of a command. */
#include "daemon/leadctl.h"

#include "lib/base/time.h"

#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

void body_text(struct json_object *o, const char *key, const char *text)
{
	if (text != NULL) {
		json_object_object_add(o, key, json_object_new_string(text));
	}
}

void body_number(struct json_object *o, const char *key, const struct args *a, const char *option)
{
	int64_t n;

	if (args_number(a, option, &n)) {
		json_object_object_add(o, key, json_object_new_int64(n));
	}
}

void body_time(struct json_object *o, const char *key, const struct args *a, const char *option)
{
	char text[25];
	int64_t at;

	if (args_number(a, option, &at)) {
		time_write_utc(at, text);
		body_text(o, key, text);
	}
}

/* `state=CA` */
static void add_params(struct json_object *o, const struct args *a)
{
	struct json_object *params = NULL;

	for (size_t i = 0; i < a->n_given; i++) {
		const char *text = a->given[i].text, *equals;

		if (strcmp(a->given[i].option->name, "param") != 0 || (equals = strchr(text, '=')) == NULL) {
			continue;
		}
		if (params == NULL) {
			params = json_object_new_object();
			json_object_object_add(o, "params", params);
		}
		char name[64];

		(void)snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
		json_object_object_add(params, name, json_object_new_string(equals + 1));
	}
}

struct json_object *file_body(const struct args *a, const char *upload)
{
	struct json_object *o = json_object_new_object(), *map = json_object_new_array();

	body_text(o, "upload", upload);
	for (size_t i = 0; i < a->n_given; i++) {
		if (strcmp(a->given[i].option->name, "map") == 0) {
			json_object_array_add(map, json_object_new_string(a->given[i].text));
		}
	}
	json_object_object_add(o, "map", map);
	body_text(o, "sheet", args_text(a, "sheet"));
	body_text(o, "encoding", args_text(a, "encoding"));
	body_text(o, "delimiter", args_text(a, "delimiter"));
	return o;
}

struct json_object *start_body(const struct args *a, const char *upload, const char *source)
{
	struct json_object *o = file_body(a, upload);

	body_text(o, "campaign", args_text(a, "campaign"));
	body_text(o, "source", source);
	body_number(o, "budget_micro", a, "budget");
	body_time(o, "by", a, "by");
	body_number(o, "priority", a, "priority");
	body_number(o, "share", a, "share");
	body_number(o, "limit", a, "limit");
	add_params(o, a);
	body_number(o, "quantity", a, "quantity");
	body_number(o, "sample", a, "sample");
	if (args_has(a, "preview")) {
		json_object_object_add(o, "preview", json_object_new_boolean(true));
	}
	json_object_object_add(o, "paused", json_object_new_boolean(args_has(a, "paused")));
	return o;
}

bool check_delimiter(const struct args *a)
{
	const char *text = args_text(a, "delimiter");

	if (text == NULL || (strlen(text) == 1 && strchr(",;|", text[0]) != NULL) ||
	    strcmp(text, "tab") == 0) {
		return true;
	}
	args_complain(a->command, "--delimiter: `%s` is none of , ; | tab; nearest: %s", text,
	    strchr("\t\\T", text[0]) != NULL ? "tab" : "\";\"");
	return false;
}

bool check_params(const struct args *a)
{
	for (size_t i = 0; i < a->n_given; i++) {
		const char *text = a->given[i].text;
		size_t len = strcmp(a->given[i].option->name, "param") == 0 ? strcspn(text, "=") : 0;

		for (size_t k = 0; len > 0 && k < i; k++) {
			if (a->given[k].option == a->given[i].option && strncmp(a->given[k].text, text, len + 1) == 0) {
				args_complain(a->command, "--param: `%.*s` is there more than once", (int)len, text);
				return false;
			}
		}
	}
	return true;
}
