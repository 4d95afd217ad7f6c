/*
 * What is told, and when: the end of a run with its summary, and conditions that a person may have to look at. A condition is
 * told once until it has ended, and one that comes and goes at most once an hour; marks in the store know it over a restart.
 */

#include "lib/engine/notify.h"

#include "lib/base/money.h"
#include "lib/engine/accounts.h"
#include "lib/engine/approve.h"
#include "lib/engine/finish.h"
#include "lib/engine/lane.h"
#include "lib/engine/outbox.h"
#include "lib/engine/payment.h"
#include "lib/engine/run.h"
#include "lib/engine/schedule.h"
#include "lib/engine/show_put.h"
#include "lib/engine/state.h"
#include "lib/store/runs.h"

#include <stdio.h>

#define REPEAT_US (3600 * US_PER_S)
#define PERIOD_OVER_US (62 * US_PER_DAY) /* nobody asks for a day's or a month's budget any more */
#define TIDY_US (3600 * US_PER_S)

static bool has_receiver(const struct engine *e)
{
	return e->config->notify.mail.server != NULL || e->config->notify.webhook.url != NULL;
}

static bool is_wanted(const struct engine *e, enum notice n)
{
	return e->effects.send != NULL && has_receiver(e) && (e->config->notify.on >> n & 1) != 0;
}

/* --- marks --- */

static struct told_mark *mark_add(struct engine *e, const struct told_row *row)
{
	struct told_mark *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		abort();
	}
	t->row = *row;
	HASH_ADD(hh, e->told, row.key, TOLD_KEY, t);
	return t;
}

/* True when it is to be told now. */
static bool mark_on(struct engine *e, const uint8_t key[TOLD_KEY], int64_t limit_micro)
{
	struct told_row fresh = {.limit_micro = limit_micro};
	struct told_mark *t;

	HASH_FIND(hh, e->told, key, TOLD_KEY, t);
	if (t != NULL && t->row.told_us > e->now.wall_us) {
		t->row.told_us = e->now.wall_us; /* the clock was set back */
	}
	if (t != NULL && t->row.limit_micro == limit_micro && (t->row.on || e->now.wall_us - t->row.told_us < REPEAT_US)) {
		return false;
	}
	if (t == NULL) {
		memcpy(fresh.key, key, TOLD_KEY);
		t = mark_add(e, &fresh);
	}
	t->row.on = true;
	t->row.told_us = e->now.wall_us;
	t->row.limit_micro = limit_micro;
	told_write(e->txn, &t->row);
	return true;
}

static void mark_off(struct engine *e, const uint8_t key[TOLD_KEY])
{
	struct told_mark *t;

	HASH_FIND(hh, e->told, key, TOLD_KEY, t);
	if (t != NULL && t->row.on) {
		t->row.on = false;
		told_write(e->txn, &t->row);
	}
}

static bool on_mark(void *arg, const struct told_row *row)
{
	(void)mark_add(arg, row);
	return true;
}

void notify_load(struct engine *e)
{
	notify_drop(e);
	told_each(e->txn, on_mark, e);
	e->last_message = outbox_last(e->txn) > e->last_message ? outbox_last(e->txn) : e->last_message;
}

void notify_drop(struct engine *e)
{
	struct told_mark *t, *next;

	HASH_ITER(hh, e->told, t, next) {
		HASH_DEL(e->told, t);
		free(t);
	}
}

static void tidy(struct engine *e)
{
	struct told_mark *t, *next;

	if (e->now.boot_us < e->tidy_us) {
		return;
	}
	e->tidy_us = e->now.boot_us + TIDY_US;
	HASH_ITER(hh, e->told, t, next) {
		int64_t age_us = e->now.wall_us - t->row.told_us;

		if (age_us > PERIOD_OVER_US || (!t->row.on && age_us > REPEAT_US)) {
			told_delete(e->txn, t->row.key);
			HASH_DEL(e->told, t);
			free(t);
		}
	}
}

/* --- services --- */

/* What of a service: a key's number, or 0. */
static void key_of_service(uint8_t key[TOLD_KEY], enum notice n, const struct lane *l, uint16_t number)
{
	memset(key, 0, TOLD_KEY);
	key[0] = (uint8_t)n;
	key[1] = (uint8_t)(l->number >> 8);
	key[2] = (uint8_t)l->number;
	key[3] = (uint8_t)(number >> 8);
	key[4] = (uint8_t)number;
}

static struct json_object *service_object(const struct lane *l, const char *key, const char *why)
{
	struct json_object *o = json_object_new_object();

	put_word(o, "service", l->name);
	put_text(o, "key", key);
	put_text(o, "why", why);
	return o;
}

