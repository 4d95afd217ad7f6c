/*
 * What a webhook means, and the lead it makes. See inbox.c for when.
 *
 *   JSON? -> does it count? -> its id -> seen before? -> whose campaign? -> fields -> the open run of that campaign, or a new one
 *       -> a lead in it
 *
 * One that makes nothing says why: no word of it is personal data.
 */
#include "lib/engine/item/route.h"

#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/base/json_list.h"
#include "lib/base/text.h"
#include "lib/engine/config/config.h"
#include "lib/engine/item/birth.h"
#include "lib/engine/item/params.h"
#include "lib/engine/item/source.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/store/inbox.h"

#include <stdio.h>
#include <strings.h>
#include <json-c/json.h>

#define MEMBERS 64

/* --- an event as expressions see it --- */

struct event_view {
	const char *text;
	size_t len;
	struct fact_field members[MEMBERS];
	size_t n;
};

static struct value event_field(const void *ctx, const char *name, size_t len)
{
	const struct event_view *v = ctx;

	for (size_t i = v->n; i-- > 0;) {
		if (v->members[i].name_len == len && memcmp(v->members[i].name, name, len) == 0) {
			return v->members[i].value;
		}
	}
	return (struct value){0};
}

static void event_write(const void *ctx, struct buf *out)
{
	const struct event_view *v = ctx;

	buf_add(out, v->text, v->len);
}

static void view_event(struct event_view *v, const char *text, size_t len, struct arena *a)
{
	struct json_list members;
	struct value name, value;

	v->text = text;
	v->len = len;
	v->n = 0;
	if (json_members_open(&members, text, len)) {
		while (v->n < MEMBERS && json_members_next(&members, a, &name, &value)) {
			v->members[v->n++] = (struct fact_field){.name = name.text, .name_len = name.len, .value = value};
		}
	}
}

/* --- one event --- */

struct routing {
	struct engine *e;
	const struct intake *intake;
	struct event_view view;
	struct expr_source source;
	struct inbox_row row;
	char outside[RUN_OUTSIDE]; /* the campaign's name at the tool */
};

static void ends(struct routing *x, enum inbox_state state, const char *reason)
{
	x->row.state = state;
	(void)snprintf(x->row.reason, sizeof(x->row.reason), "%s", reason);
}

/* NULL is no expression: NONE. False: it failed, and the event with it. */
static bool eval(struct routing *x, struct expr *expr, struct value *ret)
{
	struct lead_error err;

	*ret = (struct value){0};
	if (expr != NULL && expr_eval(expr, &x->source, &x->e->arena, ret, &err) != 0) {
		ends(x, INBOX_FAILED, x->view.len > expr_input_max(expr) ? "event-too-large" : "bad-expression");
		return false;
	}
	return true;
}

/* Equal ids of one intake give equal marks; nothing of the id can be read from it. */
static void mark_of(struct routing *x, const struct value *id)
{
	struct buf b = {0};
	uint64_t word;

	buf_add_text(&b, x->intake->name);
	buf_add_char(&b, '\n');
	value_write_text(&b, id);
	for (size_t i = 0; i < sizeof(x->row.mark.bytes); i += sizeof(word)) {
		buf_add_char(&b, '\n');
		word = hash_keyed(x->e->hash_key, b.data, b.len);
		memcpy(x->row.mark.bytes + i, &word, sizeof(word));
	}
	if (b.failed) {
		abort();
	}
	buf_free(&b);
}

/* Behind `after`, to the end of that line. False: the event names no campaign. */
static bool campaign_name(struct routing *x)
{
	const struct intake *in = x->intake;
	struct value v;
	const char *text, *at;
	size_t len;

	x->outside[0] = 0;
	if (in->from == NULL) {
		return true;
	}
	if (!eval(x, in->from, &v)) {
		return false;
	}
	text = v.text;
	len = v.kind == VALUE_STRING || v.kind == VALUE_NUMBER ? v.len : 0;
	if (in->after != NULL && len > 0) {
		at = memmem(text, len, in->after, strlen(in->after));
		len = at != NULL ? len - (size_t)(at - text) - strlen(in->after) : 0;
		text = at != NULL ? at + strlen(in->after) : text;
		at = len > 0 ? memchr(text, '\n', len) : NULL;
		len = at != NULL ? (size_t)(at - text) : len;
	}
	text_trim(&text, &len);
	if (len == 0 || len >= sizeof(x->outside)) {
		ends(x, INBOX_FAILED, len == 0 ? "no-campaign" : "campaign-name-too-long");
		return false;
	}
	memcpy(x->outside, text, len);
	x->outside[len] = 0;
	return true;
}

/* --- its run --- */

bool intake_run_takes(const struct run *r)
{
	return r->row.open && (r->row.state == RUN_RUNNING || r->row.state == RUN_PAUSED);
}

/* Whoever writes the name there writes it in any case of its letters, and means one campaign. */
static struct run *open_run(struct engine *e, const struct intake *in, const char *outside)
{
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		if (intake_run_takes(r) && strcmp(r->row.intake, in->name) == 0 && strcasecmp(r->row.outside, outside) == 0 &&
		    strcmp(r->row.campaign, in->campaign->name) == 0) {
			return r;
		}
	}
	return NULL;
}

