/*
 * lib/sim/scenario.c: defaults, then whatever the file names on top of them.
 *
 * scenario_parse -> top level -> read_service per service -> keys, limits, scripts, random
 *                            '-> read_faults
 *
 * Each reader reports its mistakes and goes on, so that one run shows all of them.
 */
#include "lib/sim/scenario.h"

#include <string.h>

#include "lib/base/decimal.h"
#include "lib/base/text.h"

const char *const verdict_words[VERDICT_N + 1] = {
    "valid", "invalid", "catch-all", "unknown", "do_not_mail", "spamtrap", "abuse", NULL};
const char *const copy_words[COPY_N + 1] = {
    "good", "short", "long", "signed", "placeholder", "refused", NULL};
const char *const quota_words[QUOTA_ANY + 2] = {"insufficient_quota", "none",
    "credit_balance_exhausted", "organization_spend_limit_exceeded", "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded", "any", NULL};
const char *const endpoint_words[EP_N + 1] = {"validate", "getcredits", "research", "copy",
    "models", "create-lead", "list-leads", "get-lead", "delete-lead", "list-campaigns",
    "create-campaign", "get-campaign", "activate-campaign", NULL};
static const char *const service_words[WORLD_SERVICES + 1] = {
    "zerobounce", "perplexity", "openai", "instantly", NULL};
static const char *const fault_words[FAULT_N + 1] = {"none", "throttle", "throttle-bare",
    "slow-down", "quota", "billing", "auth", "error-500", "error-html", "overload", "reset-before",
    "reset-after", "drip", "truncate", "garbage", "error-200", "huge", "hang", "lost-push", "slow",
    NULL};

#define BIT(i) (UINT32_C(1) << (i))
#define ALL_KINDS (BIT(FAULT_N) - 2)
/* Those that stop a key until a person or a reset frees it: no part of random noise unless named.
 */
#define PARKING_KINDS (BIT(FAULT_QUOTA) | BIT(FAULT_BILLING) | BIT(FAULT_AUTH))

const char *world_service_word(enum world_service s)
{
	return s < WORLD_SERVICES ? service_words[s] : "none";
}

const char *world_fault_word(enum world_fault f)
{
	return fault_words[f];
}

enum world_service endpoint_service(enum world_endpoint ep)
{
	if (ep <= EP_GETCREDITS) {
		return WORLD_ZEROBOUNCE;
	}
	if (ep == EP_RESEARCH) {
		return WORLD_PERPLEXITY;
	}
	if (ep <= EP_MODELS) {
		return WORLD_OPENAI;
	}
	return ep < EP_N ? WORLD_INSTANTLY : WORLD_SERVICES;
}

static uint32_t service_endpoints(enum world_service s)
{
	uint32_t mask = 0;

	for (enum world_endpoint ep = 0; ep < EP_N; ep++) {
		mask |= endpoint_service(ep) == s ? BIT(ep) : 0;
	}
	return mask;
}

/* --- defaults --- */

static void add_limit(struct scenario_service *s, const char *text, uint64_t max, int64_t length_us,
    uint32_t endpoints)
{
	struct scenario_limit *l = &s->limits[s->n_limits++];

	*l = (struct scenario_limit){.max = max, .length_us = length_us, .endpoints = endpoints};
	memcpy(l->text, text, strlen(text) + 1);
}

static void set_latency(
    struct scenario_service *s, int64_t min_ms, int64_t median_ms, int64_t p95_ms)
{
	s->min_us = min_ms * US_PER_MS;
	s->median_us = median_ms * US_PER_MS;
	s->p95_us = p95_ms * US_PER_MS;
}

