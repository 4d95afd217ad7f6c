/*
 * Runs that begin by themselves, at the moments that their campaign's `schedule:` says.
 *
 * What was done at the last moment is kept in the store, one row a campaign, in the transaction that starts the run: so no moment
 * is used twice and none is forgotten, whatever happens in between. A moment counts as missed when leadd did not work then. A
 * schedule that is new looks forward only.
 */
#include "lib/engine/run/agenda.h"

#include "lib/base/json.h"
#include "lib/base/uthash.h"
#include "lib/engine/command.h"
#include "lib/engine/config/config_agenda.h"
#include "lib/engine/item/params.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"
#include "lib/store/names.h"
#include "lib/store/pack.h"

#include <stdio.h>
#include <json-c/json.h>

#define KEY 'a'
#define ON_TIME_US (2 * 60 * US_PER_S)  /* so late is not late */
#define LONGEST_US (600 * US_PER_S)     /* the wall clock may be set meanwhile */

enum done { DONE_NOTHING, DONE_STARTED, DONE_LATE, DONE_SKIPPED, DONE_FAILED };
static const char *const done_words[] = {"nothing", "started", "started-late", "skipped", "failed"};

struct agenda_row {
	int64_t last_us; /* wall: the latest moment that was dealt with, or when the schedule was first seen */
	uint32_t run;
	enum done done;
};

static struct key row_key(uint16_t campaign)
{
	return key_u16(key_u8(key_of(), KEY), campaign);
}

static bool row_read(struct txn *t, uint16_t campaign, struct agenda_row *ret)
{
	struct slice value;
	struct unpack u;

	*ret = (struct agenda_row){.run = 0};
	if (campaign == 0 || !txn_get(t, TABLE_META, row_key(campaign), &value)) {
		return false;
	}
	u = unpack_of(value);
	ret->last_us = unpack_i64(&u);
	ret->run = unpack_u32(&u);
	ret->done = unpack_u8(&u);
	return !u.bad && ret->done <= DONE_FAILED;
}

static void row_write(struct txn *t, uint16_t campaign, const struct agenda_row *r)
{
	struct buf *b = txn_buf(t);

	pack_i64(b, r->last_us);
	pack_u32(b, r->run);
	pack_u8(b, (uint8_t)r->done);
	txn_put(t, TABLE_META, row_key(campaign), b->data, b->len);
}

/* --- a run --- */

static int fill_run(struct engine *e, const struct campaign *m, int64_t at_us, struct run_row *row, struct lead_error *err)
{
	const struct campaign_agenda *a = m->agenda;
	struct json_object *given = NULL;
	char when[25];
	int rc;

	*row = (struct run_row){.finds = true, .quantity = a->quantity, .budget_micro = -1, .priority = 100, .share = 1, .encoding = 255};
	time_write_utc(at_us, when);
	(void)snprintf(row->campaign, sizeof(row->campaign), "%s", m->name);
	(void)snprintf(row->source, sizeof(row->source), "schedule %s", when);
	if (a->until >= 0) {
		row->by_us = agenda_next(&(struct agenda){.minute = (unsigned)a->until, .days = 0x7f}, e->config->zone, at_us);
	}
	rc = a->params_json != NULL ? json_parse(a->params_json, strlen(a->params_json), &given, err) : 0;
	rc = rc == 0 ? params_set(m->pipeline, given, row, err) : rc;
	json_object_put(given);
	return rc;
}

static void begin(struct engine *e, const struct campaign *m, int64_t at_us, bool late, struct agenda_row *r)
{
	struct lead_error err;
	struct run_row row;

	r->run = 0;
	r->done = late ? DONE_LATE : DONE_STARTED;
	if (fill_run(e, m, at_us, &row, &err) != 0 || run_begin(e, m, &row, &r->run) != 0) {
		r->done = DONE_FAILED;
	}
	run_row_fini(&row);
}

/* Deals with the latest moment that has come. Returns when the next one does, wall clock. */
static int64_t look(struct engine *e, const struct campaign *m)
{
	const struct campaign_agenda *a = m->agenda;
	int64_t now_us = e->now.wall_us, at_us = agenda_last(&a->when, e->config->zone, now_us), age_us = now_us - at_us;
	struct agenda_row r;
	uint16_t campaign;

	if (names_number(e->names, NAME_OWNER, m->name, &campaign, NULL) != 0) {
		return TIME_NEVER;
	}
	if (!row_read(e->txn, campaign, &r)) {
		r.last_us = now_us;
		row_write(e->txn, campaign, &r);
	} else if (at_us > r.last_us) {
		bool late = age_us > ON_TIME_US;

		r.last_us = at_us;
		if (!late || (a->late && age_us <= a->within_us)) {
			begin(e, m, at_us, late, &r);
		} else {
			r.run = 0;
			r.done = DONE_SKIPPED;
		}
		row_write(e->txn, campaign, &r);
	}
	return agenda_next(&a->when, e->config->zone, now_us);
}

