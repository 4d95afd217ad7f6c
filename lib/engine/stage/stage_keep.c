/* What a stage keeps of what it was told: the fields of a fact. */

#include "lib/engine/stage/stage_parts.h"

#include "lib/base/json.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/stage/stage.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"

#include <stdio.h>

static struct value kept_field(const void *ctx, const char *name, size_t len)
{
	const struct kept *k = ctx;

	for (size_t i = 0; k->answer != NULL && i < k->answer->n_fields; i++) {
		if (strlen(k->answer->fields[i].name) == len && memcmp(k->answer->fields[i].name, name, len) == 0) {
			return k->answer->fields[i].value;
		}
	}
	for (size_t i = 0; k->answer == NULL && i < 2; i++) {
		if (k->extra[i].name_len == len && memcmp(k->extra[i].name, name, len) == 0) {
			return k->extra[i].value;
		}
	}
	return k->view->source.field(k->view->source.ctx, name, len);
}

/* The record with the answer's fields laid over it: the last of two equal names wins. */
static void kept_write(const void *ctx, struct buf *out)
{
	const struct kept *k = ctx;

	k->view->source.write(k->view->source.ctx, out);
	if (out->failed || out->len == 0) {
		return;
	}
	out->len--; /* the closing brace */
	for (size_t i = 0; k->answer != NULL && i < k->answer->n_fields; i++) {
		buf_add_text(out, out->data[out->len - 1] == '{' ? "" : ",");
		json_write_string(out, k->answer->fields[i].name, strlen(k->answer->fields[i].name));
		buf_add_char(out, ':');
		value_write_json(out, &k->answer->fields[i].value);
	}
	buf_add_char(out, '}');
}

struct expr_source kept_source(const struct kept *k)
{
	return (struct expr_source){.field = kept_field, .write = kept_write, .ctx = k};
}

struct list_name {
	const char *name;
	bool is;
};

static void on_list_name(void *arg, const char *name, size_t len)
{
	struct list_name *n = arg;

	n->is = n->is || (strlen(n->name) == len && memcmp(n->name, name, len) == 0);
}

/* A list that becomes items is not kept beside them. */
static bool becomes_items(const struct stage *st, const char *name)
{
	struct list_name n = {.name = name};

	if (st->makes != NULL) {
		template_reads(st->makes->from, on_list_name, &n);
	}
	return n.is;
}

static void keep_answer(const struct stage *st, const struct answer *a, struct fact *f)
{
	for (size_t i = 0; i < a->n_fields && f->n_fields < FACT_FIELDS; i++) {
		if (a->fields[i].value.kind != VALUE_NONE && !becomes_items(st, a->fields[i].name)) {
			f->fields[f->n_fields++] = (struct fact_field){
			    .name = a->fields[i].name, .name_len = (uint32_t)strlen(a->fields[i].name), .value = a->fields[i].value};
		}
	}
}

void keep_fields(struct engine *e, const struct stage *st, struct kept *k, struct fact *f)
{
	struct expr_source source = kept_source(k);
	struct lead_error err;

	if (st->n_gives == 0 && k->answer != NULL) {
		keep_answer(st, k->answer, f);
		return;
	}
	for (size_t i = 0; i < st->n_gives && f->n_fields < FACT_FIELDS; i++) {
		struct fact_field *field = &f->fields[f->n_fields];

		if (template_value(st->gives[i].value, &source, &e->arena, &field->value, &err) != 0 || field->value.kind == VALUE_NONE) {
			continue;
		}
		field->value = value_copy(&e->arena, &field->value);
		field->name = st->gives[i].name;
		field->name_len = (uint32_t)strlen(field->name);
		f->n_fields++;
	}
}

struct fact call_fact(struct engine *e, const struct item *i, const struct call *c, const struct answer *a)
{
	struct fact f = {.kind = c->cached ? FACT_CACHED : FACT_CALL,
	    .stage = i->stage,
	    .step = i->step,
	    .outcome = (uint8_t)a->outcome,
	    .service = c->lane->number,
	    .call = c->id,
	    .turn = e->turn,
	    .wall_us = e->now.wall_us,
	    .price_micro = c->row.state == CALL_REFUNDED ? 0 : call_part(c)->settled_micro};

	if (c->row.sent_us != 0 && c->row.end_us > c->row.sent_us) {
		f.ms = (uint32_t)((c->row.end_us - c->row.sent_us) / US_PER_MS);
	}
	if (a->outcome != OUTCOME_OK && a->reason != NULL) {
		(void)snprintf(f.reason, sizeof(f.reason), "%s", a->reason);
	}
	if (c->cached) {
		f.saved_micro = c->saved_micro;
		f.asked = c->row.hash;
	} else if (c->row.kind == CALL_SINGLE && c->row.n_parts > 1 && c->row.state == CALL_SETTLED) {
		f.saved_micro = call_settled(&c->row) - f.price_micro; /* alone it would have cost as much as all of them */
	}
	f.joined = c->at > 0;
	return f;
}

void plain_fact(struct engine *e, struct item *i, enum fact_kind kind, const char *reason)
{
	struct fact f = {.kind = kind, .stage = i->stage, .step = i->step, .turn = e->turn, .wall_us = e->now.wall_us};

	(void)snprintf(f.reason, sizeof(f.reason), "%s", reason);
	fact_add(e->txn, i, &f);
}
