/* lib/sim/instantly_campaigns.c: campaigns: list, make, show, activate. Without declared ones any
 * id is one. */
#include "lib/sim/instantly.h"

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

int instantly_campaigns(struct ask *q, struct world_plan *p)
{
	struct value search = ask_query(q, "search");
	bool first = true;

	plan_json(p, 200);
	buf_add_text(q->body, "{\"items\":[");
	for (size_t i = 0; i < q->leads->n_campaigns; i++) {
		if (search.kind == VALUE_STRING &&
		    strcasestr(q->leads->campaigns[i].name, search.text) == NULL) {
			continue;
		}
		buf_add_text(q->body, first ? "" : ",");
		write_campaign(q->body, &q->leads->campaigns[i]);
		first = false;
	}
	buf_add_text(q->body, "]}");
	return 0;
}

int instantly_new_campaign(struct ask *q, struct world_plan *p)
{
	struct campaign *c;
	char id[37];
	int rc;

	leads_name(id, ask_roll(q, "campaign"), q->leads->n_campaigns, false);
	rc = leads_add_campaign(q->leads, id, instantly_text(q, "name"), q->now.wall_us, &c);
	if (rc == LEAD_ENOMEM) {
		return rc;
	}
	if (rc != 0) {
		instantly_error(q, p, 400, "Too many campaigns");
		return 0;
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
