/*
 * Messages on their way: into the store in the turn of what they tell of, out after a commit, and gone when the receiver took
 * them. Whatever may not have arrived is sent again under the same id. What fails for good, or for a day, is given up and
 * stays to be seen for a week.
 *
 * Conditions gather for a few seconds, so that a night that goes wrong everywhere is one mail and not twenty.
 */

#include "lib/engine/tell/outbox.h"

#include "lib/base/ids.h"
#include "lib/engine/show/show.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"
#include "lib/flow/retry.h"
#include "lib/store/outbox.h"

#include <stdio.h>

#define GATHER_US (10 * US_PER_S)
#define GIVE_UP_US US_PER_DAY
#define KEEP_US (7 * US_PER_DAY)    /* what was given up */
#define LOOK_US (3600 * US_PER_S)   /* at the latest */
#define DIGEST_BYTES ((size_t)32 * 1024)

static const struct retry_spec again = {.base_us = 30 * US_PER_S, .cap_us = 3600 * US_PER_S};

static bool is_sending(const struct engine *e, uint64_t id)
{
	for (size_t i = 0; i < e->n_sending; i++) {
		if (e->sending[i] == id) {
			return true;
		}
	}
	return false;
}

/* --- in --- */

struct finding {
	const struct engine *e;
	const char *to;
	uint64_t id; /* 0: none */
};

/* Nobody has seen it yet, and it tells of conditions. */
static bool on_open(void *arg, const struct outbox_row *r)
{
	struct finding *f = arg;
	bool open = r->way == OUTBOX_MAIL && r->state == OUTBOX_WAITING && r->attempts == 0 && r->event != NOTICE_RUN_DONE &&
		    r->event != NOTICE_RUN_FAILED && r->body.len < DIGEST_BYTES && !is_sending(f->e, r->id);

	if (open && strcmp(r->to, f->to) == 0) {
		f->id = r->id;
	}
	return true;
}

static bool add_to_digest(struct engine *e, const char *to, const char *text)
{
	struct finding f = {.e = e, .to = to};
	struct outbox_row row;
	struct buf body = {0};

	outbox_each(e->txn, on_open, &f);
	if (f.id == 0 || !outbox_read(e->txn, f.id, &row)) {
		return false;
	}
	buf_add(&body, row.body.data, row.body.len);
	buf_add_char(&body, '\n');
	buf_add_text(&body, text);
	row.body = (struct slice){(const uint8_t *)body.data, body.len};
	row.things++;
	if (!body.failed) {
		outbox_write(e->txn, &row);
	}
	buf_free(&body);
	return true;
}

static void add(struct engine *e, struct outbox_row *row, const char *subject, const char *body, int64_t wait_us)
{
	row->things = 1;
	row->created_us = e->now.wall_us;
	row->due_us = e->now.wall_us + wait_us;
	row->subject = (struct slice){(const uint8_t *)subject, strlen(subject)};
	row->body = (struct slice){(const uint8_t *)body, strlen(body)};
	outbox_write(e->txn, row);
	e->outbox_us = 0;
}

static uint64_t next_id(struct engine *e)
{
	e->last_message = ids_next(e->last_message, e->now.wall_us);
	return e->last_message;
}

static void add_mails(struct engine *e, const struct notice_text *n)
{
	const struct notify_mail *m = &e->config->notify.mail;
	const char *const *to = m->to;
	size_t n_to = m->n_to;
	bool run = n->event == NOTICE_RUN_DONE || n->event == NOTICE_RUN_FAILED;

	for (size_t i = 0; n->organisation != NULL && i < e->config->n_orgs; i++) {
		const struct org *o = &e->config->orgs[i];

		if (strcmp(o->name, n->organisation) == 0 && o->n_mail_to > 0) {
			to = o->mail_to;
			n_to = o->n_mail_to;
		}
	}
	for (size_t i = 0; i < n_to; i++) {
		struct outbox_row row = {.way = OUTBOX_MAIL, .event = (uint8_t)n->event, .run = n->run};

		(void)snprintf(row.to, sizeof(row.to), "%s", to[i]);
		if (run || !add_to_digest(e, to[i], n->text)) {
			row.id = next_id(e);
			add(e, &row, n->subject, n->text, run ? 0 : GATHER_US);
		}
	}
}

/* Takes n->object. */
static void add_webhook(struct engine *e, const struct notice_text *n)
{
	struct outbox_row row = {.way = OUTBOX_WEBHOOK, .event = (uint8_t)n->event, .run = n->run, .id = next_id(e)};
	struct json_object *o = json_object_new_object();

	put_call_id(o, "id", row.id);
	put_word(o, "event", notice_word(n->event));
	put_wall(o, "at", e->now.wall_us);
	put_word(o, "subject", n->subject);
	put_text(o, "organisation", n->organisation);
	json_object_object_add(o, n->object_name, json_object_get(n->object));
	add(e, &row, n->subject, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), 0);
	json_object_put(o);
}