void agendas_step(struct engine *e)
{
	int64_t next_us = TIME_NEVER;

	if (!e->agendas || e->draining || e->now.boot_us < e->agenda_us) {
		return;
	}
	for (size_t i = 0; i < e->config->n_campaigns; i++) {
		const struct campaign *m = &e->config->campaigns[i];

		if (m->agenda != NULL) {
			int64_t at_us = look(e, m);

			next_us = at_us < next_us ? at_us : next_us;
		}
	}
	e->agenda_us = TIME_NEVER;
	if (next_us != TIME_NEVER) {
		int64_t wait_us = next_us - e->now.wall_us;

		e->agenda_us = e->now.boot_us + (wait_us < LONGEST_US ? wait_us : LONGEST_US);
	}
}

/* --- for people --- */

static struct json_object *agenda_object(struct engine *e, struct txn *t, const struct campaign *m, struct now now)
{
	const struct campaign_agenda *a = m->agenda;
	struct json_object *o = json_object_new_object(), *last = NULL;
	struct agenda_row r;
	char by[24] = "";

	put_word(o, "at", a->text);
	put_word(o, "zone", e->config->zone_name);
	put_word(o, "missed", a->late ? "run-late" : "skip");
	put_int(o, "within_s", a->within_us / US_PER_S);
	if (a->until >= 0) {
		(void)snprintf(by, sizeof(by), "%02d:%02d", a->until / 60, a->until % 60);
	}
	put_text(o, "by", by);
	json_object_object_add(o, "quantity", a->quantity > 0 ? json_object_new_int64((int64_t)a->quantity) : NULL);
	json_object_object_add(o, "params", a->params_json != NULL ? json_tokener_parse(a->params_json) : NULL);
	put_wall(o, "next", agenda_next(&a->when, e->config->zone, now.wall_us));
	if (row_read(t, names_find(e->names, NAME_OWNER, m->name), &r) && r.done != DONE_NOTHING) {
		last = json_object_new_object();
		put_wall(last, "moment", r.last_us);
		put_word(last, "what", done_words[r.done]);
		json_object_object_add(last, "run", r.run != 0 ? json_object_new_int64(r.run) : NULL);
	}
	json_object_object_add(o, "last", last);
	return o;
}

/* What `run start --param` may say. */
static struct json_object *params_object(const struct pipeline *p)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < p->n_params; i++) {
		struct json_object *o = json_object_new_object();

		put_word(o, "param", p->params[i].name);
		put_text(o, "about", p->params[i].about);
		put_bool(o, "required", p->params[i].required && p->params[i].preset == NULL);
		put_text(o, "default", p->params[i].preset);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *campaign_object(struct engine *e, struct txn *t, const struct campaign *m, struct now now)
{
	struct json_object *o = json_object_new_object();
	struct run *r, *next;
	int64_t runs = 0, at_work = 0;

	HASH_ITER(hh, e->runs, r, next) {
		if (strcmp(r->row.campaign, m->name) == 0) {
			runs++;
			at_work += r->row.state == RUN_RUNNING || r->row.state == RUN_PAUSED;
		}
	}
	put_word(o, "campaign", m->name);
	put_word(o, "pipeline", m->pipeline->name);
	put_word(o, "organisation", m->organisation);
	put_bool(o, "finds", pipeline_finds(m->pipeline));
	json_object_object_add(o, "params", params_object(m->pipeline));
	put_int(o, "runs", runs);
	put_int(o, "at_work", at_work);
	json_object_object_add(o, "schedule", m->agenda != NULL ? agenda_object(e, t, m, now) : NULL);
	return o;
}

struct json_object *show_campaigns(struct engine *e, struct txn *t, struct now now)
{
	struct json_object *o = json_object_new_object(), *items = json_object_new_array();

	for (size_t i = 0; i < e->config->n_campaigns; i++) {
		json_object_array_add(items, campaign_object(e, t, &e->config->campaigns[i], now));
	}
	json_object_object_add(o, "items", items);
	json_object_object_add(o, "next", NULL);
	return o;
}

struct json_object *show_campaign(struct engine *e, struct txn *t, const char *name, struct now now)
{
	const struct campaign *m = config_campaign(e->config, name);

	return m != NULL ? campaign_object(e, t, m, now) : NULL;
}
