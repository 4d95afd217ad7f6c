/* See payment.h. */
#include "lib/engine/run/payment.h"

#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/base/money.h"
#include "lib/engine/command.h"
#include "lib/engine/config/config.h"
#include "lib/engine/engine.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"
#include "lib/engine/tell/notify.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

#define DEPTH 64

const char *payment_word(enum payment_result r)
{
	static const char *const words[] = {"released", "ignored", "repeated", "unpaid", "refused", "early", "no-run"};

	return words[r];
}

/* --- what it says --- */

struct reading {
	const char *body;
	size_t len;
	struct arena arena;
};

static struct value take(struct reading *r, struct expr *e)
{
	struct value v = {0};

	return expr_eval_json(e, r->body, r->len, &r->arena, &v, NULL) == 0 ? v : (struct value){0};
}

/* Texts and numbers alike; cut texts would make two things one, so that they are none. */
static void take_text(struct reading *r, struct expr *e, char *out, size_t size)
{
	struct value v = take(r, e);
	bool fits = (v.kind == VALUE_STRING || v.kind == VALUE_NUMBER) && v.len < size;

	(void)snprintf(out, size, "%.*s", fits ? (int)v.len : 0, fits ? v.text : "");
	for (char *c = out; *c != 0; c++) {
		*c = (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c; /* it is shown to people */
	}
}

static int64_t take_amount(struct reading *r, const struct payment *p)
{
	char text[40], *end;
	double n;

	take_text(r, p->amount, text, sizeof(text));
	n = strtod(text, &end) * pow(10, 6 - (double)p->digits);
	return text[0] == 0 || *end != 0 || !(n >= 0 && n < 1e15) ? -1 : (int64_t)llround(n);
}

static uint32_t take_run(struct reading *r, const struct payment *p)
{
	char text[24], *end;
	unsigned long n;

	take_text(r, p->run, text, sizeof(text));
	n = strtoul(text, &end, 10);
	return isdigit((unsigned char)text[0]) && *end == 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

static bool is_counted(const struct payment *p, const char *type)
{
	for (size_t i = 0; i < p->n_events; i++) {
		if (strcmp(p->events[i], type) == 0) {
			return true;
		}
	}
	return false;
}

int payment_parse(const struct payment *p, const char *body, size_t len, struct payment_event *ret, struct lead_error *err)
{
	struct reading r = {.body = body, .len = len};
	char type[96];
	int rc = json_check(body, len, DEPTH, err);

	*ret = (struct payment_event){.result = PAYMENT_RELEASED, .amount_micro = -1};
	if (rc != 0) {
		return rc;
	}
	(void)snprintf(ret->name, sizeof(ret->name), "%s", p->name);
	take_text(&r, p->type, type, sizeof(type));
	take_text(&r, p->id, ret->id, sizeof(ret->id));
	if (!is_counted(p, type)) {
		ret->result = PAYMENT_IGNORED;
		(void)snprintf(ret->why, sizeof(ret->why), "events of type '%.90s' are no payments", type);
	} else if (ret->id[0] == 0) {
		rc = lead_fail(err, LEAD_EINPUT, "the event has no id");
	} else {
		take_text(&r, p->session, ret->session, sizeof(ret->session));
		take_text(&r, p->currency, ret->currency, sizeof(ret->currency));
		for (char *c = ret->currency; *c != 0; c++) {
			*c = (char)toupper((unsigned char)*c);
		}
		ret->run = take_run(&r, p);
		if (ret->run == 0) {
			ret->result = PAYMENT_IGNORED;
			(void)snprintf(ret->why, sizeof(ret->why), "the event names no run");
		}
		ret->amount_micro = take_amount(&r, p);
		ret->paid = take(&r, p->paid).kind == VALUE_TRUE;
	}
	arena_free(&r.arena);
	return rc;
}

/* --- what it does --- */

static uint64_t hash_of(struct engine *e, const struct payment_event *p, const char *kind, const char *id)
{
	char text[320];
	int n = snprintf(text, sizeof(text), "%s\n%s\n%s", p->name, kind, id);

	return hash_keyed(e->hash_key, text, (size_t)n);
}

static bool seen(struct engine *e, const struct payment_event *p)
{
	uint32_t run;

	return payment_seen(e->txn, hash_of(e, p, "event", p->id), &run) ||
	       (p->session[0] != 0 && payment_seen(e->txn, hash_of(e, p, "session", p->session), &run));
}

static void refuse(struct payment_event *p, enum payment_result result, const char *format, ...) PRINTF(3, 4);
static void refuse(struct payment_event *p, enum payment_result result, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(p->why, sizeof(p->why), format, ap);
	va_end(ap);
	p->result = result;
}

static const struct payment *configured(const struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->config->n_payments; i++) {
		if (strcmp(e->config->payments[i].name, name) == 0) {
			return &e->config->payments[i];
		}
	}
	return NULL;
}

/* What of the run it releases; 0: nothing, and why. */
static uint32_t judge(struct engine *e, struct run *r, const struct payment *conf, struct payment_event *p)
{
	struct approve_wait w;
	bool waits = approve_waits(e, r, &w);
	uint32_t bits = w.missing & ~(APPROVE_COST | APPROVE_SAMPLE);
	int64_t price = conf->price_micro >= 0 ? conf->price_micro * (int64_t)w.all_leads : w.all_estimate_micro;
	char paid[32], due[32];

	if (r->row.state >= RUN_DONE) {
		refuse(p, PAYMENT_REFUSED, "the run has ended");
	} else if ((!waits || bits == 0 || !w.alone) && approve_is_open(r)) {
		refuse(p, PAYMENT_EARLY, "the run does not wait for a payment yet");
	} else if (!waits || bits == 0) {
		refuse(p, PAYMENT_REFUSED, "nothing of the run waits for a payment any more");
	} else if (strcasecmp(p->currency, e->config->currency) != 0) {
		refuse(p, PAYMENT_REFUSED, "it is in %.15s, not in %.15s", p->currency[0] != 0 ? p->currency : "no currency", e->config->currency);
	} else if (p->amount_micro < price) {
		money_write(p->amount_micro > 0 ? p->amount_micro : 0, paid);
		money_write(price, due);
		refuse(p, PAYMENT_REFUSED, "%s are too little for %llu leads at %s", paid, (unsigned long long)w.all_leads, due);
	} else {
		return bits;
	}
	return 0;
}

static void tell(struct engine *e, struct run *r, const struct payment_event *p)
{
	struct note n = {.run = r->id, .kind = NOTE_PAYMENT_REFUSED, .wall_us = e->now.wall_us, .amount_micro = p->amount_micro};
	char subject[120], text[900];

	(void)snprintf(n.who, sizeof(n.who), "payment %.50s", p->name);
	(void)snprintf(n.what, sizeof(n.what), "%.80s (%.70s)", p->why, p->session[0] != 0 ? p->session : p->id);
	note_add(e->txn, &n);
	(void)snprintf(subject, sizeof(subject), "a payment for run %u released nothing", r->id);
	(void)snprintf(text, sizeof(text), "%s: %s.\nPayment %s, event %s, session %s.\nNothing was bought for it: pay it back, or `leadctl run approve %u`.\n",
	    subject, p->why, p->name, p->id, p->session, r->id);
	notify_payment(e, r, subject, text, p);
}

static void mark(struct engine *e, const struct payment_event *p, bool session)
{
	payment_mark(e->txn, hash_of(e, p, "event", p->id), p->run, e->now.wall_us);
	if (session && p->session[0] != 0) {
		payment_mark(e->txn, hash_of(e, p, "session", p->session), p->run, e->now.wall_us);
	}
}

static void apply(struct engine *e, const struct payment *conf, struct payment_event *p)
{
	struct run *r = p->run != 0 ? run_get(e, p->run) : NULL;
	bool theirs = r != NULL && (conf->organisation == NULL ||
				       (r->campaign != NULL && strcmp(r->campaign->organisation, conf->organisation) == 0));
	uint32_t bits, told;
	char who[64];

	if (seen(e, p)) {
		refuse(p, PAYMENT_REPEATED, "it was counted before");
		return;
	}
	if (!theirs) {
		refuse(p, PAYMENT_NO_RUN, "there is no run %u", p->run);
		return;
	}
	if (!p->paid) {
		refuse(p, PAYMENT_UNPAID, "nothing was paid yet");
		mark(e, p, false);
		return;
	}
	bits = judge(e, r, conf, p);
	if (bits != 0) {
		p->result = PAYMENT_RELEASED;
		mark(e, p, true);
		(void)snprintf(who, sizeof(who), "payment %.50s", p->name);
		approve_release(e, r, bits, NOTE_PAID, who, p->amount_micro);
	} else if (p->result == PAYMENT_REFUSED) {
		mark(e, p, true);
		tell(e, r, p);
	} else if (!payment_seen(e->txn, hash_of(e, p, "early", p->id), &told)) {
		payment_mark(e->txn, hash_of(e, p, "early", p->id), p->run, e->now.wall_us); /* noted once, however often it comes */
		tell(e, r, p);
	}
}

void command_payment(struct engine *e, struct command *c)
{
	const struct payment *conf = configured(e, c->payment->name);

	if (conf == NULL) {
		refuse(c->payment, PAYMENT_NO_RUN, "there is no payment '%.60s' any more", c->payment->name);
	} else {
		apply(e, conf, c->payment);
	}
	command_answer(e, c);
}
