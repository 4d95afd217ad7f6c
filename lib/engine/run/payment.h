/*
 * lib/engine/run/payment.h: a payment that was made releases the run it was made for.
 *
 *   bytes of a webhook (their signature was checked) -> payment_parse -> COMMAND_PAYMENT -> one transaction:
 *   seen before? -> the run, the currency, the amount -> released, and what happened is a note of the run
 *
 * Of what waits in the run a payment releases approval stages and a preview, never a sample or a run that costs more than its
 * campaign allows: those are the operator's.
 */
#pragma once

#include "lib/base/expr.h"
#include "lib/engine/config/config_verify.h"

struct engine;
struct command;

/* `payments: {NAME: …}` of leadd.yaml. */
struct payment {
	const char *name;
	struct verify verify;
	const char *organisation;  /* only runs of its campaigns; NULL: of all */
	const char **events;       /* types that are payments; all others are taken and forgotten */
	size_t n_events;
	struct expr *id, *type, *session, *run, *amount, *currency, *paid;
	uint32_t digits;           /* the amount counts units of 10^-digits of the currency */
	int64_t price_micro;       /* what each lead that waits costs whoever pays; -1: what it is estimated to cost us */
};

enum payment_result {
	PAYMENT_RELEASED,
	PAYMENT_IGNORED,  /* an event of another type, or that names no run: money for something else */
	PAYMENT_REPEATED, /* the event, or another of the same session, was counted */
	PAYMENT_UNPAID,   /* it says itself that nothing was paid (yet) */
	PAYMENT_REFUSED,  /* too little, another currency, a run that needs no payment any more: a person must look */
	PAYMENT_EARLY,    /* the run does not wait yet: send it again later */
	PAYMENT_NO_RUN,   /* there is no such run */
};
const char *payment_word(enum payment_result r);

struct payment_event {
	char name[64];             /* which payment of the configuration */
	char id[160], session[160];
	uint32_t run;              /* 0: it names none */
	int64_t amount_micro;      /* -1: it names none */
	char currency[16];         /* upper case; empty: it names none */
	bool paid;
	enum payment_result result; /* filled in by the engine */
	char why[160];              /* for people, and for the note */
};

/* 0; LEAD_EINPUT: no JSON, or no id. result PAYMENT_IGNORED: the engine need not be asked. */
int payment_parse(const struct payment *p, const char *body, size_t len, struct payment_event *ret, struct lead_error *err) MUST_CHECK;

/* COMMAND_PAYMENT. */
void command_payment(struct engine *e, struct command *c);
