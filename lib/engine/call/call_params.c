/* See call_params.h. */
#include "lib/engine/call/call_params.h"

#include "lib/base/json.h"

#include <string.h>

struct value params_field(const void *ctx, const char *name, size_t len)
{
	const struct params *p = ctx;

	for (size_t i = 0; i < p->n; i++) {
		if (p->list[i].name_len == len && memcmp(p->list[i].name, name, len) == 0) {
			return p->list[i].value;
		}
	}
	return (struct value){0};
}

static void params_write(const void *ctx, struct buf *out)
{
	const struct params *p = ctx;

	buf_add_char(out, '{');
	for (size_t i = 0; i < p->n; i++) {
		buf_add_text(out, i > 0 ? "," : "");
		json_write_string(out, p->list[i].name, p->list[i].name_len);
		buf_add_char(out, ':');
		value_write_json(out, &p->list[i].value);
	}
	buf_add_char(out, '}');
}

struct expr_source params_source(const struct params *p)
{
	return (struct expr_source){.field = params_field, .write = params_write, .ctx = p};
}

int params_eval(const struct step *step, const struct expr_source *record, struct arena *a, struct params *ret, struct lead_error *err)
{
	ret->n = 0;
	for (size_t i = 0; i < step->n_params && i < PARAMS; i++) {
		struct fact_field *f = &ret->list[ret->n++];
		int rc;

		f->name = step->params[i].name;
		f->name_len = (uint32_t)strlen(f->name);
		rc = template_value(step->params[i].value, record, a, &f->value, err);
		if (rc != 0) {
			return rc;
		}
		f->value = value_copy(a, &f->value); /* a write would move the page it is in */
	}
	return 0;
}

int params_add(struct params *p, const char *name, const char *json)
{
	struct fact_field *f = &p->list[p->n];

	if (json == NULL || p->n == sizeof(p->list) / sizeof(p->list[0])) {
		return LEAD_ENOMEM;
	}
	*f = (struct fact_field){.name = name, .name_len = (uint32_t)strlen(name), .value = value_text(json)};
	f->value.kind = VALUE_JSON;
	p->n++;
	return 0;
}

const char *params_first_page(const struct service_call *call, struct arena *a)
{
	return arena_printf(a, "{\"number\":1,\"offset\":0,\"size\":%u}", call->paging->size);
}

const char *params_missing(const struct service_call *call, const struct params *p, size_t *at)
{
	for (; call->params[*at] != NULL; ++*at) {
		struct value v = params_field(p, call->params[*at], strlen(call->params[*at]));

		if (value_is_blank(&v) && !service_call_optional(call, call->params[*at])) {
			return call->params[(*at)++];
		}
	}
	return NULL;
}
