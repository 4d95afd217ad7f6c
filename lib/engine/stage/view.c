/*
 * An item's record as expressions see it: its facts laid over its row, then `.campaign`, `.run` (the run's params and what its own
 * item found out) and `.parent` (the company a lead came from).
 */

#include "lib/engine/stage/view.h"

#include "lib/base/json.h"
#include "lib/engine/config/config.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"

static bool is_name(const char *name, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(name, word, len) == 0;
}

/* Of the run's own item: `ask` and `page` say what comes next, not what was found out. */
static bool is_progress(const struct fact_field *f)
{
	return is_name(f->name, f->name_len, "ask") || is_name(f->name, f->name_len, "page");
}

/* --- .run --- */

/* A param that the source has given up does not stand in its own record any more. */
static bool is_given_up(const struct view *v, const struct value *name)
{
	const struct stage *st = run_stage(v->run, v->item.stage);
	const struct makes *m = v->level == LEVEL_RUN && st != NULL ? st->makes : NULL;

	for (size_t i = 0; m != NULL && i < m->n_widen && i < v->item.widened; i++) {
		if (is_name(name->text, name->len, m->widen[i])) {
			return true;
		}
	}
	return false;
}

static struct value run_param(const struct view *v, const char *name, size_t len)
{
	for (size_t i = 0; i < v->run->n_params; i++) {
		const struct run_param *p = &v->run->params[i];

		if (p->name.len == len && memcmp(p->name.text, name, len) == 0) {
			return is_given_up(v, &p->name) ? (struct value){0} : p->value;
		}
	}
	return is_name(name, len, "quantity") && v->run->row.quantity > 0 ? value_int(v->arena, (int64_t)v->run->row.quantity)
									   : (struct value){0};
}

static const char *run_json(const struct view *v)
{
	struct run *r = v->run;
	struct buf out = {0};
	struct view root;

	if (r->json == NULL) {
		view_open(v->engine, v->txn, r, ITEM_ROOT, &root);
		root.arena = v->arena;
		root.item.widened = 0; /* whoever asks from below sees all of them */
		root.campaign_json = NULL;
		root.source.write(root.source.ctx, &out);
		r->json = buf_take(&out);
	}
	return r->json;
}

static struct value parent_json(struct view *v)
{
	struct item i = v->item;
	struct view parent;

	if (v->parent.kind != VALUE_NONE || v->level != LEVEL_LEAD) {
		return v->parent;
	}
	if (i.number == 0 && i.parent == 0 && !item_read(v->txn, v->run->id, v->number, &i)) {
		return v->parent;
	}
	if (i.parent != 0 && i.parent != ITEM_ROOT) {
		view_open(v->engine, v->txn, v->run, i.parent, &parent);
		parent.arena = v->arena;
		parent.campaign_json = NULL;
		v->parent = view_json(&parent, v->arena);
	}
	return v->parent;
}

static struct value view_field(const void *ctx, const char *name, size_t len)
{
	const struct view *v = ctx;
	struct value own;

