/*
 * lib/sim/world.c: one request's way through the world.
 *
 *   whose service? -> which call? -> key -> taken apart -> counted in every window
 *     -> key refused | over a limit | quota used up -> the provider's own words for it
 *     -> fault_choose -> not done: fault_refuse
 *                     '-> done: the model's answer -> account line -> fault_spoil
 *
 * An arrival counts in its windows whatever becomes of it.
 */
#include "lib/sim/internal.h"

#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

static const struct model *const models[WORLD_SERVICES] = {&model_zerobounce, &model_perplexity,
    &model_openai, &model_instantly, &model_apollo, &model_apify, &model_hubspot, &model_supabase,
    &model_n8n, &model_close, &model_hunter};

const struct model *model_of(enum world_service s)
{
	return models[s];
}

static int set_up(struct world *w)
{
	struct campaign *c;

	w->account = account_new();
	if (w->account == NULL) {
		return LEAD_ENOMEM;
	}
	for (size_t i = 0; i < w->s.n_campaigns; i++) {
		int rc = leads_add_campaign(
		    &w->leads, w->s.campaigns[i].id, w->s.campaigns[i].name, 0, &c);

		if (rc != 0) {
			return rc;
		}
		c->status = 1;
	}
	return 0;
}

static void tear_down(struct world *w)
{
	for (size_t s = 0; s < WORLD_SERVICES; s++) {
		for (size_t i = 0; i < SCENARIO_LIMITS; i++) {
			arrivals_fini(&w->services[s].shared[i]);
			for (size_t k = 0; k < KEY_SLOTS; k++) {
				arrivals_fini(&w->services[s].keys[k].windows[i]);
			}
		}
	}
	memset(w->services, 0, sizeof(w->services));
	account_free(w->account);
	w->account = NULL;
	leads_fini(&w->leads);
	kept_fini(&w->kept);
	jobs_fini(&w->jobs);
}

struct world *world_new(const struct scenario *s)
{
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		return NULL;
	}
	w->s = *s;
	w->paths = chat_paths_new();
	if (w->paths == NULL || set_up(w) != 0) {
		world_free(w);
		return NULL;
	}
	return w;
}

void world_free(struct world *w)
{
	if (w != NULL) {
		tear_down(w);
		chat_paths_free(w->paths);
		arena_free(&w->arena);
		buf_free(&w->body);
		free(w);
	}
}

int world_reset(struct world *w)
{
	tear_down(w);
	return set_up(w);
}

void world_swap(struct world *w, const struct scenario *s)
{
	const struct scenario old = w->s;

	w->s = *s;
	w->s.seed = old.seed;
	w->s.limit_factor = old.limit_factor;
	for (size_t i = 0; i < WORLD_SERVICES; i++) {
		memcpy(w->s.services[i].keys, old.services[i].keys, sizeof(old.services[i].keys));
		w->s.services[i].n_keys = old.services[i].n_keys;
		memcpy(w->s.services[i].limits, old.services[i].limits,
		    sizeof(old.services[i].limits));
		w->s.services[i].n_limits = old.services[i].n_limits;
		memset(w->services[i].scripts, 0, sizeof(w->services[i].scripts));
	}
}

const struct scenario *world_scenario(const struct world *w)
{
	return &w->s;
}

/* By the first part of the path, else by the host. *ret_path: the rest. */
static enum world_service service_of(const struct world_request *r, const char **ret_path)
{
	size_t host = r->host != NULL ? strcspn(r->host, ":") : 0;

	for (enum world_service s = 0; s < WORLD_SERVICES; s++) {
		size_t len = strlen(world_service_word(s)), end = strlen(models[s]->host);

		if (r->path[0] == '/' && strncmp(r->path + 1, world_service_word(s), len) == 0 &&
		    r->path[len + 1] == '/') {
			*ret_path = r->path + len + 1;
			return s;
		}
		if (host >= end && strncmp(r->host + host - end, models[s]->host, end) == 0 &&
		    (host == end || r->host[host - end - 1] == '.')) {
			*ret_path = r->path;
			return s;
		}
	}
	return WORLD_SERVICES;
}

