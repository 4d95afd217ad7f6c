/*
 * Leads that another campaign of the organisation has: `known: skip` and `known: reuse` of a campaign. Whom an organisation
 * knows is remembered by keyed hash from the moment one of its campaigns asks for it.
 */
#include "lib/engine/item/known.h"

#include "lib/engine/config/config.h"
#include "lib/engine/config/pipeline.h"
#include "lib/engine/item/birth.h"
#include "lib/engine/run/run.h"
#include "lib/engine/stage/view.h"
#include "lib/engine/state.h"
#include "lib/service/answer.h"

#include <stdio.h>

void known_bind(struct engine *e, struct run *r)
{
	r->remembers = false;
	for (size_t i = 0; r->campaign != NULL && i < e->config->n_campaigns; i++) {
		const struct campaign *m = &e->config->campaigns[i];

		r->remembers = r->remembers || (m->known != KNOWN_ALLOW && strcmp(m->organisation, r->campaign->organisation) == 0);
	}
}

struct known_item known_lead(struct engine *e, struct run *r, const struct identity *id, uint32_t number)
{
	struct known_item k = {0};

	if (!r->remembers || r->org_no == 0) {
		return k;
	}
	if (!identity_known(e->txn, r->org_no, (uint8_t)id->kind, id->hash, &k.run, &k.number) || k.run == r->id) {
		k.run = 0;
	}
	if (k.run == 0 || r->campaign->known != KNOWN_SKIP || !known_is_taken(e, &k)) {
		identity_remember(e->txn, r->org_no, (uint8_t)id->kind, id->hash, r->id, number);
	}
	return k;
}

bool known_is_taken(struct engine *e, const struct known_item *k)
{
	struct item i;

	return item_read(e->txn, k->run, k->number, &i) &&
	       (i.outcome == ITEM_OPEN || i.outcome == ITEM_READY || i.outcome == ITEM_DELIVERED || i.outcome == ITEM_CONFIRMED);
}

uint32_t known_elsewhere(struct engine *e, struct run *r, const struct item *i)
{
	struct identity id = {.kind = IDENTITY_NONE};
	struct known_item k;
	struct view view;

	if (!r->remembers || r->campaign == NULL || i->level != LEVEL_LEAD || i->pushed) {
		return 0; /* what was pushed is this run's */
	}
	view_open(e, e->txn, r, i->number, &view);
	if (view.has_row) {
		id = birth_identity(e, i->level, &view.row);
	}
	k = id.kind != IDENTITY_NONE ? known_lead(e, r, &id, i->number) : (struct known_item){0};
	return k.run != 0 && r->campaign->known == KNOWN_SKIP && known_is_taken(e, &k) ? k.run : 0;
}

/* Of the person, whoever asks: a text that was written for another campaign's offer, or what its push was answered, is not. */
static bool is_of_the_lead(const struct stage *st)
{
	return st != NULL && st->kind == STAGE_CALL && !st->reads_campaign && !st->reads_run;
}

struct reusing {
	struct engine *e;
	const struct run *of;
	struct fact *fact;
};

static bool on_fact(void *arg, const struct fact *f)
{
	struct reusing *u = arg;

	if (f->kind == FACT_GATE || f->kind == FACT_ASK || (f->kind != FACT_REUSED && !is_of_the_lead(run_stage(u->of, f->stage)))) {
		return true;
	}
	for (size_t i = 0; i < f->n_fields; i++) {
		size_t k = 0;

		while (k < u->fact->n_fields && (u->fact->fields[k].name_len != f->fields[i].name_len ||
						    memcmp(u->fact->fields[k].name, f->fields[i].name, f->fields[i].name_len) != 0)) {
			k++;
		}
		if (k == FACT_FIELDS) {
			continue;
		}
		/* out of the store's pages: the writes that follow would move them */
		u->fact->fields[k] = (struct fact_field){.name = arena_dup(&u->e->arena, f->fields[i].name, f->fields[i].name_len),
		    .name_len = f->fields[i].name_len,
		    .value = value_copy(&u->e->arena, &f->fields[i].value)};
		u->fact->n_fields += k == u->fact->n_fields ? 1 : 0;
	}
	return true;
}

void known_reuse(struct engine *e, struct item *i, const struct known_item *k)
{
	struct fact f = {.kind = FACT_REUSED, .stage = STAGE_INTAKE, .turn = e->turn, .wall_us = e->now.wall_us};
	struct reusing u = {.e = e, .of = run_get(e, k->run), .fact = &f};

	if (u.of == NULL) {
		return;
	}
	fact_walk(e->txn, k->run, k->number, on_fact, &u);
	if (f.n_fields > 0) {
		(void)snprintf(f.reason, sizeof(f.reason), "of lead %u/%u", k->run, k->number);
		i->reused = true;
		fact_add(e->txn, i, &f);
	}
}

static bool has_field(const struct view *view, const char *name)
{
	for (size_t k = 0; k < view->n; k++) {
		if (view->fields[k].name_len == strlen(name) && memcmp(view->fields[k].name, name, view->fields[k].name_len) == 0) {
			return !value_is_blank(&view->fields[k].value);
		}
	}
	return false;
}

bool known_covers(struct engine *e, struct run *r, const struct item *i, const struct stage *st, struct view *view)
{
	const char *const *names = st->n_steps > 0 && st->steps[0].call != NULL ? answer_names(st->steps[0].call) : NULL;
	bool any = false;

	if (!i->reused || !is_of_the_lead(st) || e->blind) {
		return false;
	}
	view_open(e, e->txn, r, i->number, view);
	for (size_t k = 0; k < st->n_gives; k++) {
		if (!has_field(view, st->gives[k].name)) {
			return false;
		}
		any = true;
	}
	/* what an answer may leave out is no reason to ask again: its first field is there */
	return any || (st->n_gives == 0 && names != NULL && names[0] != NULL && has_field(view, names[0]));
}
