/*
 * Webhooks that came in, as JSON. A task is what one event became: its state is that of its lead, whose masked fields and whose
 * run's totals stand beside it.
 */
#include "lib/engine/show/show_task.h"

#include "lib/base/ids.h"
#include "lib/engine/call/schedule.h"
#include "lib/engine/item/route.h"
#include "lib/engine/plan/forecast.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"
#include "lib/lead/mask.h"
#include "lib/store/inbox.h"

#include <stdio.h>

#define LOOK_MOST 20000

static const char *const state_words[TASK_STATES] = {"pending", "running", "success", "failure"};

const char *task_state_word(enum task_state s)
{
	return state_words[s];
}

bool task_state_parse(const char *word, enum task_state *ret)
{
	for (int i = 0; i < TASK_STATES; i++) {
		if (strcmp(word, state_words[i]) == 0) {
			*ret = (enum task_state)i;
			return true;
		}
	}
	return false;
}

/* --- one task --- */

struct task {
	struct inbox_event event;
	bool routed, has_item;
	struct inbox_row row;   /* of a duplicate: that of the first */
	uint64_t of;            /* DUPLICATE: the first */
	struct item item;
	enum task_state state;
	const char *detail;
};

static bool is_bad(enum item_outcome o)
{
	return o == ITEM_REJECTED || o == ITEM_SUPPRESSED || o == ITEM_DUPLICATE || o == ITEM_FAILED || o == ITEM_PARKED;
}

static void judge_item(struct txn *t, struct task *k)
{
	const struct item *i = &k->item;
	bool queued = i->status == ITEM_WAITING && queue_has(t, i);

	k->detail = i->status == ITEM_DONE ? item_outcome_word(i->outcome) : i->status == ITEM_WAITING && !queued ? "in-flight" : item_status_word(i->status);
	k->state = i->status != ITEM_DONE ? (queued && i->facts == 0 ? TASK_PENDING : TASK_RUNNING) : is_bad(i->outcome) ? TASK_FAILURE : TASK_SUCCESS;
}

static void judge(struct txn *t, struct task *k)
{
	k->routed = inbox_row_read(t, k->event.id, &k->row);
	if (k->routed && k->row.state == INBOX_DUPLICATE) {
		k->of = k->row.of;
		if (!inbox_row_read(t, k->of, &k->row)) { /* the first was forgotten meanwhile */
			k->state = TASK_SUCCESS;
			k->detail = "duplicate";
			return;
		}
	}
	k->state = TASK_PENDING;
	k->detail = "received";
	if (k->routed && k->row.state == INBOX_MADE) {
		k->has_item = item_read(t, k->row.run, k->row.number, &k->item);
	}
	if (k->has_item) {
		judge_item(t, k);
	} else if (k->routed) {
		k->state = k->row.state == INBOX_IGNORED ? TASK_SUCCESS : TASK_FAILURE;
		k->detail = k->row.state == INBOX_IGNORED ? "ignored" : "refused";
	}
}

static struct json_object *task_object(const struct task *k)
{
	struct json_object *o = json_object_new_object();

	put_call_id(o, "task", k->event.id);
	put_word(o, "intake", k->event.intake);
	put_wall(o, "received", ids_wall_us(k->event.id));
	put_word(o, "state", state_words[k->state]);
	put_word(o, "detail", k->detail);
	put_text(o, "reason", k->has_item ? k->item.reason : k->row.reason);
	put_call_id(o, "duplicate_of", k->of);
	put_text(o, "lead_id", NULL);
	if (k->has_item) {
		char name[32];

		(void)snprintf(name, sizeof(name), "%u/%u", k->row.run, k->row.number);
		put_word(o, "lead_id", name);
	}
	return o;
}

/* --- what is personal --- */

static void mask_value(struct json_object *fields, const char *name, struct json_object *v)
{
	struct buf out = {0};
	const char *text = json_object_get_string(v);

	mask_email(&out, text, strlen(text));
	put_text(fields, name, out.data);
	buf_free(&out);
}

/* Every text of the lead's fields; what the stages told of it goes altogether. */
static void mask_lead(struct json_object *lead)
{
	struct json_object *fields, *timeline, *masked = json_object_new_object();

	if (json_object_object_get_ex(lead, "fields", &fields)) {
		json_object_object_foreach(fields, name, value)
		{
			if (json_object_is_type(value, json_type_string)) {
				mask_value(masked, name, value);
			}
		}
	}
	json_object_object_add(lead, "fields", masked);
	json_object_object_del(lead, "provenance");
	if (json_object_object_get_ex(lead, "timeline", &timeline)) {
		for (size_t i = 0; i < json_object_array_length(timeline); i++) {
			json_object_object_del(json_object_array_get_idx(timeline, i), "fields");
		}
	}
}

/* --- its run --- */

/* How long the limits hold up what waits for a call. */
static int64_t limit_delay_us(struct engine *e, struct run *r)
{
	int64_t most = 0;

	for (size_t i = 0; i < r->n_slots && r->row.state == RUN_RUNNING; i++) {
		struct verdict v;

		if (r->slots[i].queued == 0) {
			continue;
		}
		v = gate_call(e, r, &r->slots[i], NULL, NULL);
		if ((v.binding == COND_WINDOW || v.binding == COND_THROTTLE) && v.earliest_us != TIME_NEVER && v.earliest_us - e->now.boot_us > most) {
			most = v.earliest_us - e->now.boot_us;
		}
	}
	return most;
}