void scenario_default(struct scenario *ret)
{
	struct scenario_service *s = ret->services;

	*ret = (struct scenario){.seed = 1,
	    .limit_factor = 1,
	    .validate_micro = 8000,
	    .no_facts_ppm = 60000,
	    .retry_after_us = 2 * US_PER_S,
	    .slow_us = 8 * US_PER_S,
	    .drip_us = 100 * US_PER_MS,
	    .drip_bytes = 64,
	    .huge_bytes = 20 << 20,
	    .duplicate_conflict = true};
	for (size_t i = 0; i < WORLD_SERVICES; i++) {
		s[i].expected = 1000;
		s[i].random_kinds = ALL_KINDS & ~PARKING_KINDS;
	}
	add_limit(&s[WORLD_ZEROBOUNCE], "1/3s", 1, 3 * US_PER_S, BIT(EP_VALIDATE));
	add_limit(&s[WORLD_PERPLEXITY], "50/60s", 50, 60 * US_PER_S, BIT(EP_RESEARCH));
	add_limit(&s[WORLD_OPENAI], "60/60s", 60, 60 * US_PER_S, BIT(EP_COPY));
	add_limit(&s[WORLD_OPENAI], "10000/day", 10000, 0, BIT(EP_COPY));
	add_limit(&s[WORLD_OPENAI], "2000000/60s", 2000000, 60 * US_PER_S, BIT(EP_COPY));
	s[WORLD_OPENAI].limits[2].tokens = true;
	add_limit(
	    &s[WORLD_INSTANTLY], "100/60s", 100, 60 * US_PER_S, service_endpoints(WORLD_INSTANTLY));
	s[WORLD_INSTANTLY].limits[0].per_service =
	    true; /* the provider counts the workspace, not the key */
	set_latency(&s[WORLD_ZEROBOUNCE], 80, 350, 1500);
	set_latency(&s[WORLD_PERPLEXITY], 500, 1800, 5000);
	set_latency(&s[WORLD_OPENAI], 300, 900, 2500);
	set_latency(&s[WORLD_INSTANTLY], 50, 150, 500);
	ret->verdict_ppm[VERDICT_INVALID] = 80000;
	ret->verdict_ppm[VERDICT_CATCH_ALL] = 60000;
	ret->verdict_ppm[VERDICT_UNKNOWN] = 20000;
	ret->verdict_ppm[VERDICT_DO_NOT_MAIL] = 30000;
	ret->verdict_ppm[VERDICT_SPAMTRAP] = 5000;
	ret->verdict_ppm[VERDICT_ABUSE] = 5000;
	ret->copy_ppm[COPY_SHORT] = 20000;
	ret->copy_ppm[COPY_LONG] = 20000;
	ret->copy_ppm[COPY_SIGNED] = 10000;
	ret->copy_ppm[COPY_PLACEHOLDER] = 10000;
}

/* --- reading --- */

struct reader {
	const struct yaml *y;
	struct problems *p;
	bool running;
};

/* `5%`, `0.5%` in parts per million. */
static bool share_of(const struct yaml_node *n, uint32_t *ret_ppm)
{
	int64_t value;
	bool exact;

	if (n->text == NULL || n->len < 2 || n->text[n->len - 1] != '%' ||
	    !decimal_scaled(n->text, n->len - 1, 4, &value, &exact) || !exact || value < 0 ||
	    value > PPM) {
		return false;
	}
	*ret_ppm = (uint32_t)value;
	return true;
}

static void read_share(
    struct reader *r, const struct yaml_node *map, const char *key, uint32_t *ret_ppm)
{
	const struct yaml_node *n = yaml_get(map, key);

	if (n != NULL && !share_of(n, ret_ppm)) {
		problems_add(r->p, r->y, n,
		    "%s: a share such as 5%% or 0.5%% is wanted, at most 100%%", key);
	}
}

static void read_uint(struct reader *r, const struct yaml_node *map, const char *key, int64_t min,
    int64_t max, uint64_t *ret)
{
	int64_t value;

	if (yaml_read_int(r->y, map, key, min, max, &value, r->p)) {
		*ret = (uint64_t)value;
	}
}

