/*
 * The webhooks that came in: every event up to the cursor is routed and none behind it, every lead of theirs exists, and every mark has
 * its event.
 */
#include "lib/store/check_parts.h"

#include "lib/base/ids.h"
#include "lib/store/inbox.h"

static void check_made(struct checking *c, const struct inbox_row *r)
{
	struct item i;
	char id[17];

	ids_write(r->id, id);
	if (!item_read(c->t, r->run, r->number, &i)) {
		check_tell(c, "event %s made lead %u/%u, which is not there", id, r->run, r->number);
	}
	if (inbox_marked(c->t, &r->mark) != r->id) {
		check_tell(c, "event %s made lead %u/%u but has left no mark", id, r->run, r->number);
	}
}

static void check_event(struct checking *c, uint64_t id, uint64_t cursor)
{
	struct inbox_row row;
	char text[17];

	c->counts.events++;
	if (inbox_row_read(c->t, id, &row) != (id <= cursor)) {
		ids_write(id, text);
		check_tell(c, "event %s %s", text, id <= cursor ? "was passed over" : "is routed before its turn");
	}
}

static bool on_inbox(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct inbox_event event;
	struct inbox_any any;
	struct inbox_row row;

	if (!inbox_decode(key, value, &any)) {
		check_tell(c, "a row of the inbox cannot be read");
	} else if (any.kind == INBOX_EVENT) {
		check_event(c, any.event.id, inbox_cursor(c->t));
	} else if (any.kind == INBOX_ROW) {
		if (!inbox_event_read(c->t, any.row.id, &event)) {
			check_tell(c, "what became of an event is there without the event");
		}
		if (any.row.state == INBOX_MADE) {
			check_made(c, &any.row);
		}
	} else if (any.kind == INBOX_MARK && (!inbox_row_read(c->t, any.id, &row) || row.state != INBOX_MADE)) {
		check_tell(c, "there is a mark of an event that made no lead");
	}
	return true;
}

void pass_inbox(struct checking *c)
{
	txn_walk(c->t, TABLE_INBOX, key_of(), key_of(), on_inbox, c);
}
