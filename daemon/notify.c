/*
 * Mail and webhooks out: what the engine has put on disk goes to its receiver through the fetcher, and what came of it goes
 * back as COMMAND_SENT. Passwords and signing secrets are read when a message leaves, and stand nowhere else.
 */
#include "daemon/leadd.h"
#include "lib/base/ids.h"
#include "lib/base/mail.h"
#include "lib/base/signature.h"
#include "lib/base/text.h"
#include "lib/store/outbox.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGIN_US (60 * US_PER_S)
#define MAIL_US (120 * US_PER_S)
#define CONNECT_US (10 * US_PER_S)
#define WEBHOOK_US (30 * US_PER_S)
#define ANSWER_BYTES ((size_t)64 * 1024)

/* `notify test`: answered when the last of its messages has ended. */
struct testing {
	struct http_request *r;
	struct json_object *items;
	unsigned waiting;
};

/* A message on its way. */
struct sending {
	uint64_t id;             /* of the fetcher */
	uint64_t message;        /* of the store; 0: a test */
	uint8_t way;
	char to[256];
	struct testing *testing; /* NULL: a message of the store */
	struct sending *next;
};

/* --- back --- */

static void on_settled(struct leadd *l, struct http_request *r, struct command *c)
{
	char id[17];

	(void)l;
	(void)r;
	ids_write(c->message, id);
	if (c->rc != 0) {
		return;
	}
	if (c->sent == SENT_OK) {
		log_line(LOG_NOTE_, "message=%s sent: %s", id, c->said);
	} else {
		log_line(c->count > 0 ? LOG_ERR_ : LOG_WARN_, "message=%s %s: %s", id, c->count > 0 ? "given up" : "not sent, tried again later", c->said);
	}
}

static void test_end(struct testing *x)
{
	struct json_object *o;

	if (--x->waiting > 0) {
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "items", x->items);
	http_reply_json(x->r, 200, o);
	free(x);
}

static void end(struct leadd *l, const struct sending *s, enum sent sent, const char *said)
{
	struct command *c;

	if (s->testing != NULL) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "way", json_object_new_string(s->way == OUTBOX_MAIL ? "mail" : "webhook"));
		json_object_object_add(o, "to", json_object_new_string(s->to));
		json_object_object_add(o, "ok", json_object_new_boolean(sent == SENT_OK));
		json_object_object_add(o, "said", json_object_new_string(said));
		json_object_array_add(s->testing->items, o);
		test_end(s->testing);
		return;
	}
	c = command_new(COMMAND_SENT);
	c->message = s->message;
	c->sent = sent;
	(void)snprintf(c->said, sizeof(c->said), "%s", said);
	command_send(l, c, NULL, on_settled);
}

