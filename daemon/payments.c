/*
 * POST /v1/payments/{payment}: whoever takes the money says that it came. The raw bytes prove by their signature whom they are
 * from; the answer leaves when what they did is on disk.
 *
 *   released, repeated, ignored, unpaid, refused -> 200: there is no use in sending it again
 *   the run does not wait yet -> 409, no such run -> 404: it is sent again for some days
 *   no or a bad signature, no JSON -> 400, and nothing of it is kept
 */
#include "daemon/routes.h"
#include "lib/engine/run/payment.h"

#include <stdio.h>
#include <stdlib.h>

static const char *header_of(void *arg, const char *name)
{
	return http_header(arg, name);
}

static const struct payment *payment_of(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_payments; i++) {
		if (strcmp(c->payments[i].name, name) == 0) {
			return &c->payments[i];
		}
	}
	return NULL;
}

static void reply(struct http_request *r, const struct payment_event *p)
{
	struct json_object *o;

	if (p->result == PAYMENT_EARLY) {
		http_reply_problem(r, 409, "not-waiting", "%s", p->why);
	} else if (p->result == PAYMENT_NO_RUN) {
		http_reply_problem(r, 404, "no-run", "%s", p->why);
	} else {
		o = json_object_new_object();
		json_object_object_add(o, "result", json_object_new_string(payment_word(p->result)));
		json_object_object_add(o, "why", p->why[0] != 0 ? json_object_new_string(p->why) : NULL);
		http_reply_json(r, 200, o);
	}
}

static void on_payment(struct leadd *l, struct http_request *r, struct command *c)
{
	(void)l;
	if (c->rc != 0) {
		command_problem(r, c);
		return;
	}
	log_line(c->payment->result == PAYMENT_REFUSED || c->payment->result == PAYMENT_NO_RUN ? LOG_WARN_ : LOG_NOTE_, "run=%u payment %s: %s%s%s",
	    c->payment->run, c->payment->name, payment_word(c->payment->result), c->payment->why[0] != 0 ? ": " : "", c->payment->why);
	reply(r, c->payment);
}

/* The signature, then what it says. False when it was answered. */
static bool accept_payment(struct leadd *l, struct http_request *r, const struct payment *p, struct payment_event *ret)
{
	const struct secret *s = config_secret(engine_config(l->engine), p->verify.secret);
	const char *why = s == NULL ? "no-secret" : NULL;
	struct lead_error err;
	const void *body;
	size_t len;

	body = http_body(r, &len);
	why = why == NULL ? signature_refuses(&p->verify.rule, s->text, s->len, header_of, r, body, len, clock_now().wall_us) : why;
	if (s == NULL) {
		http_reply_problem(r, 503, "no-secret", "the credential %s is missing", p->verify.secret);
	} else if (why != NULL) {
		http_reply_problem(r, 400, why, "the event is not signed as it should be");
	} else if (payment_parse(p, body, len, ret, &err) != 0) {
		http_reply_error(r, &err);
	} else {
		return true;
	}
	return false;
}

void post_payment(void *app, struct http_request *r)
{
	struct leadd *l = app;
	const struct payment *p = payment_of(engine_config(l->engine), http_param(r, "payment"));
	struct payment_event *event = p != NULL ? calloc(1, sizeof(*event)) : NULL;
	struct command *c;

	if (p == NULL) {
		http_reply_problem(r, 404, "not-found", "there is no such payment");
		return;
	}
	if (event == NULL || !accept_payment(l, r, p, event)) {
		if (event == NULL) {
			http_reply_problem(r, 503, "no-memory", "out of memory");
		}
		free(event);
		return;
	}
	if (event->result == PAYMENT_IGNORED) {
		log_line(LOG_NOTE_, "payment %s: ignored: %s", event->name, event->why);
		reply(r, event);
		free(event);
		return;
	}
	c = command_new(COMMAND_PAYMENT);
	c->payment = event;
	command_send(l, c, r, on_payment);
}
