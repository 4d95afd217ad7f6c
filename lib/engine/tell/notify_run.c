/* What is told of runs: a budget is reached, something waits for approval, a payment released nothing, the end. See notify.c. */
#include "lib/engine/tell/notify_parts.h"

#include "lib/base/money.h"
#include "lib/engine/call/accounts.h"
#include "lib/engine/call/finish.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/run/payment.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"
#include "lib/engine/tell/outbox.h"

#include <stdio.h>

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

	if (!notify_is_wanted(e, NOTICE_BUDGET) || e->recovered || (binding == COND_FINISH && finish_begun(r) > 0)) {
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
	if (notify_mark(e, key, limit_micro)) {
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
	if (notify_is_wanted(e, NOTICE_APPROVAL) && !e->recovered && notify_mark(e, key, 0)) {
		tell_approval(e, r, w, bit);
	}
}

void notify_approved(struct engine *e, struct run *r, uint32_t bits)
{
	uint8_t key[TOLD_KEY];

	for (; bits != 0; bits &= bits - 1) {
		key_of_approval(key, r, bits & -bits);
		notify_unmark(e, key);
	}
}

void notify_payment(struct engine *e, const struct run *r, const char *subject, const char *text, const struct payment_event *p)
{
	struct json_object *o;

	if (!notify_is_wanted(e, NOTICE_APPROVAL) || e->recovered) {
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

	if (!notify_is_wanted(e, event)) {
		return;
	}
	o = run_object(e, r, &leads, &through);
	(void)snprintf(subject, sizeof(subject), "run %u of %s is %s: %llu of %llu leads came through", r->id, r->row.campaign,
	    run_state_word(r->row.state), (unsigned long long)through, (unsigned long long)leads);
	outbox_add(e, &(struct notice_text){.event = event, .run = r->id, .organisation = r->campaign != NULL ? r->campaign->organisation : NULL,
			  .subject = subject, .text = summary != NULL ? summary : subject, .object_name = "run", .object = o});
}