/* For people and the store: printable, and not too long. */
static void word_of(const struct http_answer *a, const char *body, bool mail, char out[200])
{
	size_t len = 0;

	if (a->transport != TRANSPORT_ANSWERED) {
		(void)snprintf(out, 200, "%s", a->why != NULL ? a->why : "no answer");
		return;
	}
	if (!mail || body == NULL || body[0] == 0) {
		(void)snprintf(out, 200, "%s %d", mail ? "SMTP" : "HTTP", a->status);
		return;
	}
	for (const char *p = body; *p != 0 && len < 198; p++) {
		out[len++] = (unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f ? '?' : *p;
	}
	out[len] = 0;
}

static enum sent verdict(const struct http_answer *a, bool mail)
{
	bool answered = a->transport == TRANSPORT_ANSWERED || a->transport == TRANSPORT_TOO_LARGE;

	if (answered && a->status >= 200 && a->status < 300) {
		return SENT_OK;
	}
	/* 550 to 559: this mail or this receiver; other refusals may end when somebody mends the server or our login */
	return answered && (mail ? a->status >= 550 && a->status < 560 : a->status == 410) ? SENT_REFUSED : SENT_LATER;
}

void notify_done(struct leadd *l, uint64_t id, const struct http_answer *answer, const char *body)
{
	struct sending **at = &l->sendings, *s;
	char said[200];

	while (*at != NULL && (*at)->id != id) {
		at = &(*at)->next;
	}
	s = *at;
	if (s == NULL) {
		return;
	}
	*at = s->next;
	word_of(answer, body, s->way == OUTBOX_MAIL, said);
	end(l, s, verdict(answer, s->way == OUTBOX_MAIL), said);
	free(s);
}

/* --- out --- */

static int send_mail(struct leadd *l, uint64_t id, const struct outbox_row *m, struct lead_error *err)
{
	const struct config *c = engine_config(l->engine);
	const struct notify_mail *w = &c->notify.mail;
	const struct secret *secret = config_secret(c, w->secret);
	struct fetch_mail out = {.server = w->server, .from = w->from, .to = m->to, .user = w->user, .starttls = w->starttls,
	    .connect_us = LOGIN_US, .total_us = MAIL_US};
	struct buf text = {0};
	char subject[400], name[17];
	int rc;

	if (w->server == NULL) {
		return lead_fail(err, LEAD_EREMOTE, "mail is not configured any more");
	}
	if (w->secret != NULL && secret == NULL) {
		return lead_fail(err, LEAD_EREMOTE, "the credential %s is missing", w->secret);
	}
	(void)snprintf(subject, sizeof(subject), "%.*s", (int)m->subject.len, (const char *)m->subject.data);
	if (m->things > 1) {
		(void)snprintf(subject, sizeof(subject), "%.*s, and %u more", (int)m->subject.len, (const char *)m->subject.data, m->things - 1);
	}
	ids_write(m->id, name);
	mail_write(&(struct mail){.from = w->from, .to = m->to, .id = name, .subject = subject, .text = (const char *)m->body.data,
		       .text_len = m->body.len, .wall_us = m->created_us}, &text);
	out.text = text.data;
	out.len = text.len;
	out.password = secret != NULL ? secret->text : NULL;
	rc = text.failed ? lead_fail(err, LEAD_ENOMEM, "out of memory") : fetch_mail(l->fetch, id, &out, err);
	buf_free(&text);
	return rc;
}

static int send_webhook(struct leadd *l, uint64_t id, const struct outbox_row *m, struct lead_error *err)
{
	const struct config *c = engine_config(l->engine);
	const struct notify_webhook *w = &c->notify.webhook;
	const struct secret *secret = config_secret(c, w->secret);
	char name[17], signature[SIGNATURE_TEXT];
	struct request r = {.method = "POST", .url = w->url, .body = (const char *)m->body.data, .body_len = m->body.len,
	    .connect_us = CONNECT_US, .total_us = WEBHOOK_US, .max_answer_bytes = ANSWER_BYTES};

	if (w->url == NULL) {
		return lead_fail(err, LEAD_EREMOTE, "the webhook is not configured any more");
	}
	if (secret == NULL) {
		return lead_fail(err, LEAD_EREMOTE, "the credential %s is missing", w->secret);
	}
	ids_write(m->id, name);
	/* a receiver refuses what is old or not ours */
	signature_write(secret->text, secret->len, m->body.data, m->body.len, clock_now().wall_us, signature);
	r.headers[r.n_headers++] = (struct request_header){"Content-Type", "application/json"};
	r.headers[r.n_headers++] = (struct request_header){"X-Leadd-Event", notice_word((enum notice)m->event)};
	r.headers[r.n_headers++] = (struct request_header){"X-Leadd-Id", name};
	r.headers[r.n_headers++] = (struct request_header){"X-Leadd-Signature", signature};
	return fetch_start(l->fetch, id, &r, err);
}

static void send_one(struct leadd *l, const struct outbox_row *m, struct testing *testing)
{
	struct sending *s = calloc(1, sizeof(*s));
	struct lead_error err;
	int rc;

	if (s == NULL) {
		abort();
	}
	s->id = NOTICE_ID | ++l->last_sending;
	s->message = m->id;
	s->way = m->way;
	s->testing = testing;
	(void)snprintf(s->to, sizeof(s->to), "%s", m->to);
	rc = (m->way == OUTBOX_MAIL ? send_mail : send_webhook)(l, s->id, m, &err);
	if (rc != 0) {
		end(l, s, SENT_LATER, err.text);
		free(s);
		return;
	}
	s->next = l->sendings;
	l->sendings = s;
}

void notify_send(struct leadd *l, const struct outbox_row *m)
{
	send_one(l, m, NULL);
}

void notify_stop(struct leadd *l)
{
	while (l->sendings != NULL) {
		struct sending *s = l->sendings;

		l->sendings = s->next;
		if (s->testing != NULL && --s->testing->waiting == 0) {
			json_object_put(s->testing->items);
			free(s->testing);
		}
		free(s);
	}
}

/* --- POST /v1/notify/test --- */

static void test_mail(struct leadd *l, struct testing *x, struct outbox_row *m, const char *to)
{
	static const char subject[] = "test of leadd", text[] = "This is how leadd tells what happens at night. It was asked to by `leadctl notify test`.\n";

	m->way = OUTBOX_MAIL;
	m->id = ids_next(m->id, m->created_us);
	m->subject = (struct slice){(const uint8_t *)subject, strlen(subject)};
	m->body = (struct slice){(const uint8_t *)text, strlen(text)};
	(void)snprintf(m->to, sizeof(m->to), "%s", to);
	x->waiting++;
	send_one(l, m, x);
}

static void test_webhook(struct leadd *l, struct testing *x, struct outbox_row *m, const char *url)
{
	struct buf body = {0};
	char id[17], at[25];

	m->way = OUTBOX_WEBHOOK;
	m->id = ids_next(m->id, m->created_us);
	ids_write(m->id, id);
	time_write_utc(m->created_us, at);
	buf_printf(&body, "{\"id\":\"%s\",\"event\":\"test\",\"at\":\"%s\",\"subject\":\"test of leadd\"}", id, at);
	m->body = (struct slice){(const uint8_t *)body.data, body.len};
	(void)snprintf(m->to, sizeof(m->to), "%s", url);
	x->waiting++;
	send_one(l, m, x);
	buf_free(&body);
}

void post_notify_test(void *app, struct http_request *r)
{
	struct leadd *l = app;
	const struct config *c = engine_config(l->engine);
	struct outbox_row m = {.event = NOTICE_TEST, .things = 1, .created_us = clock_now().wall_us};
	struct testing *x;

	if (c->notify.mail.server == NULL && c->notify.webhook.url == NULL) {
		http_reply_problem(r, 409, "not-configured", "neither mail nor a webhook stands under 'notify' in %s", l->config_file);
		return;
	}
	x = calloc(1, sizeof(*x));
	if (x == NULL) {
		abort();
	}
	x->r = r;
	x->items = json_object_new_array();
	x->waiting = 1;
	for (size_t i = 0; c->notify.mail.server != NULL && i < c->notify.mail.n_to; i++) {
		test_mail(l, x, &m, c->notify.mail.to[i]);
	}
	for (size_t o = 0; c->notify.mail.server != NULL && o < c->n_orgs; o++) {
		for (size_t i = 0; i < c->orgs[o].n_mail_to; i++) {
			test_mail(l, x, &m, c->orgs[o].mail_to[i]);
		}
	}
	if (c->notify.webhook.url != NULL) {
		test_webhook(l, x, &m, c->notify.webhook.url);
	}
	test_end(x);
}
