/* An item's record as expressions see it: its facts laid over its imported row, then `.campaign`. */
#include "lib/engine/state.h"

#include "lib/base/json.h"

static struct value view_field(const void *ctx, const char *name, size_t len)
{
	const struct view *v = ctx;

	for (size_t i = v->n; i-- > 0;) {
		if (v->fields[i].name_len == len && memcmp(v->fields[i].name, name, len) == 0) {
			return v->fields[i].value;
		}
	}
	if (len == 8 && memcmp(name, "campaign", 8) == 0 && v->campaign_json != NULL) {
		return (struct value){.kind = VALUE_JSON, .text = v->campaign_json, .len = (uint32_t)strlen(v->campaign_json)};
	}
	return v->has_row ? record_get(&v->row, name, len) : (struct value){0};
}

static void write_pair(struct buf *out, bool *first, const char *name, size_t len, const struct value *value)
{
	buf_add_text(out, *first ? "" : ",");
	*first = false;
	json_write_string(out, name, len);
	buf_add_char(out, ':');
	value_write_json(out, value);
}

static void view_write(const void *ctx, struct buf *out)
{
	const struct view *v = ctx;
	bool first = true;

	buf_add_char(out, '{');
	for (size_t f = 0; v->has_row && f < FIELD_N; f++) {
		struct value value = record_field(&v->row, (enum lead_field)f);

		write_pair(out, &first, lead_field_names[f], strlen(lead_field_names[f]), &value);
	}
	for (size_t i = 0; v->has_row && i < v->row.columns->n; i++) {
		struct value value = record_cell(&v->row, i);

		if (v->row.columns->list[i].field < 0) {
			write_pair(out, &first, v->row.columns->list[i].header, strlen(v->row.columns->list[i].header), &value);
		}
	}
	for (size_t i = 0; i < v->n; i++) {
		write_pair(out, &first, v->fields[i].name, v->fields[i].name_len, &v->fields[i].value);
	}
	if (v->campaign_json != NULL) {
		buf_add_text(out, first ? "\"campaign\":" : ",\"campaign\":");
		buf_add_text(out, v->campaign_json);
	}
	buf_add_char(out, '}');
}

void view_add(struct view *v, const struct fact_field *f)
{
	for (size_t i = 0; i < v->n; i++) {
		if (v->fields[i].name_len == f->name_len && memcmp(v->fields[i].name, f->name, f->name_len) == 0) {
			v->fields[i] = *f; /* the newer fact wins */
			return;
		}
	}
	if (v->n < VIEW_FIELDS) {
		v->fields[v->n++] = *f;
	}
}

static bool on_fact(void *arg, const struct fact *f)
{
	struct view *v = arg;

	for (size_t i = 0; i < f->n_fields; i++) {
		view_add(v, &f->fields[i]);
	}
	return true;
}

void view_open(struct engine *e, struct txn *t, const struct run *r, uint32_t number, struct view *v)
{
	struct slice row;

	(void)e;
	v->run = r;
	v->n = 0;
	v->campaign_json = r->campaign != NULL ? r->campaign->vars_json : NULL;
	v->source = (struct expr_source){.field = view_field, .write = view_write, .ctx = v};
	v->has_row = number != 0 && r->has_columns && item_row(t, r->id, number, &row) && record_open(&v->row, &r->columns, row.data, row.len);
	if (number != 0) {
		fact_walk(t, r->id, number, on_fact, v);
	}
}
