/*
 * Suppression lists: whom an organisation must not write to. Asked when a row is taken in (intake.c) and again when a call is
 * granted (grant.c), always within the turn: an entry that is on disk holds for everything that leaves later.
 */
#include "lib/engine/item/suppress.h"

#include "lib/base/text.h"
#include "lib/engine/command.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"
#include "lib/lead/suppression.h"
#include "lib/store/names.h"
#include "lib/store/suppress.h"

#include <stdio.h>

_Static_assert(SUPPRESS_GIVEN == (int)SUPPRESS_KINDS, "rows know every kind of entry");

#define KNOWN_ORGS 256

static enum suppress_class class_of(const struct suppress_id *id)
{
	return id->kind == SUPPRESS_DOMAIN ? SUPPRESS_DOMAINS : SUPPRESS_PEOPLE;
}

/* The first of them that is on the list. */
static const char *find(struct txn *t, uint16_t org, const struct suppress_id ids[], size_t n, struct suppress_row *ret)
{
	for (size_t k = 0; k < n; k++) {
		if (suppress_read(t, org, class_of(&ids[k]), ids[k].hash, ret)) {
			return class_of(&ids[k]) == SUPPRESS_DOMAINS ? "suppressed-domain" : "suppressed-address";
		}
	}
	return NULL;
}

bool suppress_has(struct engine *e, const struct run *r)
{
	return r->org_no != 0 && suppress_any(e->txn, r->org_no);
}

const char *suppress_reason(struct engine *e, const struct run *r, const struct value *email)
{
	struct suppress_id ids[2];
	struct suppress_row row;
	struct value normal;

	if (email->kind != VALUE_STRING || gate_address(email, &e->config->lists, &e->arena, &normal) != NULL) {
		return NULL;
	}
	return find(e->txn, r->org_no, ids, suppress_ids(&normal, &e->config->lists, e->hash_key, ids), &row);
}

/* --- changes --- */

static void change(struct engine *e, struct suppress_batch *b, uint16_t org, size_t i)
{
	struct suppress_row row = {.wall_us = e->now.wall_us};
	struct suppress_id id;
	bool changed;

	b->list[i].why = suppress_entry(b->list[i].text, b->list[i].len, &e->config->lists, e->hash_key, &e->arena, &id);
	if (b->list[i].why != NULL) {
		b->list[i].result = SUPPRESS_BAD;
		return;
	}
	if (b->remove) {
		changed = suppress_remove(e->txn, org, class_of(&id), id.hash);
	} else {
		row.given = (uint8_t)id.kind;
		(void)snprintf(row.source, sizeof(row.source), "%s", b->source);
		(void)snprintf(row.reason, sizeof(row.reason), "%s", b->reason);
		changed = suppress_add(e->txn, org, class_of(&id), id.hash, &row);
	}
	b->list[i].result = changed ? SUPPRESS_DONE : SUPPRESS_KNOWN;
}

void command_suppress(struct engine *e, struct command *c)
{
	struct suppress_batch *b = c->batch;
	char name[RUN_TEXT];
	uint16_t org;

	if (names_number(e->names, NAME_OWNER, run_org_name(b->org, name), &org, &c->err) != 0) {
		command_refuse(e, c, LEAD_EFULL, "there is no number left for the organisation's name");
		return;
	}
	for (size_t i = 0; i < b->n; i++) {
		change(e, b, org, i);
	}
	command_answer(e, c);
}

/* --- what people get to see --- */

bool show_org_known(struct engine *e, const char *org, const char **ret_nearest)
{
	const struct config *c = e->config;
	const char *names[KNOWN_ORGS + 1] = {NULL};
	size_t n = 0;

	for (size_t i = 0; i < c->n_orgs && n < KNOWN_ORGS; i++) {
		names[n++] = c->orgs[i].name;
	}
	for (size_t i = 0; i < c->n_campaigns && n < KNOWN_ORGS; i++) {
		names[n++] = c->campaigns[i].organisation;
	}
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], org) == 0) {
			return true;
		}
	}
	*ret_nearest = text_nearest(org, names);
	return false;
}

static uint16_t org_number(struct engine *e, const char *org)
{
	char name[RUN_TEXT];

	return names_find(e->names, NAME_OWNER, run_org_name(org, name));
}

struct summing {
	struct json_object *items;
	uint64_t entries;
};

static bool on_source(void *arg, const struct suppress_source *s)
{
	struct summing *x = arg;
	struct json_object *o = json_object_new_object();

	put_word(o, "source", s->source);
	put_int(o, "addresses", (int64_t)s->entries[SUPPRESS_ADDRESS]);
	put_int(o, "hashes", (int64_t)s->entries[SUPPRESS_HASH]);
	put_int(o, "domains", (int64_t)s->entries[SUPPRESS_DOMAIN]);
	put_wall(o, "first", s->first_us);
	put_wall(o, "last", s->last_us);
	json_object_array_add(x->items, o);
	x->entries += s->entries[SUPPRESS_ADDRESS] + s->entries[SUPPRESS_HASH] + s->entries[SUPPRESS_DOMAIN];
	return true;
}

struct json_object *show_suppressions(struct engine *e, struct txn *t, const char *org)
{
	struct summing x = {.items = json_object_new_array()};
	struct json_object *o = json_object_new_object();
	uint16_t number = org_number(e, org);

	if (number != 0) {
		suppress_sources(t, number, on_source, &x);
	}
	put_word(o, "organisation", org);
	put_int(o, "entries", (int64_t)x.entries);
	json_object_object_add(o, "items", x.items);
	json_object_object_add(o, "next", NULL);
	return o;
}

/* What to look for: an address counts by its domain too. */
static const char *ids_of(struct engine *e, const char *entry, struct arena *a, struct suppress_id ids[2], size_t *ret_n)
{
	const char *why = suppress_entry(entry, strlen(entry), &e->config->lists, e->hash_key, a, &ids[0]);
	struct value address = value_text(entry), normal;

	*ret_n = 1;
	if (why == NULL && ids[0].kind == SUPPRESS_ADDRESS && gate_address(&address, &e->config->lists, a, &normal) == NULL) {
		*ret_n = suppress_ids(&normal, &e->config->lists, e->hash_key, ids);
	}
	return why;
}

struct json_object *show_suppressed(struct engine *e, struct txn *t, const char *org, const char *entry, const char **ret_why)
{
	struct json_object *o;
	struct suppress_id ids[2];
	struct suppress_row row;
	struct arena a = {0};
	uint16_t number = org_number(e, org);
	const char *reason;
	size_t n;

	*ret_why = ids_of(e, entry, &a, ids, &n);
	arena_free(&a);
	if (*ret_why != NULL) {
		return NULL;
	}
	reason = number != 0 ? find(t, number, ids, n, &row) : NULL;
	o = json_object_new_object();
	put_word(o, "organisation", org);
	put_bool(o, "suppressed", reason != NULL);
	put_text(o, "reason", reason);
	put_text(o, "given", reason != NULL ? suppress_word((enum suppress_kind)row.given) : NULL);
	put_text(o, "source", reason != NULL ? row.source : NULL);
	put_text(o, "why", reason != NULL ? row.reason : NULL);
	put_wall(o, "since", reason != NULL ? row.wall_us : 0);
	return o;
}
