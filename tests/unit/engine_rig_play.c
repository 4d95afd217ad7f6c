/* tests/unit/engine_rig_play.c: turns, the clock, and the answers of services. See engine_rig.h. */
#include "engine_rig.h"

/* --- turns and time --- */

int rig_turn(struct rig *r)
{
	struct lead_error err = {.text = ""};
	int rc = engine_turn(r->engine, r->now, &err);

	if (rc < 0 && rc != LEAD_EFULL) {
		fail_msg("turn: %d %s", rc, err.text);
	}
	return rc;
}

int rig_settle(struct rig *r)
{
	int rc;

	do {
		rc = rig_turn(r);
	} while (rc == TURN_MORE || (rc == TURN_IDLE && engine_pending(r->engine)));
	return rc;
}

void rig_pass(struct rig *r, int64_t us)
{
	r->now.boot_us += us;
	r->now.wall_us += us;
	rig_settle(r);
}

/* Asks serve what becomes of calls it has not seen yet. */
static void serve_new(struct rig *r, size_t *served)
{
	for (; *served < r->n_calls; (*served)++) {
		struct seen *c = &r->calls[*served];

		c->status = 200;
		c->due_us = c->start_us + 100 * US_PER_MS;
		(void)snprintf(c->answer, sizeof(c->answer), "{}");
		if (r->serve != NULL) {
			r->serve(r, c);
		}
	}
}

static size_t next_due(const struct rig *r)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < r->n_calls; i++) {
		if (r->calls[i].open &&
		    (best == SIZE_MAX || r->calls[i].due_us < r->calls[best].due_us)) {
			best = i;
		}
	}
	return best;
}

void rig_play(struct rig *r, int64_t until_us)
{
	size_t served = 0;

	rig_settle(r);
	for (;;) {
		int64_t at = r->later_us;
		size_t call;

		serve_new(r, &served);
		call = next_due(r);
		for (size_t i = 0; i < RIG_LANES; i++) {
			at = r->wake_us[i] < at ? r->wake_us[i] : at;
		}
		at = call != SIZE_MAX && r->calls[call].due_us < at ? r->calls[call].due_us : at;
		if (at > until_us) {
			return;
		}
		if (at > r->now.boot_us) {
			r->now.wall_us += at - r->now.boot_us;
			r->now.boot_us = at;
		}
		if (call != SIZE_MAX && r->calls[call].due_us <= r->now.boot_us) {
			rig_answer(r, call, r->calls[call].status, r->calls[call].answer);
		} else {
			rig_settle(r);
		}
	}
}

/* --- answers --- */

void rig_gather(struct rig *r, size_t call, const struct http_answer *h)
{
	struct http_answer copy = *h;
	struct seen *c = &r->calls[call];

	assert_true(call < r->n_calls && c->open);
	c->open = false;
	if (r->now.boot_us + r->shift_us < c->late_us) {
		c->late_us = r->now.boot_us + r->shift_us;
	}
	copy.sent_us = c->start_us;
	copy.end_us = r->now.boot_us;
	if (h->transport == TRANSPORT_ANSWERED) {
		copy.first_byte_us = r->now.boot_us;
		engine_first_byte(r->engine, c->id, r->now.boot_us);
	}
	engine_answered(r->engine, c->id, &copy,
	    h->body != NULL ? strndup(h->body, h->body_len) : NULL, r->now);
}

void rig_answer_with(struct rig *r, size_t call, const struct http_answer *h)
{
	rig_gather(r, call, h);
	rig_settle(r);
}

void rig_answer(struct rig *r, size_t call, int status, const char *body)
{
	struct http_answer h = {.transport = TRANSPORT_ANSWERED,
	    .status = status,
	    .body = body,
	    .body_len = strlen(body)};

	rig_answer_with(r, call, &h);
}

void rig_broken(struct rig *r, size_t call)
{
	rig_answer_with(
	    r, call, &(struct http_answer){.transport = TRANSPORT_BROKEN, .why = "reset"});
}

size_t rig_last(const struct rig *r)
{
	assert_true(r->n_calls > 0 && r->calls[r->n_calls - 1].open);
	return r->n_calls - 1;
}
