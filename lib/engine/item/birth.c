/*
 * An item comes into a run: a row of its file, an element of what a source or a company's stage found, an event from outside.
 *
 *   row -> on the suppression list? -> free gates -> known in this run? in another? -> held by a gate, or to the first stage of its level
 */
#include "lib/engine/item/birth.h"

#include "lib/engine/config/config.h"
#include "lib/engine/item/known.h"
#include "lib/engine/item/suppress.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"

#include <stdio.h>

static struct fact birth_fact(struct engine *e, const char *reason)
{
	struct fact f = {.kind = FACT_GATE, .stage = STAGE_INTAKE, .turn = e->turn, .wall_us = e->now.wall_us};

	(void)snprintf(f.reason, sizeof(f.reason), "%s", reason);
	return f;
}

static enum item_outcome refuse(struct engine *e, struct run *r, struct item *i, enum item_outcome o, const char *reason, uint32_t of)
{
	struct fact f = birth_fact(e, reason);
	char number[16];

	if (of != 0) {
		(void)snprintf(number, sizeof(number), "%u", of);
		f.fields[0] = (struct fact_field){
		    .name = "duplicate_of", .name_len = 12, .value = {.kind = VALUE_NUMBER, .text = number, .len = (uint32_t)strlen(number)}};
		f.n_fields = 1;
	}
	i->stage = STAGE_INTAKE;
	fact_add(e->txn, i, &f);
	item_finish(e, r, i, o, reason);
	return o;
}

struct identity birth_identity(struct engine *e, enum item_level level, const struct record *row)
{
	struct value email, normal = {0};
	struct identity ids[3];
	size_t n;

	if (level == LEVEL_COMPANY) {
		struct value domain = record_get(row, "domain", 6), name = record_get(row, "name", 4);

		domain = value_is_blank(&domain) ? record_field(row, FIELD_WEBSITE) : domain;
		name = value_is_blank(&name) ? record_field(row, FIELD_COMPANY) : name;
		n = identity_of_company(&domain, &name, e->hash_key, &ids[0]) ? 1 : 0;
	} else {
		email = record_field(row, FIELD_EMAIL);
		(void)gate_address(&email, &e->config->lists, &e->arena, &normal);
		n = identity_of(row, &normal, e->hash_key, ids);
	}
	return n > 0 ? ids[0] : (struct identity){.kind = IDENTITY_NONE};
}

static const char *row_suppressed(struct engine *e, struct run *r, enum item_level level, const struct record *row)
{
	struct value email = record_field(row, FIELD_EMAIL);

	return level == LEVEL_LEAD && suppress_has(e, r) ? suppress_reason(e, r, &email) : NULL;
}

enum item_outcome birth(struct engine *e, struct run *r, enum item_level level, uint32_t parent, uint32_t number, const void *row, size_t len)
{
	struct item i = {.run = r->id, .number = number, .level = level, .parent = parent};
	struct view view = {0};
	const struct gate *g = NULL;
	const char *suppressed, *reason;
	char text[ITEM_REASON];
	struct identity id;
	uint32_t of;

	run_outcomes(r, level)[ITEM_OPEN]++;
	view_open(e, e->txn, r, 0, &view);
	view.level = level;
	view.item = i;
	view.has_row = record_open(&view.row, &r->columns[level], row, len);
	suppressed = row_suppressed(e, r, level, &view.row);
	reason = r->pipeline != NULL
		     ? pipeline_gates(r->pipeline, level, AFTER_INTAKE, &view.source, &e->config->lists, &e->arena, &g)
		     : NULL;
	item_row_write(e->txn, r->id, number, row, len);
	if (suppressed != NULL) {
		return refuse(e, r, &i, ITEM_SUPPRESSED, suppressed, 0);
	}
	if (reason != NULL && g->policy != GATE_HOLD) {
		return refuse(e, r, &i, ITEM_REJECTED, reason, 0);
	}
	id = birth_identity(e, level, &view.row);
	of = id.kind != IDENTITY_NONE ? identity_claim(e->txn, r->id, (uint8_t)id.kind, id.hash, number) : 0;
	if (of != 0) {
		(void)snprintf(text, sizeof(text), "duplicate-%s", identity_word(id.kind));
		return refuse(e, r, &i, ITEM_DUPLICATE, text, of);
	}
	if (level == LEVEL_LEAD && id.kind != IDENTITY_NONE) {
		struct known_item k = known_lead(e, r, &id, number);

		if (k.run != 0 && r->campaign->known == KNOWN_SKIP && known_is_taken(e, &k)) {
			(void)snprintf(text, sizeof(text), "known-in-run-%u", k.run);
			return refuse(e, r, &i, ITEM_DUPLICATE, text, 0);
		}
		if (k.run != 0 && r->campaign->known == KNOWN_REUSE) {
			known_reuse(e, &i, &k);
		}
	}
	if (reason != NULL) { /* somebody's by now, whoever lets it go */
		item_hold(e, r, &i, reason);
	} else if (r->pipeline != NULL) {
		approve_take(r, level, number);
		stage_enter(e, r, &i, 0);
	} else {
		item_hold(e, r, &i, STAGE_GONE);
	}
	return i.outcome;
}

enum item_outcome birth_of(struct engine *e, struct run *r, enum item_level level, uint32_t parent, const struct fact_field *fields, size_t n,
    uint32_t *ret)
{
	const struct columns *c = &r->columns[level];
	struct csv_field *cells = arena_zalloc(&e->arena, (c->n + 1) * sizeof(*cells));
	struct buf row = {0};
	enum item_outcome o;

	for (size_t i = 0; cells != NULL && i < c->n; i++) {
		for (size_t k = 0; k < n; k++) {
			struct buf text = {0};

			if (strlen(c->list[i].header) != fields[k].name_len || memcmp(c->list[i].header, fields[k].name, fields[k].name_len) != 0) {
				continue;
			}
			value_write_text(&text, &fields[k].value);
			cells[i].text = arena_dup(&e->arena, text.data != NULL ? text.data : "", text.len);
			cells[i].len = cells[i].text != NULL ? text.len : 0;
			buf_free(&text);
		}
	}
	if (cells == NULL) {
		abort(); /* as everywhere: the restart finds the turn undone */
	}
	record_write(c, cells, c->n, &row);
	/* a file's rows have the numbers of their places in it */
	*ret = r->row.finds ? (uint32_t)++r->row.rows : BORN_FROM + (uint32_t)r->row.born++;
	o = birth(e, r, level, parent, *ret, row.data, row.len);
	buf_free(&row);
	run_touch(r);
	return o;
}

int run_set_columns(struct run *r, enum item_level level, const char *const names[], size_t n)
{
	struct buf *kept = level == LEVEL_COMPANY ? &r->row.company_columns : &r->row.columns;

	if (r->has_columns[level]) {
		return 0;
	}
	if (columns_of(names, n, &r->columns[level]) != 0) {
		return LEAD_ENOMEM;
	}
	r->has_columns[level] = true;
	buf_reset(kept);
	columns_write(&r->columns[level], kept);
	r->dirty = true;
	return kept->failed ? LEAD_ENOMEM : 0;
}
