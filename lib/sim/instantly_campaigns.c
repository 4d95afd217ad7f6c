/*
 * lib/sim/instantly_campaigns.c: campaigns: list, make, show, activate. Without declared ones any
 * id is one. Two of the same name may be: the provider does not mind. A cursor comes with every
 * full page, the last included.
 */
#include "lib/sim/instantly.h"

#include <stdlib.h>
#include <string.h>

static void write_campaign(struct buf *out, const struct campaign *c)
{
	char when[25];

	time_write_utc(c->created_us, when);
	buf_add_text(out, "{\"id\":");
	json_add(out, c->id);
	buf_add_text(out, ",\"name\":");
	json_add(out, c->name);
	buf_printf(out, ",\"status\":%d,\"timestamp_created\":\"%s\",\"timestamp_updated\":\"%s\"}",
	    c->status, when, when);
}

static bool is_listed(const struct campaign *c, const char *search, const char *status)
{
	return (search == NULL || strcasestr(c->name, search) != NULL) &&
	       (status == NULL || atoi(status) == c->status);
}

/* Where the page begins: behind the campaign of the cursor. */
static size_t behind(struct ask *q, const char *cursor)
{
	struct campaign *c = cursor != NULL ? leads_campaign(q->leads, cursor) : NULL;

	return cursor == NULL ? 0
	       : c != NULL    ? (size_t)(c - q->leads->campaigns) + 1
			      : q->leads->n_campaigns;
}

int instantly_campaigns(struct ask *q, struct world_plan *p)
{
	const char *search = ask_query_text(q, "search"), *status = ask_query_text(q, "status"),
		   *last = NULL;
	size_t limit = ask_query_count(q, "limit", 1, 100, 100, 400), shown = 0;

	if (q->bad != NULL) {
		instantly_error(q, p, 400, q->bad);
		return 0;
	}
	plan_json(p, 200);
	buf_add_text(q->body, "{\"items\":[");
	for (size_t i = behind(q, ask_query_text(q, "starting_after"));
	     i < q->leads->n_campaigns && shown < limit; i++) {
		const struct campaign *c = &q->leads->campaigns[i];

		if (is_listed(c, search, status)) {
			buf_add_text(q->body, shown++ > 0 ? "," : "");
			write_campaign(q->body, c);
			last = c->id;
		}
	}
	buf_add_char(q->body, ']');
	if (shown == limit) {
		buf_add_text(q->body, ",\"next_starting_after\":");
		json_add(q->body, last);
	}
	buf_add_char(q->body, '}');
	return 0;
}

int instantly_new_campaign(struct ask *q, struct world_plan *p)
{
	struct campaign *c;
	char id[37];
	int rc;

	leads_name(id, ask_roll(q, "campaign"), q->leads->n_campaigns, false);
	rc = leads_add_campaign(q->leads, id, instantly_text(q, "name"), q->now.wall_us, &c);
	if (rc != 0) {
		return rc;
	}
	plan_json(p, 200);
	write_campaign(q->body, c);
	return 0;
}

int instantly_campaign(struct ask *q, struct world_plan *p)
{
	const char *tail = q->path + strlen("/api/v2/campaigns/");
	char *id = arena_dup(q->a, tail, strcspn(tail, "/"));
	struct campaign *c = id != NULL ? leads_campaign(q->leads, id) : NULL;

	if (id == NULL ||
	    (c == NULL && q->s->n_campaigns == 0 &&
		leads_add_campaign(q->leads, id, id, q->now.wall_us, &c) == LEAD_ENOMEM)) {
		return LEAD_ENOMEM;
	}
	if (c == NULL) {
		instantly_error(q, p, 404, "Campaign not found");
		return 0;
	}
	if (q->endpoint == EP_ACTIVATE_CAMPAIGN) {
		c->status = 1;
	}
	plan_json(p, 200);
	write_campaign(q->body, c);
	return 0;
}
