/* lib/sim/people_json.c: people and companies as Apollo and its scrapers write them. */
#include "lib/sim/people.h"

#include <string.h>

#include "lib/base/json.h"
#include "lib/sim/model.h"

static void add_text(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, ",\"%s\":", name);
	json_add(out, text);
}

void people_write_company(struct buf *out, const struct company *c)
{
	buf_printf(out, "{\"id\":\"%s\",\"name\":", c->id);
	json_add(out, c->name);
	buf_add_text(out, ",\"website_url\":\"http://www.");
	json_write_escaped(out, c->domain, strlen(c->domain));
	buf_add_char(out, '"');
	add_text(out, "primary_domain", c->domain);
	add_text(out, "industry", c->industry);
	buf_printf(out,
	    ",\"estimated_num_employees\":%u,\"annual_revenue\":%lld,\"founded_year\":%u",
	    c->employees, (long long)c->revenue, c->founded);
	add_text(out, "city", c->city);
	add_text(out, "state", c->state);
	add_text(out, "country", c->country);
	buf_add_text(out, ",\"technology_names\":[\"Gmail\",\"Salesforce\"]}");
}

void people_write(struct buf *out, const struct person *p, bool email)
{
	buf_printf(out, "{\"id\":\"%s\"", p->id);
	add_text(out, "first_name", p->first);
	add_text(out, "last_name", p->last);
	buf_printf(out, ",\"name\":\"");
	json_write_escaped(out, p->first, strlen(p->first));
	buf_add_char(out, ' ');
	json_write_escaped(out, p->last, strlen(p->last));
	buf_add_char(out, '"');
	add_text(out, "title", p->title);
	add_text(out, "seniority", p->seniority);
	add_text(out, "linkedin_url", p->linkedin);
	if (email) {
		add_text(out, "email", p->email[0] != '\0' ? p->email : NULL);
		add_text(out, "email_status", p->email_status);
	}
	add_text(out, "city", p->city);
	add_text(out, "state", p->state);
	add_text(out, "country", p->country);
	add_text(out, "organization_id", p->at.id);
	add_text(out, "organization_name", p->at.name);
	buf_add_text(out, ",\"organization\":");
	people_write_company(out, &p->at);
	buf_add_char(out, '}');
}