/* False: its pipeline has other settings by now. */
static bool set_params(struct run_row *row, const struct intake *in, const char *outside)
{
	struct json_object *given = json_object_new_object();
	struct lead_error err;
	int rc;

	if (given == NULL) {
		abort();
	}
	if (in->from != NULL) {
		json_object_object_add(given, in->param, json_object_new_string(outside));
	}
	rc = params_set(in->campaign->pipeline, given, row, &err);
	json_object_put(given);
	return rc == 0;
}

static void set_columns(struct run *r, const struct intake *in)
{
	const char *names[INTAKE_FIELDS];

	for (size_t i = 0; i < in->n_fields; i++) {
		names[i] = in->fields[i].name;
	}
	if (run_set_columns(r, LEVEL_LEAD, names, in->n_fields) != 0) {
		abort();
	}
}

/* NULL: its pipeline has other settings by now. */
static struct run *start_run(struct engine *e, const struct intake *in, const char *outside)
{
	struct run_row row = {.id = run_last_id(e->txn) + 1,
	    .created_us = e->now.wall_us,
	    .started_us = e->now.wall_us,
	    .priority = 100,
	    .share = 1,
	    .budget_micro = in->campaign->run_budget_micro,
	    .finds = true, /* no file brings its leads */
	    .open = true,
	    .open_us = e->now.wall_us};
	struct run *r;

	(void)snprintf(row.campaign, sizeof(row.campaign), "%s", in->campaign->name);
	(void)snprintf(row.pipeline, sizeof(row.pipeline), "%s", in->campaign->pipeline->name);
	(void)snprintf(row.source, sizeof(row.source), "intake %.60s", in->name);
	(void)snprintf(row.intake, sizeof(row.intake), "%s", in->name);
	(void)snprintf(row.outside, sizeof(row.outside), "%s", outside);
	if (!set_params(&row, in, outside)) {
		run_row_fini(&row);
		return NULL;
	}
	r = run_add(e, &row);
	if (r == NULL) {
		abort();
	}
	set_columns(r, in);
	run_write(e->txn, &r->row); /* now: the next in this turn counts from it */
	if (root_start(e, r) != 0) {
		abort();
	}
	run_touch(r);
	return r;
}

/* --- its lead --- */

static void make(struct routing *x)
{
	const struct intake *in = x->intake;
	struct fact_field fields[INTAKE_FIELDS];
	struct engine *e = x->e;
	struct lead_error err;
	struct run *r;
	size_t n = 0;

	for (size_t i = 0; i < in->n_fields; i++) {
		struct fact_field *f = &fields[n];

		if (template_value(in->fields[i].value, &x->source, &e->arena, &f->value, &err) != 0) {
			ends(x, INBOX_FAILED, "does-not-map");
			return;
		}
		if (value_is_blank(&f->value)) {
			continue;
		}
		f->name = in->fields[i].name;
		f->name_len = (uint32_t)strlen(f->name);
		n++;
	}
	if (n == 0) {
		ends(x, INBOX_FAILED, "no-fields");
		return;
	}
	r = open_run(e, in, x->outside);
	r = r != NULL ? r : start_run(e, in, x->outside);
	if (r == NULL) {
		ends(x, INBOX_FAILED, "bad-params");
		return;
	}
	(void)birth_of(e, r, LEVEL_LEAD, 0, fields, n, &x->row.number);
	r->row.open_us = e->now.wall_us;
	e->inbox.idle_us = 0;
	run_touch(r);
	x->row.run = r->id;
	x->row.state = INBOX_MADE;
}

static void route_json(struct routing *x)
{
	const struct intake *in = x->intake;
	struct value id, counts;
	uint64_t first;

	if (!eval(x, in->when, &counts)) {
		return;
	}
	if (in->when != NULL && !value_is_true(&counts)) {
		ends(x, INBOX_IGNORED, "does-not-count");
		return;
	}
	if (!eval(x, in->id, &id)) {
		return;
	}
	if (value_is_blank(&id) || id.kind == VALUE_JSON) {
		ends(x, INBOX_FAILED, "no-event-id");
		return;
	}
	mark_of(x, &id);
	first = inbox_marked(x->e->txn, &x->row.mark);
	if (first != 0) {
		ends(x, INBOX_DUPLICATE, "");
		x->row.of = first;
	} else if (campaign_name(x)) {
		make(x);
	}
}

void route_event(struct engine *e, const struct inbox_event *ev, struct inbox_row *ret)
{
	struct routing x = {.e = e, .intake = config_intake(e->config, ev->intake), .row = {.id = ev->id}};
	const char *text = arena_dup(&e->arena, ev->body.len > 0 ? (const char *)ev->body.data : "", ev->body.len); /* pages move under a write */
	struct lead_error err;

	if (text == NULL) {
		abort();
	}
	x.source = (struct expr_source){.field = event_field, .write = event_write, .ctx = &x.view};
	if (x.intake == NULL || x.intake->campaign == NULL) {
		ends(&x, INBOX_FAILED, "intake-gone");
	} else if (json_check(text, ev->body.len, JSON_DEPTH, &err) != 0) {
		ends(&x, INBOX_FAILED, "no-json");
	} else {
		view_event(&x.view, text, ev->body.len, &e->arena);
		route_json(&x);
	}
	*ret = x.row;
}