static void read_size(
    struct reader *r, const struct yaml_node *map, const char *key, int64_t max, size_t *ret)
{
	int64_t value;

	if (yaml_read_int(r->y, map, key, 1, max, &value, r->p)) {
		*ret = (size_t)value;
	}
}

/* The words' shares; together at most 100 %. What has no word here (index 0) takes the rest. */
static void read_shares(struct reader *r, const struct yaml_node *map, const char *key,
    const char *const words[], uint32_t ppm[])
{
	const struct yaml_node *n = yaml_get(map, key);
	uint64_t sum = 0;

	if (n == NULL || !yaml_only_keys(r->y, n, words + 1, key, r->p)) {
		return;
	}
	for (size_t i = 1; words[i] != NULL; i++) {
		read_share(r, n, words[i], &ppm[i]);
		sum += ppm[i];
	}
	if (sum > PPM) {
		problems_add(r->p, r->y, n, "%s: the shares make more than 100%%", key);
	}
}

/* A copy into a fixed array. */
static void take_text(struct reader *r, const struct yaml_node *n, const char *text,
    const char *what, char *out, size_t size)
{
	size_t len = text != NULL ? strlen(text) : 0;

	if (len == 0 || len >= size) {
		problems_add(r->p, r->y, n, "%s: 1 to %zu bytes are wanted", what, size - 1);
		return;
	}
	memcpy(out, text, len + 1);
}

/* Words of a list as bits; absent leaves *ret. */
static void read_mask(struct reader *r, const struct yaml_node *map, const char *key,
    const char *const words[], size_t first, uint32_t *ret)
{
	const char **list;
	size_t n = yaml_read_strings(r->y, map, key, &list, r->p), i;
	uint32_t mask = 0;

	for (size_t k = 0; k < n; k++) {
		for (i = first; words[i] != NULL && strcmp(words[i], list[k]) != 0; i++) {
		}
		if (words[i] == NULL) {
			const char *near = text_nearest(list[k], words + first);
			problems_add(r->p, r->y, yaml_get(map, key), "%s: '%s' is unknown%s%s%s",
			    key, list[k], near != NULL ? ", did you mean '" : "",
			    near != NULL ? near : "", near != NULL ? "'?" : "");
			continue;
		}
		mask |= BIT(i);
	}
	if (n > 0) {
		*ret = mask;
	}
}

static void read_keys(struct reader *r, const struct yaml_node *list, struct scenario_service *s)
{
	static const char *const keys[] = {"key", "quota", "reset", NULL};

	if (list->kind != YAML_LIST || list->n > SCENARIO_KEYS) {
		problems_add(
		    r->p, r->y, list, "keys: a list of at most %d is wanted", SCENARIO_KEYS);
		return;
	}
	s->n_keys = 0;
	for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
		struct scenario_key *k = &s->keys[s->n_keys++];
		const char *text = n->text;

		*k = (struct scenario_key){0};
		if (n->kind == YAML_MAP && yaml_only_keys(r->y, n, keys, "key", r->p)) {
			text = NULL;
			(void)yaml_read_string(r->y, n, "key", &text, r->p);
			read_uint(r, n, "quota", 1, INT64_MAX, &k->quota);
			(void)yaml_read_duration(
			    r->y, n, "reset", 1, US_PER_DAY * 31, &k->reset_us, r->p);
		}
		take_text(r, n, text, "key", k->text, sizeof(k->text));
	}
}

/* `50/60s`, `10000/day`. */
static bool limit_of(const char *text, struct scenario_limit *l)
{
	const char *slash = text != NULL ? strchr(text, '/') : NULL;
	int64_t max;
	bool exact;

	if (slash == NULL || strlen(text) >= sizeof(l->text) ||
	    !decimal_scaled(text, (size_t)(slash - text), 0, &max, &exact) || !exact || max < 1) {
		return false;
	}
	if (strcmp(slash + 1, "day") == 0) {
		l->length_us = 0;
	} else if (!duration_parse(slash + 1, &l->length_us) || l->length_us < US_PER_MS) {
		return false;
	}
	l->max = (uint64_t)max;
	memcpy(l->text, text, strlen(text) + 1);
	return true;
}