static int write_line(struct world *w, struct ask *q, const struct ask_item *item,
    enum world_fault f, struct world_plan *p)
{
	struct account_line line = {.meaning = item->meaning,
	    .at_us = q->now.wall_us,
	    .price_micro = item->price_micro,
	    .service = (uint8_t)q->service,
	    .endpoint = (uint8_t)q->endpoint,
	    .outcome = (uint8_t)item->outcome,
	    .again = (uint8_t)item->again,
	    .billed = (models[q->service]->bills_all || item->price_micro > 0) &&
		      item->outcome != ACCOUNT_PERMANENT,
	    .whole = !q->unread && (f == FAULT_NONE || f == FAULT_DRIP || f == FAULT_SLOW ||
				       f == FAULT_LOST_PUSH)};
	const char *call = ask_header(q, "X-Request-Id");

	call =
	    call != NULL ? call : ask_header(q, "X-Client-Request-Id"); /* OpenAI's name for it */
	if (call != NULL) {
		memcpy(line.call, call, strnlen(call, sizeof(line.call) - 1));
	}
	return account_add(w->account, &line, &p->token);
}

/* A line for each thing that was done. */
static int write_lines(struct world *w, struct ask *q, enum world_fault f, struct world_plan *p)
{
	const struct ask_item whole = {q->meaning, q->outcome, q->again, q->price_micro};
	int rc = q->n_items == 0 ? write_line(w, q, &whole, f, p) : 0;

	for (size_t i = 0; i < q->n_items && rc == 0; i++) {
		rc = write_line(w, q, &q->items[i], f, p);
	}
	if (q->carried) { /* the answer itself tells nothing */
		for (size_t i = 0; i < p->n_later; i++) {
			p->later[i].token = p->token;
		}
		if (q->job > 0) {
			w->kept.jobs[q->job - 1].token = p->token;
		}
		p->token = 0;
	}
	return rc;
}

/* The request is carried out. */
static int perform(struct world *w, struct ask *q, enum world_fault f, struct world_plan *p)
{
	static const enum answered answers[ACCOUNT_N] = {
	    ANSWERED_OK, ANSWERED_EMPTY, ANSWERED_PERMANENT, ANSWERED_DUPLICATE};
	int rc = 0;

	q->lost = f == FAULT_LOST_PUSH;
	if (q->bad != NULL) {
		q->ledger = endpoint_matters(q->endpoint);
		q->n_items = 0;
		q->outcome = ACCOUNT_PERMANENT;
		models[q->service]->refuse(q, REFUSAL_BAD, false, 0, p);
	} else {
		rc = models[q->service]->answer(q, p);
		q->outcome =
		    rc == 0 && p->status >= 400 && p->status != 409 && q->outcome == ACCOUNT_OK
			? ACCOUNT_PERMANENT
			: q->outcome;
	}
	if (rc == 0 && q->ledger) {
		rc = write_lines(w, q, f, p);
	}
	if (rc != 0) {
		return rc;
	}
	fault_spoil(w, q, f, p);
	w->services[q->service]
	    .answered[fault_answered(f) == ANSWERED_SPOILED ? ANSWERED_SPOILED
							    : answers[q->outcome]]++;
	return 0;
}

static void refuse(struct world *w, struct ask *q, enum refusal why, const struct over *over,
    enum answered kind, struct world_plan *p)
{
	w->services[q->service].answered[kind]++;
	p->delay_us = w->s.services[q->service].min_us;
	models[q->service]->refuse(q, why, over->tokens, over->wait_us, p);
}