struct trouble {
	enum notice event;
	const char *what;            /* `quota is used up` */
	const char *why;             /* the provider's word, "" for none */
	const char *key;             /* NULL: the service as a whole */
	int64_t since_us, until_us;  /* wall; until 0: nobody knows */
};

static void tell_trouble(struct engine *e, const struct lane *l, const struct trouble *x)
{
	char subject[300], text[900], since[32], until[32];
	size_t len;

	time_write_local(x->since_us, since);
	(void)snprintf(subject, sizeof(subject), "%s%s%s: %s", l->name, x->key != NULL ? ", key " : "", x->key != NULL ? x->key : "", x->what);
	len = (size_t)snprintf(text, sizeof(text), "%s since %s%s%s.\n", subject, since, x->why[0] != 0 ? "; it says: " : "", x->why);
	if (x->until_us != 0 && x->until_us != TIME_NEVER) {
		time_write_local(x->until_us, until);
		(void)snprintf(text + len, sizeof(text) - len, "It is tried again at %s; its leads wait.\n", until);
	} else {
		(void)snprintf(text + len, sizeof(text) - len, "Its leads wait. `leadctl service show %s` tells more, `leadctl service reset %s` frees it.\n",
		    l->name, l->name);
	}
	outbox_add(e, &(struct notice_text){.event = x->event, .subject = subject, .text = text, .object_name = "service",
			  .object = service_object(l, x->key, x->why)});
}

static void condition(struct engine *e, const struct lane *l, uint16_t number, bool on, const struct trouble *x)
{
	uint8_t key[TOLD_KEY];

	key_of_service(key, x->event, l, number);
	if (!on) {
		mark_off(e, key);
	} else if (is_wanted(e, x->event) && mark_on(e, key, 0)) {
		tell_trouble(e, l, x);
	}
}

static void look_at_group(struct engine *e, struct lane *l, size_t g, size_t first_key)
{
	struct lane_group *grp = &l->groups[g];
	const struct quota *q = &grp->quota;
	uint16_t number = l->keys[first_key].number;
	bool open = grp->breaker.state != BREAKER_CLOSED;
	struct trouble quota = {NOTICE_QUOTA, "quota is used up", q->why, l->def->keys[first_key].name, q->since_wall_us, q->until_wall_us};
	struct trouble over = {NOTICE_OVERBILLED, "a call was billed above its price ceiling", "", NULL, q->since_wall_us, 0};
	struct trouble breaker = {NOTICE_BREAKER, "does not answer, its breaker is open", "", l->def->n_groups > 1 ? l->def->keys[first_key].name : NULL,
	    e->now.wall_us - (e->now.boot_us - grp->breaker.since_us), e->now.wall_us + (grp->breaker.until_us - e->now.boot_us)};

	grp->proved = grp->proved && !open;
	condition(e, l, number, q->cause == PARK_QUOTA, &quota);
	condition(e, l, number, q->cause == PARK_OVERBILLED, &over);
	if (open || grp->proved) { /* a restart closes a breaker, and proves nothing */
		condition(e, l, number, open, &breaker);
	}
}

static void look_at_lane(struct engine *e, struct lane *l)
{
	for (size_t g = 0; g < l->def->n_groups; g++) {
		for (size_t k = 0; k < l->def->n_keys; k++) {
			if (l->def->keys[k].group_index == g) {
				look_at_group(e, l, g, k);
				break;
			}
		}
	}
	for (size_t k = 0; k < l->def->n_keys; k++) {
		const struct quota *q = &l->keys[k].auth;
		struct trouble refused = {NOTICE_KEY, "is refused", q->why, l->def->keys[k].name, q->since_wall_us, q->until_wall_us};

		condition(e, l, l->keys[k].number, q->cause == PARK_AUTH, &refused);
	}
}

/* --- the store --- */

static void look_at_store(struct engine *e)
{
	uint8_t key[TOLD_KEY] = {NOTICE_STORE};
	struct json_object *o;
	char text[400];

	if (!e->full) {
		mark_off(e, key);
	} else if (is_wanted(e, NOTICE_STORE) && mark_on(e, key, 0)) {
		o = json_object_new_object();
		put_word(o, "why", e->full_why);
		(void)snprintf(text, sizeof(text), "No new work is taken: %s.\nWhat is in flight ends as usual; nothing is lost.\n", e->full_why);
		outbox_add(e, &(struct notice_text){.event = NOTICE_STORE, .subject = "no new work is taken", .text = text,
				  .object_name = "store", .object = o});
	}
}

