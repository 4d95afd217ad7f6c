/* lib/sim/scenario_crm.c: what scenarios say about HubSpot, Supabase and n8n. */
#include "lib/sim/scenario_read.h"

#include "lib/sim/webhooks.h"

void scenario_crm_default(struct scenario *s)
{
	s->hubspot_companies_ppm = 200000;
	s->hubspot_contacts_ppm = 100000;
	s->supabase_rows = 12;
	s->close_tasks = 60;
	s->n8n = (struct scenario_n8n){.companies = 200,
	    .portal_ppm = 40000,
	    .invalid_ppm = 30000,
	    .repeat_ppm = 200000,
	    .no_makers_ppm = 150000,
	    .no_anecdotes_ppm = 150000,
	    .early_ppm = 50000,
	    .twice_ppm = 50000};
	s->n8n.verdict_ppm[VERDICT_INVALID] = 220000;
	s->n8n.verdict_ppm[VERDICT_CATCH_ALL] = 80000;
	s->n8n.verdict_ppm[VERDICT_UNKNOWN] = 30000;
}

static void read_callbacks(
    struct scenario_reader *r, const struct yaml_node *n, struct scenario_n8n *s)
{
	static const char *const keys[] = {"early", "twice", "lost", "failed", NULL};

	if (yaml_only_keys(r->y, n, keys, "callbacks", r->p)) {
		scenario_read_share(r, n, "early", &s->early_ppm);
		scenario_read_share(r, n, "twice", &s->twice_ppm);
		scenario_read_share(r, n, "lost", &s->lost_ppm);
		scenario_read_share(r, n, "failed", &s->failed_ppm);
	}
}

static void read_n8n(struct scenario_reader *r, const struct yaml_node *map, struct scenario_n8n *s)
{
	static const char *const modes[] = {"finished", "callback", "poll", NULL};
	const struct yaml_node *n = yaml_get(map, "callbacks");

	(void)yaml_read_word(r->y, map, "respond", modes, &s->respond, r->p);
	(void)yaml_read_bool(r->y, map, "cloud", &s->cloud, r->p);
	scenario_read_uint(r, map, "companies", 1, 100000, &s->companies);
	scenario_read_share(r, map, "portal", &s->portal_ppm);
	scenario_read_share(r, map, "invalid", &s->invalid_ppm);
	scenario_read_share(r, map, "repeat", &s->repeat_ppm);
	scenario_read_share(r, map, "no_makers", &s->no_makers_ppm);
	scenario_read_share(r, map, "no_anecdotes", &s->no_anecdotes_ppm);
	scenario_read_shares(r, map, "verdicts", verdict_words, s->verdict_ppm);
	if (n != NULL) {
		read_callbacks(r, n, s);
	}
}

void scenario_crm_read(struct scenario_reader *r, const struct yaml_node *map,
    enum world_service id, struct scenario *s)
{
	if (id == WORLD_HUBSPOT) {
		scenario_read_share(r, map, "companies", &s->hubspot_companies_ppm);
		scenario_read_share(r, map, "contacts", &s->hubspot_contacts_ppm);
	} else if (id == WORLD_SUPABASE) {
		scenario_read_uint(r, map, "rows", 0, 100000, &s->supabase_rows);
	} else if (id == WORLD_CLOSE) {
		scenario_read_uint(r, map, "tasks", 0, 100000, &s->close_tasks);
	} else if (id == WORLD_N8N) {
		read_n8n(r, map, &s->n8n);
	}
}
