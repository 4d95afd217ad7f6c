/*
 * lib/store/inbox.h: webhooks in: each as it came, and what became of it.
 *
 * An event is appended and never changed. Events are routed in the order of their ids, so one cursor says which are still to be
 * looked at; what became of one stands in a row of its own. An event that made a lead leaves a mark, so that it makes no second.
 * Personal data stands in the events alone.
 */
#pragma once

#include "lib/store/store.h"

#define INBOX_NAME 64   /* bytes of an intake's name with its NUL */
#define INBOX_REASON 96

struct inbox_event {
	uint64_t id;             /* holds its time: lib/base/ids.h; the task's id outside */
	char intake[INBOX_NAME];
	struct slice body;       /* raw; borrowed */
};

void inbox_append(struct txn *t, const struct inbox_event *e);
bool inbox_event_read(struct txn *t, uint64_t id, struct inbox_event *ret);
/* The first event after `id`; false: there is none. */
bool inbox_next(struct txn *t, uint64_t id, struct inbox_event *ret);
uint64_t inbox_last(struct txn *t);   /* id of the newest; 0: none */
uint64_t inbox_oldest(struct txn *t); /* 0: none */

enum inbox_state { INBOX_MADE, INBOX_DUPLICATE, INBOX_IGNORED, INBOX_FAILED, INBOX_STATES };

struct inbox_mark {
	uint8_t bytes[16]; /* keyed hash of intake and event id */
};

/* What became of an event. */
struct inbox_row {
	uint64_t id;
	enum inbox_state state;
	uint32_t run, number;        /* MADE: the lead */
	uint64_t of;                 /* DUPLICATE: of that event */
	char reason[INBOX_REASON];   /* IGNORED, FAILED: a word, perhaps with a few behind it; no personal data */
	struct inbox_mark mark;      /* MADE */
};

bool inbox_row_read(struct txn *t, uint64_t id, struct inbox_row *ret);
/* MADE: with its mark. */
void inbox_row_write(struct txn *t, const struct inbox_row *r);
/* The event that left this mark; 0: none did. */
uint64_t inbox_marked(struct txn *t, const struct inbox_mark *m);

/* All up to that id were routed. */
uint64_t inbox_cursor(struct txn *t);
void inbox_cursor_write(struct txn *t, uint64_t id);
/* How many are still to be looked at. */
uint64_t inbox_waiting(struct txn *t);

/* Totals of an intake since its first event: they outlive the events. */
struct inbox_counts {
	char intake[INBOX_NAME];
	uint64_t received, states[INBOX_STATES];
	int64_t last_us;             /* wall: when the newest came */
};
bool inbox_counts_read(struct txn *t, const char *intake, struct inbox_counts *ret); /* else zeros */
void inbox_counts_write(struct txn *t, const struct inbox_counts *c);

/* Newest first, from the last below `before` (0: the newest); f returns false to stop and may not write. */
void inbox_back(struct txn *t, uint64_t before, bool (*f)(void *arg, const struct inbox_event *e), void *arg);

/* Forgets what was routed and is older than the id `before`: events, what became of them, marks. At most `most`; how many. */
size_t inbox_expire(struct txn *t, uint64_t before, size_t most);

/* For the check of a store: what kind of row that is; false when it is none. */
enum inbox_kind { INBOX_EVENT, INBOX_ROW, INBOX_MARK, INBOX_CURSOR, INBOX_COUNTS, INBOX_KINDS };
struct inbox_any {
	enum inbox_kind kind;
	struct inbox_event event;
	struct inbox_row row;
	struct inbox_mark mark;
	uint64_t id;                 /* MARK: the event; CURSOR */
};
bool inbox_decode(struct slice key, struct slice value, struct inbox_any *ret);