/* Everything behind "whose service is it". */
static int take(struct world *w, struct ask *q, struct world_plan *p)
{
	struct service_state *st = &w->services[q->service];
	const struct scenario_key *declared;
	struct key_slot *slot;
	struct over over = {0};
	int rc;

	st->calls++;
	if (models[q->service]->route == NULL) {
		plan_json(p, 501);
		buf_add_text(q->body, "{\"error\":\"nobody plays this service\"}");
		st->answered[ANSWERED_PERMANENT]++;
		return 0;
	}
	q->endpoint = models[q->service]->route(q->r->method, q->path);
	if (q->endpoint == EP_N) {
		refuse(w, q, REFUSAL_PATH, &over, ANSWERED_PERMANENT, p);
		return 0;
	}
	q->key = models[q->service]->credential(q);
	slot = allow_key(w, q, &declared);
	rc = models[q->service]->read(q);
	if (rc == 0) {
		rc = allow_count(w, q, slot, &over);
	}
	if (rc != 0) {
		return rc;
	}
	if (slot == NULL) {
		refuse(w, q, REFUSAL_AUTH, &(struct over){0}, ANSWERED_AUTH, p);
		return 0;
	}
	if (over.any) {
		over.wait_us = models[q->service]->tells_wait ? over.wait_us : 0;
		refuse(w, q, REFUSAL_THROTTLE, &over, ANSWERED_THROTTLE, p);
		return 0;
	}
	if (!allow_quota(q, slot, declared)) {
		refuse(w, q, REFUSAL_QUOTA, &over, ANSWERED_QUOTA, p);
		return 0;
	}
	rc = account_attempt(w->account, q->meaning, &q->attempt);
	if (rc != 0) {
		return rc;
	}
	p->delay_us = fault_latency(w, q);
	p->fault = fault_choose(w, q);
	st->faults[p->fault]++;
	if (fault_is_done(p->fault)) {
		slot->used += !endpoint_is_free(q->endpoint);
		return perform(w, q, p->fault, p);
	}
	st->answered[fault_answered(p->fault)]++;
	fault_refuse(w, q, p->fault, p);
	return 0;
}

/* RFC 9110 section 5.6.7. */
static const char *http_date(struct arena *a, int64_t wall_us)
{
	static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"},
				 *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
				     "Aug", "Sep", "Oct", "Nov", "Dec"};
	char utc[25];

	time_write_utc(wall_us, utc);
	return arena_printf(a, "%s, %.2s %s %.4s %.8s GMT", days[wall_us / US_PER_DAY % 7], utc + 8,
	    months[(utc[5] - '0') * 10 + utc[6] - '1'], utc, utc + 11);
}

void world_handle(
    struct world *w, const struct world_request *r, struct now now, struct world_plan *ret)
{
	struct ask q = {.s = &w->s,
	    .r = r,
	    .leads = &w->leads,
	    .kept = &w->kept,
	    .account = w->account,
	    .jobs = &w->jobs,
	    .paths = w->paths,
	    .a = &w->arena,
	    .body = &w->body};

	now.boot_us = now.boot_us > w->last.boot_us ? now.boot_us : w->last.boot_us;
	w->last = now;
	arena_reset(&w->arena);
	buf_reset(&w->body);
	*ret = (struct world_plan){.arrival_us = now.boot_us};
	q.now = now;
	q.service = service_of(r, &q.path);
	ret->service = q.service;
	if (q.service == WORLD_SERVICES) {
		plan_json(ret, 404);
		buf_add_text(&w->body, "{\"error\":\"no such service: the path begins with its "
				       "name, such as /zerobounce\"}");
	} else if (take(w, &q, ret) != 0 || w->body.failed) {
		*ret = (struct world_plan){
		    .arrival_us = now.boot_us, .service = q.service, .status = 500};
		buf_reset(&w->body);
		plan_json(ret, 500);
	}
	plan_header(ret, "Date", http_date(&w->arena, now.wall_us));
	json_object_put(q.tree);
	ret->body = w->body.data != NULL ? w->body.data : "";
	ret->body_len = ret->end == WORLD_RESET || ret->end == WORLD_HANG ? 0 : w->body.len;
}

void world_delivered(struct world *w, uint64_t token, struct now now)
{
	account_delivered(w->account, token, now.wall_us);
}

void world_doubted(struct world *w, uint64_t token)
{
	account_doubted(w->account, token);
}