void notify_step(struct engine *e)
{
	if (e->effects.send == NULL || (!has_receiver(e) && e->told == NULL)) {
		return;
	}
	if (e->recovered) {
		e->more = true; /* there may be no room for it: the turn after this one finds it still so */
		return;
	}
	for (size_t i = 0; i < e->n_lanes; i++) {
		if (e->lanes[i]->def != NULL) {
			look_at_lane(e, e->lanes[i]);
		}
	}
	look_at_store(e);
	tidy(e);
}

/* --- budgets --- */

static void tell_budget(struct engine *e, const struct run *r, const struct lane *l, const struct account *a, int64_t limit_micro)
{
	static const char *const kinds[] = {"run", "campaign", "organisation", "service"};
	static const char *const periods[] = {"", " of the day", " of the month"};
	struct json_object *o = json_object_new_object();
	const char *org = r->campaign != NULL ? r->campaign->organisation : NULL;
	char subject[300], text[900], limit[32], spent[32], name[RUN_TEXT];

	money_write(limit_micro, limit);
	money_write(a->bal.settled_micro + a->bal.in_doubt_micro, spent);
	(void)snprintf(name, sizeof(name), "%u", r->id);
	if (a->id.kind != ACCOUNT_RUN) {
		(void)snprintf(name, sizeof(name), "%s",
		    a->id.kind == ACCOUNT_CAMPAIGN ? r->row.campaign : a->id.kind == ACCOUNT_SERVICE ? l->name : org != NULL ? org : "");
	}
	(void)snprintf(subject, sizeof(subject), "budget%s of %s %s is reached", periods[a->id.period], kinds[a->id.kind], name);
	(void)snprintf(text, sizeof(text), "The %s: %s of %s %s are spent, and the next call might cost more than is left.\nRun %u of campaign %s waits for it%s.\n",
	    subject, spent, limit, e->config->currency, r->id, r->row.campaign, a->id.period == PERIOD_TOTAL ? ", or ends without it" : " until the next one begins");
	put_word(o, "of", kinds[a->id.kind]);
	put_word(o, "name", name);
	put_word(o, "period", a->id.period == PERIOD_TOTAL ? "total" : a->id.period == PERIOD_DAY ? "day" : "month");
	put_int(o, "limit_micro", limit_micro);
	put_int(o, "settled_micro", a->bal.settled_micro);
	put_int(o, "in_doubt_micro", a->bal.in_doubt_micro);
	put_word(o, "currency", e->config->currency);
	outbox_add(e, &(struct notice_text){.event = NOTICE_BUDGET, .run = r->id, .organisation = a->id.kind == ACCOUNT_SERVICE ? NULL : org,
			  .subject = subject, .text = text, .object_name = "budget", .object = o});
}

void notify_budget(struct engine *e, struct run *r, struct slot *s, enum condition binding)
{
	uint8_t key[TOLD_KEY] = {NOTICE_BUDGET};
	struct account *a = NULL;
	int64_t limit_micro = 0;
	struct key id;

	if (!is_wanted(e, NOTICE_BUDGET) || e->recovered || (binding == COND_FINISH && finish_begun(r) > 0)) {
		return; /* leads begun may cost less than what is kept for them */
	}
	if (binding == COND_BUDGET) {
		(void)accounts_earliest(e, r, s->lane, s->call->price_micro, &a, &limit_micro);
	} else {
		(void)finish_money_earliest(e, r, s, &a, &limit_micro);
	}
	if (a == NULL || (a->bal.reserved_micro > 0 && a->bal.settled_micro + a->bal.in_doubt_micro + s->call->price_micro <= limit_micro)) {
		return; /* what is under way may yet leave room */
	}
	id = account_key(a->id);
	memcpy(key + 1, id.bytes, id.len);
	if (mark_on(e, key, limit_micro)) {
		tell_budget(e, r, s->lane, a, limit_micro);
	}
}

/* --- approvals --- */

static void key_of_approval(uint8_t key[TOLD_KEY], const struct run *r, uint32_t bit)
{
	memset(key, 0, TOLD_KEY);
	key[0] = NOTICE_APPROVAL;
	for (int i = 0; i < 4; i++) {
		key[1 + i] = (uint8_t)(r->id >> (24 - 8 * i));
	}
	key[5] = (uint8_t)__builtin_ctz(bit);
}