void outbox_add(struct engine *e, const struct notice_text *n)
{
	if (e->config->notify.mail.server != NULL) {
		add_mails(e, n);
	}
	if (e->config->notify.webhook.url != NULL) {
		add_webhook(e, n);
	}
	json_object_put(n->object);
}

/* --- out --- */

struct looking {
	struct engine *e;
	int64_t next_us;                /* wall */
	uint64_t old[SENDING_MOST];     /* given up long ago */
	size_t n_old;
};

static bool on_row(void *arg, const struct outbox_row *r)
{
	struct looking *l = arg;
	struct engine *e = l->e;
	int64_t due_us = r->state == OUTBOX_GIVEN_UP ? r->created_us + KEEP_US : r->due_us;

	if (is_sending(e, r->id)) {
		return true;
	}
	if (r->state == OUTBOX_WAITING && due_us > e->now.wall_us + again.cap_us) {
		due_us = e->now.wall_us; /* the clock was set back */
	}
	if (due_us > e->now.wall_us) {
		l->next_us = due_us < l->next_us ? due_us : l->next_us;
	} else if (r->state == OUTBOX_GIVEN_UP && l->n_old < SENDING_MOST) {
		l->old[l->n_old++] = r->id;
	} else if (r->state == OUTBOX_WAITING && e->n_sending < SENDING_MOST) {
		e->sending[e->n_sending++] = r->id;
	}
	/* else: looked at again when one of those sent is settled */
	return true;
}

void outbox_step(struct engine *e)
{
	struct looking l = {.e = e, .next_us = e->now.wall_us + LOOK_US};

	if (e->effects.send == NULL || e->draining || e->recovered) {
		e->outbox_us = e->recovered ? 0 : TIME_NEVER;
		return;
	}
	if (e->now.boot_us < e->outbox_us) {
		return;
	}
	outbox_each(e->txn, on_row, &l);
	for (size_t i = 0; i < l.n_old; i++) {
		outbox_delete(e->txn, l.old[i]);
	}
	e->outbox_us = e->now.boot_us + (l.next_us - e->now.wall_us);
}

void outbox_release(struct engine *e)
{
	struct txn *t = NULL;

	if (e->n_released == e->n_sending || txn_begin(e->store, false, &t, NULL) != 0) {
		return; /* with no reader free: after the next turn */
	}
	for (; e->n_released < e->n_sending; e->n_released++) {
		struct outbox_row row;

		if (outbox_read(t, e->sending[e->n_released], &row)) {
			e->effects.send(e->effects.ctx, &row);
		}
	}
	txn_abort(t);
}

void outbox_forget(struct engine *e)
{
	e->n_sending = e->n_released; /* chosen in a turn that was not kept */
	e->outbox_us = 0;
}

/* --- settled --- */

static void drop_sending(struct engine *e, uint64_t id)
{
	for (size_t i = 0; i < e->n_sending; i++) {
		if (e->sending[i] == id) {
			e->n_sending--;
			e->n_released -= e->n_released > i ? 1 : 0;
			memmove(&e->sending[i], &e->sending[i + 1], (e->n_sending - i) * sizeof(e->sending[0]));
			return;
		}
	}
}

void outbox_settle(struct engine *e, struct command *c)
{
	struct outbox_row row;

	drop_sending(e, c->message);
	e->outbox_us = 0;
	if (!outbox_read(e->txn, c->message, &row)) {
		return;
	}
	if (c->sent == SENT_OK) {
		outbox_delete(e->txn, row.id);
		return;
	}
	row.attempts++;
	(void)snprintf(row.said, sizeof(row.said), "%s", c->said);
	if (c->sent == SENT_REFUSED || e->now.wall_us - row.created_us >= GIVE_UP_US) {
		row.state = OUTBOX_GIVEN_UP;
		c->count = 1;
	}
	row.due_us = e->now.wall_us + retry_wait_us(&again, row.attempts, 0, dice_roll(&e->dice));
	outbox_write(e->txn, &row);
}

/* --- to be seen --- */

struct seeing {
	uint64_t waiting, given_up;
	char last[512];
};

static bool on_seen(void *arg, const struct outbox_row *r)
{
	struct seeing *s = arg;

	s->waiting += r->state == OUTBOX_WAITING;
	s->given_up += r->state == OUTBOX_GIVEN_UP;
	if (r->attempts > 0) {
		(void)snprintf(s->last, sizeof(s->last), "%s about %s: %s", r->way == OUTBOX_MAIL ? r->to : "webhook",
		    notice_word((enum notice)r->event), r->said);
	}
	return true;
}

struct json_object *outbox_show(struct txn *t)
{
	struct json_object *o = json_object_new_object();
	struct seeing s = {0};

	outbox_each(t, on_seen, &s);
	put_int(o, "waiting", (int64_t)s.waiting);
	put_int(o, "given_up", (int64_t)s.given_up);
	put_text(o, "last_failure", s.last);
	return o;
}
