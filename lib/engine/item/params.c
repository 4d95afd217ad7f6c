/* See params.h. */
#include "lib/engine/item/params.h"

#include "lib/base/json.h"
#include "lib/base/text.h"

#include <string.h>
#include <json-c/json.h>

static const struct pipeline_param *find_param(const struct pipeline *p, const char *name)
{
	for (size_t i = 0; i < p->n_params; i++) {
		if (strcmp(p->params[i].name, name) == 0) {
			return &p->params[i];
		}
	}
	return NULL;
}

static int unknown(const struct pipeline *p, const char *name, struct lead_error *err)
{
	const char *names[33] = {NULL}, *near;

	for (size_t i = 0; i < p->n_params && i < 32; i++) {
		names[i] = p->params[i].name;
	}
	near = text_nearest(name, names);
	if (p->n_params == 0) {
		return lead_fail(err, LEAD_EINPUT, "pipeline %s takes no params, so not '%.60s'", p->name, name);
	}
	return near != NULL ? lead_fail(err, LEAD_EINPUT, "pipeline %s has no param '%.60s', did you mean '%s'?", p->name, name, near)
			    : lead_fail(err, LEAD_EINPUT, "pipeline %s has no param '%.60s'", p->name, name);
}

static int check_given(const struct pipeline *p, struct json_object *given, struct lead_error *err)
{
	json_object_object_foreach(given, name, value)
	{
		if (find_param(p, name) == NULL) {
			return unknown(p, name, err);
		}
		if (value == NULL || json_object_is_type(value, json_type_array) || json_object_is_type(value, json_type_object)) {
			return lead_fail(err, LEAD_EINPUT, "param '%.60s' must be a single value", name);
		}
	}
	return 0;
}

static void write_param(struct buf *out, const char *name, struct json_object *value, const char *text)
{
	buf_add_char(out, out->len == 0 ? '{' : ',');
	json_write_string(out, name, strlen(name));
	buf_add_char(out, ':');
	if (value == NULL || json_object_is_type(value, json_type_string)) {
		text = value != NULL ? json_object_get_string(value) : text;
		json_write_string(out, text, strlen(text));
	} else {
		buf_add_text(out, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
	}
}

/* What is asked for but can never be there would end as a run that fell short, after a night. */
static int check_quantity(const struct pipeline *p, uint64_t quantity, struct lead_error *err)
{
	enum item_level level = pipeline_rows_are(p);
	uint64_t bound = 0;

	for (size_t s = 0; s < p->n_stages; s++) {
		const struct makes *m = p->stages[s].of == LEVEL_RUN ? p->stages[s].makes : NULL;

		if (m != NULL && m->level == level && m->rounds.in_all == 0) {
			return 0;
		}
		bound = m != NULL && m->level == level && m->rounds.in_all > bound ? m->rounds.in_all : bound;
	}
	return bound == 0 || quantity <= bound
		     ? 0
		     : lead_fail(err, LEAD_EINPUT, "pipeline %s finds at most %llu %s a run (in_all), so not %llu", p->name, (unsigned long long)bound,
			   level == LEVEL_COMPANY ? "companies" : "leads", (unsigned long long)quantity);
}

static bool is_blank(struct json_object *value)
{
	const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "x";

	return text[strspn(text, " \t\r\n")] == 0;
}

int params_set(const struct pipeline *p, struct json_object *given, struct run_row *row, struct lead_error *err)
{
	int rc = given != NULL ? check_given(p, given, err) : 0;

	rc = rc == 0 ? check_quantity(p, row->quantity, err) : rc;
	buf_reset(&row->params);
	for (size_t i = 0; rc == 0 && i < p->n_params; i++) {
		const struct pipeline_param *param = &p->params[i];
		struct json_object *value = NULL;

		if (given != NULL && json_object_object_get_ex(given, param->name, &value) && !(param->required && is_blank(value))) {
			write_param(&row->params, param->name, value, NULL);
		} else if (param->preset != NULL) {
			write_param(&row->params, param->name, NULL, param->preset);
		} else if (param->required) {
			return lead_fail(err, LEAD_EINPUT, "pipeline %s needs param '%s'%s%s", p->name, param->name, param->about != NULL ? ": " : "",
			    param->about != NULL ? param->about : "");
		}
	}
	if (rc == 0 && row->params.len > 0) {
		buf_add_char(&row->params, '}');
	}
	return rc == 0 && row->params.failed ? lead_fail(err, LEAD_ENOMEM, "out of memory") : rc;
}