static void tell_approval(struct engine *e, struct run *r, const struct approve_wait *w, uint32_t bit)
{
	struct json_object *o = json_object_new_object();
	char subject[300], text[900], what[160], estimate[32], worst[32];

	approve_text(e, r, w->missing, what);
	money_write(w->estimate_micro, estimate);
	money_write(w->worst_micro, worst);
	(void)snprintf(subject, sizeof(subject), "run %u of %s waits for approval", r->id, r->row.campaign);
	(void)snprintf(text, sizeof(text),
	    "%s: %s.\n%llu leads wait; they will cost about %s %s, at most %s.\n`leadctl run approve %u` releases it, `leadctl run cancel %u` ends it.\n",
	    subject, what, (unsigned long long)w->leads, estimate, e->config->currency, worst, r->id, r->id);
	put_int(o, "run", r->id);
	put_word(o, "campaign", r->row.campaign);
	put_word(o, "waits_at", approve_name(r, bit));
	put_word(o, "text", what);
	put_int(o, "leads", (int64_t)w->leads);
	put_int(o, "estimate_micro", w->estimate_micro);
	put_int(o, "worst_micro", w->worst_micro);
	put_word(o, "currency", e->config->currency);
	outbox_add(e, &(struct notice_text){.event = NOTICE_APPROVAL, .run = r->id, .organisation = r->campaign != NULL ? r->campaign->organisation : NULL,
			  .subject = subject, .text = text, .object_name = "approval", .object = o});
}

void notify_approval(struct engine *e, struct run *r, const struct approve_wait *w)
{
	uint32_t bit = w->missing & -w->missing;
	uint8_t key[TOLD_KEY];

	key_of_approval(key, r, bit);
	if (is_wanted(e, NOTICE_APPROVAL) && !e->recovered && mark_on(e, key, 0)) {
		tell_approval(e, r, w, bit);
	}
}

void notify_approved(struct engine *e, struct run *r, uint32_t bits)
{
	uint8_t key[TOLD_KEY];

	for (; bits != 0; bits &= bits - 1) {
		key_of_approval(key, r, bits & -bits);
		mark_off(e, key);
	}
}

void notify_payment(struct engine *e, const struct run *r, const char *subject, const char *text, const struct payment_event *p)
{
	struct json_object *o;

	if (!is_wanted(e, NOTICE_APPROVAL) || e->recovered) {
		return;
	}
	o = json_object_new_object();
	put_int(o, "run", r->id);
	put_word(o, "payment", p->name);
	put_word(o, "event", p->id);
	put_text(o, "session", p->session);
	put_word(o, "why", p->why);
	outbox_add(e, &(struct notice_text){.event = NOTICE_APPROVAL, .run = r->id, .organisation = r->campaign != NULL ? r->campaign->organisation : NULL,
			  .subject = subject, .text = text, .object_name = "payment", .object = o});
}

/* --- the end of a run --- */

static struct json_object *run_object(struct engine *e, const struct run *r, uint64_t *ret_leads, uint64_t *ret_through)
{
	struct json_object *o = json_object_new_object(), *outcomes = json_object_new_object();
	struct balance b = accounts_run(e, r);

	*ret_leads = *ret_through = 0;
	for (int i = ITEM_OPEN + 1; i < ITEM_OUTCOMES; i++) {
		put_int(outcomes, item_outcome_word((enum item_outcome)i), (int64_t)r->row.outcomes[i]);
		*ret_leads += r->row.outcomes[i];
		*ret_through += i == ITEM_READY || i == ITEM_DELIVERED || i == ITEM_CONFIRMED ? r->row.outcomes[i] : 0;
	}
	put_int(o, "run", r->id);
	put_word(o, "campaign", r->row.campaign);
	put_word(o, "state", run_state_word(r->row.state));
	put_text(o, "why", r->row.why);
	put_wall(o, "started", r->row.started_us);
	put_wall(o, "ended", r->row.ended_us);
	json_object_object_add(o, "outcomes", outcomes);
	put_int(o, "settled_micro", b.settled_micro);
	put_int(o, "in_doubt_micro", b.in_doubt_micro);
	put_word(o, "currency", e->config->currency);
	return o;
}

void notify_run(struct engine *e, const struct run *r, const char *summary)
{
	enum notice event = r->row.state == RUN_FAILED ? NOTICE_RUN_FAILED : NOTICE_RUN_DONE;
	struct json_object *o;
	uint64_t leads, through;
	char subject[300];

	if (!is_wanted(e, event)) {
		return;
	}
	o = run_object(e, r, &leads, &through);
	(void)snprintf(subject, sizeof(subject), "run %u of %s is %s: %llu of %llu leads came through", r->id, r->row.campaign,
	    run_state_word(r->row.state), (unsigned long long)through, (unsigned long long)leads);
	outbox_add(e, &(struct notice_text){.event = event, .run = r->id, .organisation = r->campaign != NULL ? r->campaign->organisation : NULL,
			  .subject = subject, .text = summary != NULL ? summary : subject, .object_name = "run", .object = o});
}
