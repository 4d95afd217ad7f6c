/* What a page of the destination says, lead by lead. See verify.h. */
#include "lib/engine/stage/verify_parts.h"

#include "lib/base/json_list.h"
#include "lib/engine/config/pipeline.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"
#include "lib/lead/mask.h"
#include "lib/service/request.h"

#include <stdio.h>
#include <strings.h>

static struct value at(struct engine *e, struct expr *x, const char *text, size_t len)
{
	struct lead_error err;
	struct value v = {0};

	return x != NULL && expr_eval_json(x, text, len, &e->arena, &v, &err) == 0 ? v : (struct value){0};
}

static void copy(char out[VERIFY_TEXT], const struct value *v)
{
	(void)snprintf(out, VERIFY_TEXT, "%.*s", v->text != NULL ? (int)v->len : 0, v->text != NULL ? v->text : "");
}

/* Blank is blank, however it is written; the case of letters is free, as in what is read back lead by lead. */
static bool is_same(const struct value *is, const struct value *got)
{
	if (value_is_blank(is) || value_is_blank(got)) {
		return value_is_blank(is) && value_is_blank(got);
	}
	return is->len == got->len && strncasecmp(is->text, got->text, is->len) == 0;
}

/* The first field that is not as it was pushed; NULL: all are. */
static const char *changed(struct engine *e, struct run *r, const struct list_spec *l, uint32_t number, const char *text, size_t len)
{
	struct view view;

	view_open(e, e->txn, r, number, &view);
	for (size_t i = 0; i < l->n_same; i++) {
		struct value got = at(e, l->same[i].at, text, len), is = {0};
		struct lead_error err;

		if (template_value(l->same[i].is, &view.source, &e->arena, &is, &err) == 0 && !is_same(&is, &got)) {
			return l->same[i].name;
		}
	}
	return NULL;
}

/* Nobody has pushed it so far: whether it is foreign shows at the end, when pushes under way have been answered. */
static void stranger(struct engine *e, struct verify_row *v, struct verify_entry *n, const struct verify_finding *f, const struct value *key)
{
	struct buf who = {0};

	mask_email(&who, key->text, key->len);
	(void)snprintf(n->who, sizeof(n->who), "%s", who.data != NULL ? who.data : "");
	(void)snprintf(n->id, sizeof(n->id), "%s", f->id);
	buf_free(&who);
	verify_entry_write(e->txn, v->run, n);
}

static void element(struct engine *e, struct run *r, const struct list_spec *l, struct verify_row *v, const char *text, size_t len)
{
	struct value key = at(e, l->same[l->key].at, text, len), id = at(e, l->id, text, len);
	struct verify_finding f = {.kind = VERIFY_FOREIGN};
	struct verify_entry n;
	const char *field;
	uint64_t hash;

	v->seen++;
	copy(f.id, &id);
	if (!verify_hash(e, &key, &hash)) {
		verify_find(e->txn, v, &f);
		return;
	}
	if (!verify_entry_read(e->txn, v->run, hash, &n)) {
		n = (struct verify_entry){.hash = hash, .seen = 1};
		stranger(e, v, &n, &f, &key);
		return;
	}
	if (n.run == 0) {
		return; /* once more */
	}
	if (n.run != v->run) {
		v->others++;
		return;
	}
	f.number = n.number;
	if (n.gone) {
		(void)snprintf(f.field, sizeof(f.field), "recalled");
		verify_find(e->txn, v, &f);
		return;
	}
	field = changed(e, r, l, n.number, text, len); /* before anything is written: it points into the store's pages */
	n.seen++;
	verify_entry_write(e->txn, v->run, &n);
	if (n.seen > 1) {
		f.kind = VERIFY_DOUBLED;
		verify_find(e->txn, v, &f);
	}
	if (field != NULL) {
		f.kind = VERIFY_CHANGED;
		(void)snprintf(f.field, sizeof(f.field), "%s", field);
		verify_find(e->txn, v, &f);
	}
}

void verify_page(struct engine *e, struct run *r, const struct stage *st, struct verify_row *v, const struct value *list)
{
	struct json_list l;
	const char *text;
	size_t len;

	if (list->kind != VALUE_JSON || !json_list_open(&l, list->text, list->len)) {
		return;
	}
	while (json_list_next(&l, &text, &len)) {
		element(e, r, &st->list, v, text, len);
	}
}
