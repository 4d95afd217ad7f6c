/* What was told already: marks in the store, which memory has all of. See notify.c. */
#include "lib/engine/tell/notify_parts.h"

#include "lib/engine/state.h"

#include <stdlib.h>

#define REPEAT_US (3600 * US_PER_S)
#define PERIOD_OVER_US (62 * US_PER_DAY) /* nobody asks for a day's or a month's budget any more */
#define TIDY_US (3600 * US_PER_S)

bool notify_has_receiver(const struct engine *e)
{
	return e->config->notify.mail.server != NULL || e->config->notify.webhook.url != NULL;
}

bool notify_is_wanted(const struct engine *e, enum notice n)
{
	return e->effects.send != NULL && notify_has_receiver(e) && (e->config->notify.on >> n & 1) != 0;
}

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

bool notify_mark(struct engine *e, const uint8_t key[TOLD_KEY], int64_t limit_micro)
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

void notify_unmark(struct engine *e, const uint8_t key[TOLD_KEY])
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

void notify_tidy(struct engine *e)
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