static void read_limits(struct reader *r, const struct yaml_node *list, enum world_service id,
    struct scenario_service *s)
{
	static const char *const keys[] = {"limit", "per", "unit", "endpoints", NULL};
	static const char *const scopes[] = {"key", "service", NULL}, *const units[] = {"requests",
									  "tokens", NULL};
	/* What a plain line counts is what the provider counts: see scenario_default. */
	const uint32_t usual = id == WORLD_INSTANTLY ? service_endpoints(id)
						     : BIT(id == WORLD_ZEROBOUNCE   ? EP_VALIDATE
							   : id == WORLD_PERPLEXITY ? EP_RESEARCH
										    : EP_COPY);

	if (list->kind != YAML_LIST || list->n > SCENARIO_LIMITS) {
		problems_add(
		    r->p, r->y, list, "limits: a list of at most %d is wanted", SCENARIO_LIMITS);
		return;
	}
	s->n_limits = 0;
	for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
		struct scenario_limit *l = &s->limits[s->n_limits++];
		const char *text = n->text;
		int scope = id == WORLD_INSTANTLY, unit = 0;

		*l = (struct scenario_limit){.endpoints = usual};
		if (n->kind == YAML_MAP && yaml_only_keys(r->y, n, keys, "limit", r->p)) {
			text = NULL;
			(void)yaml_read_string(r->y, n, "limit", &text, r->p);
			(void)yaml_read_word(r->y, n, "per", scopes, &scope, r->p);
			(void)yaml_read_word(r->y, n, "unit", units, &unit, r->p);
			read_mask(r, n, "endpoints", endpoint_words, 0, &l->endpoints);
		}
		l->per_service = scope == 1;
		l->tokens = unit == 1;
		if (!limit_of(text, l)) {
			problems_add(r->p, r->y, n,
			    "limits: count/window is wanted, such as 50/60s or 10000/day");
		}
	}
}

/* `from: 30%` of the expected calls, or `from: 12`. */
static void read_from(
    struct reader *r, const struct yaml_node *map, uint64_t expected, uint64_t *ret)
{
	const struct yaml_node *n = yaml_get(map, "from");
	uint32_t ppm;

	if (n != NULL && share_of(n, &ppm)) {
		*ret = expected * ppm / PPM + 1;
		return;
	}
	read_uint(r, map, "from", 1, INT64_MAX, ret);
}

static void read_scripts(struct reader *r, const struct yaml_node *list, struct scenario_service *s)
{
	static const char *const keys[] = {
	    "fault", "from", "calls", "for", "share", "endpoints", NULL};

	if (list->kind != YAML_LIST || list->n > SCENARIO_SCRIPTS) {
		problems_add(
		    r->p, r->y, list, "script: a list of at most %d is wanted", SCENARIO_SCRIPTS);
		return;
	}
	s->n_scripts = 0;
	for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
		struct scenario_script *c = &s->scripts[s->n_scripts++];
		int fault = -1;

		*c = (struct scenario_script){.from = 1, .share_ppm = PPM, .endpoints = UINT32_MAX};
		if (!yaml_only_keys(r->y, n, keys, "script entry", r->p)) {
			continue;
		}
		if (!yaml_read_word(r->y, n, "fault", fault_words + 1, &fault, r->p) &&
		    yaml_get(n, "fault") == NULL) {
			problems_add(r->p, r->y, n, "script: a fault is wanted");
		}
		c->fault = (enum world_fault)(fault + 1);
		read_from(r, n, s->expected, &c->from);
		read_uint(r, n, "calls", 1, INT64_MAX, &c->calls);
		(void)yaml_read_duration(r->y, n, "for", 1, US_PER_DAY * 31, &c->for_us, r->p);
		read_share(r, n, "share", &c->share_ppm);
		read_mask(r, n, "endpoints", endpoint_words, 0, &c->endpoints);
	}
}