	for (size_t i = v->n; i-- > 0;) {
		if (v->fields[i].name_len == len && memcmp(v->fields[i].name, name, len) == 0) {
			return v->fields[i].value;
		}
	}
	if (len == 8 && memcmp(name, "campaign", 8) == 0 && v->campaign_json != NULL) {
		return (struct value){.kind = VALUE_JSON, .text = v->campaign_json, .len = (uint32_t)strlen(v->campaign_json)};
	}
	own = v->has_row ? record_get(&v->row, name, len) : (struct value){0};
	if (own.kind != VALUE_NONE || v->run == NULL || v->txn == NULL) {
		return own;
	}
	if (v->level == LEVEL_RUN) {
		return run_param(v, name, len);
	}
	if (is_name(name, len, "run")) {
		const char *json = run_json(v);

		return json != NULL ? (struct value){.kind = VALUE_JSON, .text = json, .len = (uint32_t)strlen(json)} : own;
	}
	return is_name(name, len, "parent") ? parent_json((struct view *)(uintptr_t)ctx) : own;
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
	for (size_t i = 0; v->level == LEVEL_RUN && i < v->run->n_params; i++) {
		if (!is_given_up(v, &v->run->params[i].name)) {
			write_pair(out, &first, v->run->params[i].name.text, v->run->params[i].name.len, &v->run->params[i].value);
		}
	}
	if (v->level == LEVEL_RUN && v->run->row.quantity > 0) {
		struct value quantity = value_int(v->arena, (int64_t)v->run->row.quantity);

		write_pair(out, &first, "quantity", 8, &quantity);
	}
	for (size_t f = 0; v->has_row && f < FIELD_N; f++) {
		struct value value = record_field(&v->row, (enum lead_field)f);

		if (v->level == LEVEL_COMPANY && value_is_blank(&value)) {
			continue; /* a company has no first name */
		}
		write_pair(out, &first, lead_field_names[f], strlen(lead_field_names[f]), &value);
	}
	for (size_t i = 0; v->has_row && i < v->row.columns->n; i++) {
		const char *header = v->row.columns->list[i].header;
		int field = v->row.columns->list[i].field;
		struct value value = record_cell(&v->row, i);
		char word[256];
		size_t len = record_word(header, word, sizeof(word));
		bool is_field = field >= 0 && strlen(lead_field_names[field]) == len && memcmp(lead_field_names[field], word, len) == 0;

		/* a company of a file has `name` and `domain`, which are a person's name and a website elsewhere */
		if (field < 0 || (v->level == LEVEL_COMPANY && !is_field)) {
			write_pair(out, &first, len > 0 ? word : header, len > 0 ? len : strlen(header), &value);
		}
	}
	for (size_t i = 0; i < v->n; i++) {
		if (v->level != LEVEL_RUN || !is_progress(&v->fields[i])) {
			write_pair(out, &first, v->fields[i].name, v->fields[i].name_len, &v->fields[i].value);
		}
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

/* The level decides which columns its row has; most runs have leads only. */
static enum item_level level_of(struct txn *t, const struct run *r, uint32_t number)
{
	struct item i;

	if (number == ITEM_ROOT) {
		return LEVEL_RUN;
	}
	return r->has_columns[LEVEL_COMPANY] && item_read(t, r->id, number, &i) ? i.level : LEVEL_LEAD;
}

void view_open(struct engine *e, struct txn *t, struct run *r, uint32_t number, struct view *v)
{
	struct slice row;

	v->engine = e;
	v->arena = e != NULL ? &e->arena : NULL;
	v->txn = t;
	v->run = r;
	v->number = number;
	v->n = 0;
	v->item = (struct item){.number = 0};
	v->parent = (struct value){0};
	v->level = number != 0 ? level_of(t, r, number) : LEVEL_LEAD;
	if (v->level == LEVEL_RUN) {
		(void)item_read(t, r->id, number, &v->item);
	}
	v->campaign_json = r->campaign != NULL ? r->campaign->vars_json : NULL;
	v->source = (struct expr_source){.field = view_field, .write = view_write, .ctx = v};
	v->has_row = number != 0 && v->level != LEVEL_RUN && r->has_columns[v->level] && item_row(t, r->id, number, &row) &&
		     record_open(&v->row, &r->columns[v->level], row.data, row.len);
	if (number != 0) {
		fact_walk(t, r->id, number, on_fact, v);
	}
}

struct value view_json(const struct view *v, struct arena *a)
{
	struct value ret = {0};
	struct buf out = {0};

	v->source.write(v->source.ctx, &out);
	if (!out.failed && out.data != NULL) {
		ret = (struct value){.kind = VALUE_JSON, .text = arena_dup(a, out.data, out.len), .len = (uint32_t)out.len};
	}
	buf_free(&out);
	return ret.text != NULL ? ret : (struct value){0};
}
