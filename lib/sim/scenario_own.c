/* lib/sim/scenario_own.c: what a scenario can say about one service and no other. */
#include "lib/sim/scenario_read.h"

const char *const *scenario_own_keys(enum world_service id)
{
#define COMMON "expected", "latency", "random", "script", "keys", "limits"
	static const char *const known[WORLD_SERVICES][24] = {
	    [WORLD_ZEROBOUNCE] = {COMMON, "price", "verdicts", NULL},
	    [WORLD_PERPLEXITY] = {COMMON, "no_facts", NULL},
	    [WORLD_OPENAI] = {COMMON, "copy", "quota_code", NULL},
	    [WORLD_INSTANTLY] = {COMMON, "duplicate", "campaigns", "index_delay", "contacted", NULL},
	    [WORLD_HUBSPOT] = {COMMON, "companies", "contacts", NULL},
	    [WORLD_SUPABASE] = {COMMON, "rows", NULL},
	    [WORLD_N8N] = {COMMON, "respond", "cloud", "companies", "portal", "invalid", "repeat",
		"no_makers", "no_anecdotes", "callbacks", "verdicts", NULL},
	    [WORLD_APOLLO] = {COMMON, "price", "async", "missing", NULL},
	    [WORLD_APIFY] = {COMMON, "price", "run", "failed", "concurrent", NULL},
	    [WORLD_CLOSE] = {COMMON, "tasks", NULL},
	    [WORLD_HUNTER] = {COMMON, "price", "not_found", "in_work", "mail_server", "opted_out", "verdicts", NULL},
	};

	return known[id];
}

/* A list of ids, which are their own names, or a map from name to id. */
static void read_campaigns(
    struct scenario_reader *r, const struct yaml_node *map, struct scenario *s)
{
	const struct yaml_node *all = yaml_get(map, "campaigns");

	if (all == NULL) {
		return;
	}
	if ((all->kind != YAML_LIST && all->kind != YAML_MAP) || all->n > SCENARIO_CAMPAIGNS) {
		problems_add(r->p, r->y, all,
		    "campaigns: a list of ids or a map of names with their ids is wanted, at most "
		    "%d",
		    SCENARIO_CAMPAIGNS);
		return;
	}
	s->n_campaigns = 0;
	for (const struct yaml_node *n = all->first; n != NULL; n = n->next) {
		struct scenario_campaign *c = &s->campaigns[s->n_campaigns++];

		scenario_take_text(r, n, n->text, "campaigns", c->id, sizeof(c->id));
		scenario_take_text(r, n, all->kind == YAML_MAP ? n->key : n->text, "campaigns",
		    c->name, sizeof(c->name));
	}
}

void scenario_read_own(struct scenario_reader *r, const struct yaml_node *map,
    enum world_service id, struct scenario *s)
{
	static const char *const duplicates[] = {"conflict", "existing", NULL};
	int word;

	switch (id) {
	case WORLD_ZEROBOUNCE:
		(void)yaml_read_money(r->y, map, "price", &s->validate_micro, r->p);
		scenario_read_shares(r, map, "verdicts", verdict_words, s->verdict_ppm);
		break;
	case WORLD_PERPLEXITY:
		scenario_read_share(r, map, "no_facts", &s->no_facts_ppm);
		break;
	case WORLD_OPENAI:
		scenario_read_shares(r, map, "copy", copy_words, s->copy_ppm);
		(void)yaml_read_word(r->y, map, "quota_code", quota_words, &s->quota_code, r->p);
		break;
	case WORLD_INSTANTLY:
		if (yaml_read_word(r->y, map, "duplicate", duplicates, &word, r->p)) {
			s->duplicate_conflict = word == 0;
		}
		read_campaigns(r, map, s);
		(void)yaml_read_duration(
		    r->y, map, "index_delay", 0, US_PER_DAY, &s->index_us, r->p);
		scenario_read_share(r, map, "contacted", &s->contacted_ppm);
		break;
	case WORLD_APOLLO:
		(void)yaml_read_money(r->y, map, "price", &s->apollo.credit_micro, r->p);
		(void)yaml_read_duration(
		    r->y, map, "async", 0, US_PER_DAY, &s->apollo.async_us, r->p);
		(void)yaml_read_word(r->y, map, "missing", missing_words, &s->apollo.missing, r->p);
		break;
	case WORLD_APIFY:
		(void)yaml_read_money(r->y, map, "price", &s->apify.item_micro, r->p);
		(void)yaml_read_duration(r->y, map, "run", 0, US_PER_DAY, &s->apify.run_us, r->p);
		scenario_read_share(r, map, "failed", &s->apify.failed_ppm);
		scenario_read_uint(r, map, "concurrent", 0, 1000000, &s->apify.concurrent);
		break;
	case WORLD_HUNTER:
		(void)yaml_read_money(r->y, map, "price", &s->hunter.credit_micro, r->p);
		scenario_read_share(r, map, "not_found", &s->hunter.not_found_ppm);
		scenario_read_share(r, map, "in_work", &s->hunter.in_work_ppm);
		scenario_read_share(r, map, "mail_server", &s->hunter.mail_server_ppm);
		scenario_read_share(r, map, "opted_out", &s->hunter.opted_out_ppm);
		scenario_read_shares(r, map, "verdicts", verdict_words, s->hunter.verdict_ppm);
		break;
	default:
		scenario_crm_read(r, map, id, s);
		break;
	}
}