static void read_random(struct reader *r, const struct yaml_node *n, struct scenario_service *s)
{
	static const char *const keys[] = {"rate", "kinds", NULL};

	if (yaml_only_keys(r->y, n, keys, "random", r->p)) {
		read_share(r, n, "rate", &s->random_ppm);
		read_mask(r, n, "kinds", fault_words, 1, &s->random_kinds);
	}
}

static void read_latency(struct reader *r, const struct yaml_node *n, struct scenario_service *s)
{
	static const char *const keys[] = {"min", "median", "p95", NULL};

	if (!yaml_only_keys(r->y, n, keys, "latency", r->p)) {
		return;
	}
	(void)yaml_read_duration(r->y, n, "min", 0, US_PER_DAY, &s->min_us, r->p);
	(void)yaml_read_duration(r->y, n, "median", 0, US_PER_DAY, &s->median_us, r->p);
	(void)yaml_read_duration(r->y, n, "p95", 0, US_PER_DAY, &s->p95_us, r->p);
	if (s->min_us > s->median_us || s->median_us > s->p95_us) {
		problems_add(r->p, r->y, n, "latency: min, median and p95 must not fall");
	}
}

static void read_campaigns(struct reader *r, const struct yaml_node *map, struct scenario *s)
{
	const char **list;
	size_t n = yaml_read_strings(r->y, map, "campaigns", &list, r->p);

	if (n > SCENARIO_CAMPAIGNS) {
		problems_add(r->p, r->y, yaml_get(map, "campaigns"), "campaigns: at most %d",
		    SCENARIO_CAMPAIGNS);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		take_text(r, yaml_get(map, "campaigns"), list[i], "campaigns", s->campaigns[i],
		    sizeof(s->campaigns[i]));
	}
	s->n_campaigns = n > 0 ? n : s->n_campaigns;
}

/* What only one provider has. */
static void read_own(
    struct reader *r, const struct yaml_node *map, enum world_service id, struct scenario *s)
{
	static const char *const duplicates[] = {"conflict", "existing", NULL};
	int word;

	switch (id) {
	case WORLD_ZEROBOUNCE:
		(void)yaml_read_money(r->y, map, "price", &s->validate_micro, r->p);
		read_shares(r, map, "verdicts", verdict_words, s->verdict_ppm);
		break;
	case WORLD_PERPLEXITY:
		read_share(r, map, "no_facts", &s->no_facts_ppm);
		break;
	case WORLD_OPENAI:
		read_shares(r, map, "copy", copy_words, s->copy_ppm);
		(void)yaml_read_word(r->y, map, "quota_code", quota_words, &s->quota_code, r->p);
		break;
	default:
		if (yaml_read_word(r->y, map, "duplicate", duplicates, &word, r->p)) {
			s->duplicate_conflict = word == 0;
		}
		read_campaigns(r, map, s);
		break;
	}
}

static void read_service(
    struct reader *r, const struct yaml_node *map, enum world_service id, struct scenario *all)
{
#define COMMON "expected", "latency", "random", "script", "keys", "limits"
	static const char *const known[WORLD_SERVICES][12] = {
	    [WORLD_ZEROBOUNCE] = {COMMON, "price", "verdicts", NULL},
	    [WORLD_PERPLEXITY] = {COMMON, "no_facts", NULL},
	    [WORLD_OPENAI] = {COMMON, "copy", "quota_code", NULL},
	    [WORLD_INSTANTLY] = {COMMON, "duplicate", "campaigns", NULL},
	};
	struct scenario_service *s = &all->services[id];
	const struct yaml_node *n;

