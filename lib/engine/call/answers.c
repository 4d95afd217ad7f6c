/*
 * What services answered is kept for a while, so that a night can be replayed (replay.h): headers and body as they came, in
 * the transaction that settles the call, until the oldest are due. A full store keeps none. The service's key never gets in.
 */

#include "lib/engine/call/answers.h"

#include "lib/base/arena.h"
#include "lib/base/ids.h"
#include "lib/engine/call/call.h"
#include "lib/engine/call/job.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/config/config.h"
#include "lib/engine/state.h"
#include "lib/service/answer.h"
#include "lib/store/body.h"

#include <stdio.h>
#include <stdlib.h>

#define SLICE 200                  /* answers deleted in one turn */
#define PACE_US (60 * US_PER_S)    /* between two looks at the oldest */
#define SECRET_LEAST 8             /* a shorter one could stand anywhere */

static void blot_out(const struct secret *s, char *text, size_t len)
{
	char *at = text, *found;

	while (len > 0 && (found = memmem(at, len - (size_t)(at - text), s->text, s->len)) != NULL) {
		memset(found, '*', s->len);
		at = found + s->len;
	}
}

/* Some services repeat the key when they refuse it. All of the service: a reload may have moved the one that was used. */
static void hide_secrets(const struct lane *l, char *text, size_t len)
{
	for (size_t k = 0; l->def != NULL && k < l->def->n_keys; k++) {
		const struct secret *s = l->keys[k].secret;

		if (s != NULL && s->len >= SECRET_LEAST) {
			blot_out(s, text, len);
		}
	}
}

static void fill_row(const struct http_answer *h, struct body_row *row)
{
	row->transport = (uint8_t)h->transport;
	row->status = (uint16_t)(h->status > 0 && h->status < 1000 ? h->status : 0);
	row->first_us = h->sent_us != 0 && h->first_byte_us > h->sent_us ? h->first_byte_us - h->sent_us : 0;
	row->end_us = h->sent_us != 0 && h->end_us > h->sent_us ? h->end_us - h->sent_us : 0;
	(void)snprintf(row->why, sizeof(row->why), "%s", h->why != NULL ? h->why : "");
	for (size_t i = 0; i < h->n_headers && row->n_headers < BODY_HEADERS; i++) {
		row->headers[row->n_headers++] = (struct body_header){h->headers[i].name, h->headers[i].value};
	}
}

void answers_gather(struct engine *e, struct outcome *o, const struct http_answer *h, char *body)
{
	struct body_row row = {0};
	struct buf head = {0};

	if (e->config->keep_us == 0) {
		return;
	}
	if (body != NULL) {
		hide_secrets(o->call->lane, body, h->body_len);
	}
	fill_row(h, &row);
	if (o->by != NULL && row.n_headers < BODY_HEADERS) {
		row.headers[row.n_headers++] = (struct body_header){JOB_HEADER, o->by};
	}
	(void)buf_grow(&head, 500); /* enough for most, at once */
	body_head_write(&row, &head);
	o->head = head.failed ? NULL : (uint8_t *)arena_dup(&o->arena, head.data, head.len);
	o->head_len = head.len;
	buf_free(&head);
	if (o->head == NULL) {
		abort(); /* out of memory: the restart finds the call open and in doubt */
	}
	hide_secrets(o->call->lane, (char *)o->head, o->head_len);
}

void answers_write(struct engine *e, const struct outcome *o)
{
	if (o->head != NULL && e->config->keep_us > 0 && !e->full) {
		body_write(e->txn, o->call->id, (struct slice){o->head, o->head_len},
		    (struct slice){(const uint8_t *)o->body, o->body_len});
	}
}

void answers_expire(struct engine *e)
{
	int64_t keep_us = e->config->keep_us, wait_us;
	uint64_t oldest;

	if (e->now.boot_us < e->answers_us) {
		return;
	}
	if (body_expire(e->txn, ids_next(0, e->now.wall_us - keep_us), SLICE) == SLICE) {
		e->more = true;
		return;
	}
	oldest = body_oldest(e->txn);
	wait_us = oldest != 0 ? ids_wall_us(oldest) + keep_us - e->now.wall_us : keep_us;
	e->answers_us = oldest == 0 && keep_us == 0 ? TIME_NEVER : e->now.boot_us + (wait_us > PACE_US ? wait_us : PACE_US);
}
