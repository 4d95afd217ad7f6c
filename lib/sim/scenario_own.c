/* lib/sim/scenario_own.c: what a scenario can say about one service and no other. */
#include "lib/sim/scenario_read.h"

const char *const *scenario_own_keys(enum world_service id)
{
#define COMMON "expected", "latency", "random", "script", "keys", "limits"
	static const char *const known[WORLD_SERVICES][24] = {
	    [WORLD_ZEROBOUNCE] = {COMMON, "price", "verdicts", NULL},
	    [WORLD_PERPLEXITY] = {COMMON, "no_facts", NULL},
	    [WORLD_OPENAI] = {COMMON, "copy", "quota_code", NULL},
	    [WORLD_INSTANTLY] = {COMMON, "duplicate", "campaigns", NULL},
	    [WORLD_APOLLO] = {COMMON, NULL},
	    [WORLD_APIFY] = {COMMON, NULL},
	    [WORLD_HUBSPOT] = {COMMON, "companies", "contacts", NULL},
	    [WORLD_SUPABASE] = {COMMON, "rows", NULL},
	    [WORLD_N8N] = {COMMON, "respond", "cloud", "companies", "portal", "invalid", "repeat",
		"no_makers", "no_anecdotes", "callbacks", "verdicts", NULL},
	    [WORLD_CLOSE] = {COMMON, NULL},
	};

	return known[id];
}

static void read_campaigns(
    struct scenario_reader *r, const struct yaml_node *map, struct scenario *s)
{
	const char **list;
	size_t n = yaml_read_strings(r->y, map, "campaigns", &list, r->p);

	if (n > SCENARIO_CAMPAIGNS) {
		problems_add(r->p, r->y, yaml_get(map, "campaigns"), "campaigns: at most %d",
		    SCENARIO_CAMPAIGNS);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		scenario_take_text(r, yaml_get(map, "campaigns"), list[i], "campaigns",
		    s->campaigns[i], sizeof(s->campaigns[i]));
	}
	s->n_campaigns = n > 0 ? n : s->n_campaigns;
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
		break;
	default:
		scenario_crm_read(r, map, id, s);
		break;
	}
}
