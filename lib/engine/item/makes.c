/*
 * A stage brings items: a list in what it was told (or in the record) becomes one item for each element, with the fields that
 * `makes` takes out of it. What the elements need of the store is read before the first is written: pages move under a write.
 */

#include "lib/engine/item/makes.h"

#include "lib/base/json.h"
#include "lib/base/json_list.h"
#include "lib/engine/item/birth.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"

#define MEMBERS 64

struct element {
	struct fact_field members[MEMBERS];
	size_t n;
	struct value parent, run, campaign, whole;
};

static struct value element_field(const void *ctx, const char *name, size_t len)
{
	const struct element *el = ctx;

	for (size_t i = el->n; i-- > 0;) {
		if (el->members[i].name_len == len && memcmp(el->members[i].name, name, len) == 0) {
			return el->members[i].value;
		}
	}
	return len == 6 && memcmp(name, "parent", 6) == 0     ? el->parent
	       : len == 3 && memcmp(name, "run", 3) == 0      ? el->run
	       : len == 8 && memcmp(name, "campaign", 8) == 0 ? el->campaign
							      : (struct value){0};
}

static void element_write(const void *ctx, struct buf *out)
{
	const struct element *el = ctx;

	buf_add(out, el->whole.text, el->whole.len);
}

static void read_element(struct element *el, const char *text, size_t len, struct arena *a)
{
	struct value name, value;
	struct json_list members;

	el->whole = (struct value){.kind = VALUE_JSON, .text = text, .len = (uint32_t)len};
	el->n = 0;
	if (!json_members_open(&members, text, len)) {
		/* a list of bare values: `.value` */
		if (text[0] == '"') {
			char *decoded = arena_alloc(a, len);

			el->members[0].value = decoded != NULL ? value_string(decoded, json_unescape(text + 1, len - 2, decoded)) : (struct value){0};
		} else {
			el->members[0].value = (struct value){.kind = VALUE_NUMBER, .text = text, .len = (uint32_t)len};
		}
		el->members[0].name = "value";
		el->members[0].name_len = 5;
		el->n = 1;
		return;
	}
	while (el->n < MEMBERS && json_members_next(&members, a, &name, &value)) {
		el->members[el->n++] = (struct fact_field){.name = name.text, .name_len = name.len, .value = value};
	}
}

static struct value from_record(struct engine *e, const struct expr_source *kept, const char *name)
{
	struct value v = kept->field(kept->ctx, name, strlen(name));

	return value_copy(&e->arena, &v);
}

/* The list as text that stays where it is; NONE when there is none. */
static struct value list_of(struct engine *e, const struct makes *m, const struct expr_source *kept)
{
	struct lead_error err;
	struct value list;

	if (template_value(m->from, kept, &e->arena, &list, &err) != 0) {
		return (struct value){0};
	}
	if (list.kind == VALUE_STRING && json_check(list.text, list.len, JSON_DEPTH, &err) != 0) {
		return (struct value){0}; /* a cell of a row may hold a list as text */
	}
	return list.kind == VALUE_JSON || list.kind == VALUE_STRING ? value_copy(&e->arena, &list) : (struct value){0};
}

static bool make_one(struct engine *e, struct run *r, const struct item *parent, const struct makes *m, const struct element *el)
{
	struct expr_source source = {.field = element_field, .write = element_write, .ctx = el};
	struct fact_field fields[MAKES_FIELDS];
	struct lead_error err;
	enum item_outcome o;
	uint32_t number;
	size_t n = 0;

	for (size_t i = 0; i < m->n_fields; i++) {
		struct fact_field *f = &fields[n];

		if (template_value(m->fields[i].value, &source, &e->arena, &f->value, &err) != 0 || f->value.kind == VALUE_NONE) {
			continue;
		}
		f->name = m->fields[i].name;
		f->name_len = (uint32_t)strlen(f->name);
		n++;
	}
	o = birth_of(e, r, m->level, parent->number, fields, n, &number);
	return o != ITEM_DUPLICATE;
}

uint64_t makes_have(struct run *r, enum item_level level)
{
	const uint64_t *o = run_outcomes(r, level);
	uint64_t have = 0;

	for (int i = 0; i < ITEM_OUTCOMES; i++) {
		have += i != ITEM_DUPLICATE && i != ITEM_SUPPRESSED ? o[i] : 0;
	}
	return have;
}

static uint64_t at_most(uint64_t most, uint64_t bound, uint64_t have)
{
	return have >= bound ? 0 : bound - have < most ? bound - have : most;
}

/* Of a source no more than the run may have, and where it counts what it brings no more than was asked for. */
static uint64_t most_of(struct run *r, const struct item *parent, const struct makes *m)
{
	uint64_t most = m->most, have = makes_have(r, m->level);

	if (parent->level != LEVEL_RUN) {
		return most;
	}
	most = m->rounds.in_all > 0 ? at_most(most, m->rounds.in_all, have) : most;
	return m->rounds.good || r->row.quantity == 0 ? most : at_most(most, r->row.quantity, have);
}

struct making {
	struct value list;
	struct element element;
};

struct making *makes_read(struct engine *e, const struct item *parent, const struct stage *st, const struct expr_source *kept)
{
	struct value list = list_of(e, st->makes, kept);
	struct making *m = list.kind != VALUE_NONE ? arena_zalloc(&e->arena, sizeof(*m)) : NULL;
	struct buf out = {0};

	if (m == NULL) {
		return NULL;
	}
	m->list = list;
	m->element.campaign = from_record(e, kept, "campaign");
	m->element.run = from_record(e, kept, "run");
	if (parent->level == LEVEL_COMPANY) {
		kept->write(kept->ctx, &out);
		m->element.parent = (struct value){
		    .kind = VALUE_JSON, .text = arena_dup(&e->arena, out.data != NULL ? out.data : "{}", out.len), .len = (uint32_t)out.len};
		buf_free(&out);
	}
	return m;
}

uint64_t makes_items(struct engine *e, struct run *r, const struct item *parent, const struct stage *st, struct making *m)
{
	uint64_t most = most_of(r, parent, st->makes), made = 0;
	struct json_list elements;
	const char *text;
	size_t len;

	if (m == NULL || !json_list_open(&elements, m->list.text, m->list.len)) {
		return 0;
	}
	while (made < most && json_list_next(&elements, &text, &len)) {
		read_element(&m->element, text, len, &e->arena);
		made += make_one(e, r, parent, st->makes, &m->element) ? 1 : 0;
	}
	return made;
}