static void put_progress(struct json_object *o, const struct run_row *row)
{
	uint64_t ok = 0, errors = 0, doubles = row->outcomes[ITEM_DUPLICATE];

	for (int i = ITEM_READY; i < ITEM_OUTCOMES; i++) {
		if (i != ITEM_DUPLICATE) {
			*(is_bad((enum item_outcome)i) ? &errors : &ok) += row->outcomes[i];
		}
	}
	put_int(o, "total", (int64_t)row->rows);
	put_int(o, "processed", (int64_t)(ok + errors + doubles));
	put_int(o, "ok", (int64_t)ok);
	put_int(o, "errors", (int64_t)errors);
	put_int(o, "duplicates", (int64_t)doubles);
}

static struct json_object *run_object(struct engine *e, struct run *r, struct now now)
{
	struct json_object *o = json_object_new_object(), *f = NULL;
	struct forecast forecast;

	e->now = now;
	put_int(o, "run", r->id);
	put_word(o, "campaign", r->row.campaign);
	put_text(o, "outside", r->row.outside);
	put_word(o, "state", run_state_word(r->row.state));
	put_bool(o, "open", r->row.open);
	put_progress(o, &r->row);
	put_int(o, "rate_limit_delay_ms", limit_delay_us(e, r) / US_PER_MS);
	if (forecast_run(e, r, &forecast)) {
		f = json_object_new_object();
		put_wall(f, "finish", forecast.finish_us);
		put_int(f, "calls", (int64_t)forecast.calls);
		put_int(f, "through", (int64_t)forecast.through);
	}
	json_object_object_add(o, "forecast", f);
	return o;
}

struct json_object *show_task(struct engine *e, struct txn *t, uint64_t id, bool plain, struct now now)
{
	struct json_object *o, *lead;
	struct task k = {0};
	struct run *r;

	if (!inbox_event_read(t, id, &k.event)) {
		return NULL;
	}
	judge(t, &k);
	o = task_object(&k);
	r = k.has_item ? run_get(e, k.row.run) : NULL;
	lead = r != NULL ? show_lead(e, t, k.row.run, k.row.number) : NULL;
	if (lead != NULL && !plain) {
		mask_lead(lead);
	}
	json_object_object_add(o, "lead", lead);
	json_object_object_add(o, "run", r != NULL ? run_object(e, r, now) : NULL);
	return o;
}

/* --- lists --- */

struct tasks_arg {
	struct txn *t;
	const struct task_filter *f;
	struct json_object *items;
	unsigned n, looked;
	uint64_t last;
	bool more;
};

static bool on_event(void *arg, const struct inbox_event *ev)
{
	struct tasks_arg *a = arg;
	struct task k = {.event = *ev};

	if (a->n == a->f->limit || a->looked++ == LOOK_MOST) {
		a->more = true;
		return false;
	}
	a->last = ev->id;
	if (a->f->intake != NULL && strcmp(a->f->intake, ev->intake) != 0) {
		return true;
	}
	judge(a->t, &k);
	if (a->f->states == 0 || (a->f->states >> k.state & 1) != 0) {
		json_object_array_add(a->items, task_object(&k));
		a->n++;
	}
	return true;
}

struct json_object *show_tasks(struct engine *e, struct txn *t, const struct task_filter *f)
{
	struct tasks_arg a = {.t = t, .f = f, .items = json_object_new_array()};
	struct json_object *o = json_object_new_object();

	(void)e;
	inbox_back(t, f->before, on_event, &a);
	json_object_object_add(o, "items", a.items);
	put_call_id(o, "next", a.more ? a.last : 0);
	return o;
}

static struct json_object *intake_object(struct engine *e, struct txn *t, const struct intake *in)
{
	struct json_object *o = json_object_new_object(), *runs = json_object_new_array();
	struct inbox_counts n;
	struct run *r, *next;
	uint64_t routed = 0;

	(void)inbox_counts_read(t, in->name, &n);
	for (int i = 0; i < INBOX_STATES; i++) {
		routed += n.states[i];
	}
	put_word(o, "intake", in->name);
	put_word(o, "campaign", in->campaign->name);
	put_word(o, "scheme", signature_words[in->verify.rule.scheme]);
	put_bool(o, "ready", config_secret(e->config, in->verify.secret) != NULL);
	put_int(o, "received", (int64_t)n.received);
	put_int(o, "waiting", (int64_t)(n.received - routed));
	put_int(o, "made", (int64_t)n.states[INBOX_MADE]);
	put_int(o, "duplicates", (int64_t)n.states[INBOX_DUPLICATE]);
	put_int(o, "ignored", (int64_t)n.states[INBOX_IGNORED]);
	put_int(o, "failed", (int64_t)n.states[INBOX_FAILED]);
	put_wall(o, "last", n.last_us);
	HASH_ITER(hh, e->runs, r, next) {
		if (intake_run_takes(r) && strcmp(r->row.intake, in->name) == 0) {
			struct json_object *run = json_object_new_object();

			put_int(run, "run", r->id);
			put_text(run, "outside", r->row.outside);
			put_int(run, "leads", (int64_t)r->row.rows);
			put_int(run, "open", (int64_t)r->row.outcomes[ITEM_OPEN]);
			json_object_array_add(runs, run);
		}
	}
	json_object_object_add(o, "runs", runs);
	return o;
}

struct json_object *show_intake(struct engine *e, struct txn *t, const char *name)
{
	const struct intake *in = config_intake(e->config, name);

	return in != NULL ? intake_object(e, t, in) : NULL;
}

struct json_object *show_intakes(struct engine *e, struct txn *t)
{
	struct json_object *o = json_object_new_object(), *items = json_object_new_array();

	for (size_t i = 0; i < e->config->n_intakes; i++) {
		json_object_array_add(items, intake_object(e, t, &e->config->intakes[i]));
	}
	json_object_object_add(o, "items", items);
	json_object_object_add(o, "next", NULL);
	return o;
}

uint64_t show_events_waiting(struct engine *e)
{
	return e->inbox.waiting;
}