	if (!yaml_only_keys(r->y, map, known[id], service_words[id], r->p)) {
		return;
	}
	if (r->running && (n = yaml_get(map, "keys") != NULL ? yaml_get(map, "keys")
							     : yaml_get(map, "limits")) != NULL) {
		problems_add(r->p, r->y, n, "%s cannot change while the world runs", n->key);
		return;
	}
	read_uint(r, map, "expected", 1, INT64_MAX / PPM, &s->expected);
	if ((n = yaml_get(map, "latency")) != NULL) {
		read_latency(r, n, s);
	}
	if ((n = yaml_get(map, "random")) != NULL) {
		read_random(r, n, s);
	}
	if ((n = yaml_get(map, "script")) != NULL) {
		read_scripts(r, n, s);
	}
	if ((n = yaml_get(map, "keys")) != NULL) {
		read_keys(r, n, s);
	}
	if ((n = yaml_get(map, "limits")) != NULL) {
		read_limits(r, n, id, s);
	}
	read_own(r, map, id, all);
}

static void read_faults(struct reader *r, const struct yaml_node *n, struct scenario *s)
{
	static const char *const keys[] = {
	    "retry_after", "slow", "drip_every", "drip_bytes", "huge_bytes", NULL};

	if (yaml_only_keys(r->y, n, keys, "faults", r->p)) {
		(void)yaml_read_duration(
		    r->y, n, "retry_after", 0, US_PER_DAY, &s->retry_after_us, r->p);
		(void)yaml_read_duration(r->y, n, "slow", 0, US_PER_DAY, &s->slow_us, r->p);
		(void)yaml_read_duration(
		    r->y, n, "drip_every", US_PER_MS, US_PER_DAY, &s->drip_us, r->p);
		read_size(r, n, "drip_bytes", 1 << 20, &s->drip_bytes);
		read_size(r, n, "huge_bytes", 1 << 30, &s->huge_bytes);
	}
}

static void read_top(struct reader *r, struct scenario *s)
{
	static const char *const keys[] = {
	    "seed", "limit_factor", "doubt", "faults", "services", NULL};
	static const char *const fixed[] = {"seed", "limit_factor", NULL};
	const struct yaml_node *root = r->y->root, *n, *services;

	if (root == NULL || !yaml_only_keys(r->y, root, keys, "scenario", r->p)) {
		return;
	}
	for (size_t i = 0; r->running && fixed[i] != NULL; i++) {
		if (yaml_get(root, fixed[i]) != NULL) {
			problems_add(r->p, r->y, yaml_get(root, fixed[i]),
			    "%s cannot change while the world runs", fixed[i]);
		}
	}
	read_uint(r, root, "seed", 0, INT64_MAX, &s->seed);
	read_uint(r, root, "limit_factor", 1, 1000000, &s->limit_factor);
	(void)yaml_read_duration(r->y, root, "doubt", 0, 60 * US_PER_S, &s->doubt_us, r->p);
	if ((n = yaml_get(root, "faults")) != NULL) {
		read_faults(r, n, s);
	}
	services = yaml_get(root, "services");
	if (services == NULL || !yaml_only_keys(r->y, services, service_words, "services", r->p)) {
		return;
	}
	for (enum world_service id = 0; id < WORLD_SERVICES; id++) {
		if ((n = yaml_get(services, service_words[id])) != NULL) {
			read_service(r, n, id, s);
		}
	}
}

int scenario_parse(const char *file, const char *text, size_t len, bool running, struct scenario *s,
    struct lead_error *err)
{
	struct problems problems;
	struct reader r = {.p = &problems, .running = running};
	struct yaml *y;
	int rc = yaml_parse(file, text, len, &y, err);

	if (rc != 0) {
		return rc;
	}
	problems_init(&problems);
	r.y = y;
	read_top(&r, s);
	rc = problems_result(&problems, err);
	problems_fini(&problems);
	yaml_free(y);
	return rc;
}
