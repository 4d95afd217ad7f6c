/* lib/sim/apify_run.c: what a run brings, how far it is, and its items. */
#include "lib/sim/apify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/base/decimal.h"
#include "lib/base/json.h"
#include "lib/sim/people.h"

/* What it was given, as kept with the job: the actor, then the User-Agent. */
#define SPLIT '\n'

/* The first of the names that the input has; def when it has none. */
static size_t number_of(struct ask *q, const char *const names[], size_t def)
{
	for (size_t i = 0; names[i] != NULL; i++) {
		struct json_object *v = json_object_object_get(q->tree, names[i]);

		if (v == NULL) {
			continue;
		}
		if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0) {
			ask_bad(q, 400, "invalid-input",
			    "Input is not valid: Field input.%s must be integer", names[i]);
			return def;
		}
		return (size_t)json_object_get_int64(v);
	}
	return def;
}

int apify_read_input(struct ask *q)
{
	bool empty = q->r->body == NULL || q->r->body_len == 0;
	int rc = json_parse(empty ? "{}" : q->r->body, empty ? 2 : q->r->body_len, &q->tree, NULL);
	const char *all;

	if (rc == LEAD_ENOMEM) {
		return rc;
	}
	if (rc != 0 || !json_object_is_type(q->tree, json_type_object)) {
		ask_bad(q, 400, "invalid-input", "The input JSON is invalid");
	}
	all = arena_printf(q->a, "%s?%s\n%.*s", q->path, q->r->query != NULL ? q->r->query : "",
	    empty ? 0 : (int)q->r->body_len, empty ? "" : q->r->body);
	if (all == NULL) {
		return LEAD_ENOMEM;
	}
	q->meaning = ask_meaning(q, all, strlen(all));
	return 0;
}

/* The actor's name in the path. */
static const char *actor_of(struct ask *q)
{
	const char *start = strncmp(q->path, "/v2/acts/", 9) == 0 ? q->path + 9 : q->path + 11;

	return arena_dup(q->a, start, strcspn(start, "/"));
}

/* How many items: as the input says, no more than the query allows in number or in money. */
static void measure(struct ask *q, struct sim_job *job)
{
	static const char *const counts[] = {"maxItems", "max_result", "totalRecords", NULL},
				 *const offsets[] = {"offset", NULL};
	const char *most = ask_query_text(q, "maxTotalChargeUsd");
	int64_t charge;
	bool exact;
	size_t all = q->s->people.count, limit;

	job->first = number_of(q, offsets, 0);
	job->count = number_of(q, counts, all);
	limit = ask_query_count(q, "maxItems", 1, SIZE_MAX / 2, SIZE_MAX / 2, 400);
	job->count = job->count < limit ? job->count : limit;
	if (most != NULL && decimal_scaled(most, strlen(most), 6, &charge, &exact) && charge >= 0 &&
	    q->s->apify.item_micro > 0 && job->count > (size_t)(charge / q->s->apify.item_micro)) {
		job->count = (size_t)(charge / q->s->apify.item_micro);
	}
	job->first = job->first < all ? job->first : all;
	job->count = job->count < all - job->first ? job->count : all - job->first;
}

static size_t running(const struct ask *q)
{
	size_t n = 0;

	for (size_t i = 0; i < q->jobs->n; i++) {
		n += q->jobs->all[i].service == (uint8_t)q->service &&
		     q->jobs->all[i].ready_us > q->now.boot_us;
	}
	return n;
}

int apify_start(struct ask *q, struct world_plan *p, const struct sim_job **ret)
{
	const char *agent = ask_header(q, "User-Agent"), *actor = actor_of(q), *given;
	struct sim_job job = {.service = (uint8_t)q->service,
	    .start_us = q->now.boot_us,
	    .ready_us = q->now.boot_us + q->s->apify.run_us,
	    .wall_us = q->now.wall_us,
	    .fails = ask_roll(q, "failed") % PPM < q->s->apify.failed_ppm};

	*ret = NULL;
	measure(q, &job);
	if (q->bad != NULL) {
		apify_error(q, p, q->bad_status, q->bad_field, q->bad);
		return 0;
	}
	if (q->s->apify.concurrent > 0 && running(q) >= q->s->apify.concurrent) {
		apify_error(q, p, 402, "concurrent-runs-limit-exceeded",
		    "You have exceeded the maximum number of concurrent runs");
		return 0;
	}
	job.count = job.fails ? job.count / 2 : job.count;
	job.price_micro = (int64_t)job.count * q->s->apify.item_micro;
	given = actor != NULL
		    ? arena_printf(q->a, "%s%c%s", actor, SPLIT, agent != NULL ? agent : "")
		    : NULL;
	job.text = given != NULL ? strdup(given) : NULL;
	if (job.text == NULL || jobs_add(q->jobs, &job, ask_roll(q, "run"), ret) != 0) {
		return LEAD_ENOMEM;
	}
	q->items = arena_zalloc(q->a, sizeof(*q->items));
	if (q->items == NULL) {
		return LEAD_ENOMEM;
	}
	/* its own meaning: another run of the same input is no repeat */
	*q->items = (struct ask_item){.meaning = ask_meaning(q, &(*ret)->id, sizeof((*ret)->id)),
	    .price_micro = job.price_micro};
	q->n_items = 1;
	q->ledger = true;
	return 0;
}

/* --- its state --- */

static bool is_over(const struct sim_job *job, int64_t boot_us)
{
	return boot_us >= job->ready_us;
}

static const char *status_of(const struct sim_job *job, int64_t boot_us)
{
	if (is_over(job, boot_us)) {
		return job->fails ? "FAILED" : "SUCCEEDED";
	}
	return boot_us - job->start_us < (job->ready_us - job->start_us) / 10 ? "READY" : "RUNNING";
}

/* Items that are there by now. */
static size_t items_by(const struct sim_job *job, int64_t boot_us)
{
	int64_t length = job->ready_us - job->start_us;

	return is_over(job, boot_us) || length <= 0
		   ? job->count
		   : (size_t)((double)job->count * (double)(boot_us - job->start_us) /
			      (double)length);
}

const struct sim_job *apify_run_of(struct ask *q, const char *id, char letter)
{
	char *end;
	uint64_t number;

	if (id[0] != letter) {
		return NULL;
	}
	number = strtoull(id + 1, &end, 16);
	return end == id + 17 && (*end == '\0' || *end == '/')
		   ? jobs_find(q->jobs, (uint8_t)q->service, number)
		   : NULL;
}

static void write_fields(struct ask *q, const struct sim_job *job, int64_t boot_us)
{
	bool over = is_over(job, boot_us);
	size_t actor = strcspn(job->text, (char[]){SPLIT, '\0'});
	int64_t cost = over ? job->price_micro : 0;
	char from[25], to[25];
	struct buf *b = q->body;

	time_write_utc(job->wall_us, from);
	time_write_utc(job->wall_us + job->ready_us - job->start_us, to);
	buf_printf(b, "{\"id\":\"r%016" PRIx64 "\",\"actId\":", job->id);
	json_write_string(b, job->text, actor);
	buf_printf(b, ",\"status\":\"%s\",\"statusMessage\":", status_of(job, boot_us));
	json_add(b, over && job->fails ? "The scraper was blocked" : NULL);
	buf_printf(b, ",\"startedAt\":\"%s\",\"finishedAt\":", from);
	json_add(b, over ? to : NULL);
	buf_add_text(b, ",\"meta\":{\"origin\":\"API\",\"userAgent\":");
	json_add(b, job->text + actor + 1);
	buf_printf(b, "},\"exitCode\":%s", !over ? "null" : job->fails ? "1" : "0");
	buf_printf(b,
	    ",\"defaultDatasetId\":\"d%016" PRIx64 "\",\"usageTotalUsd\":%" PRId64 ".%06" PRId64
	    "}",
	    job->id, cost / 1000000, cost % 1000000);
}

void apify_write_run(struct ask *q, const struct sim_job *job, int64_t boot_us)
{
	buf_add_text(q->body, "{\"data\":");
	write_fields(q, job, boot_us);
	buf_add_char(q->body, '}');
}

static bool is_listed(
    struct ask *q, const struct sim_job *job, const char *actor, const char *status)
{
	return job->service == (uint8_t)q->service &&
	       (actor == NULL || (strncmp(job->text, actor, strlen(actor)) == 0 &&
				     job->text[strlen(actor)] == SPLIT)) &&
	       (status == NULL || strcmp(status, status_of(job, q->now.boot_us)) == 0);
}

int apify_list(struct ask *q, struct world_plan *p)
{
	bool desc = ask_query_flag(q, "desc");
	const char *actor = strcmp(q->path, "/v2/actor-runs") != 0 ? actor_of(q) : NULL,
		   *status = ask_query_text(q, "status");
	size_t limit = ask_query_count(q, "limit", 1, 1000, 1000, 400),
	       offset = ask_query_count(q, "offset", 0, SIZE_MAX / 2, 0, 400), total = 0, shown = 0;

	if (q->bad != NULL) {
		apify_error(q, p, 400, "invalid-value", q->bad);
		return 0;
	}
	plan_json(p, 200);
	buf_add_text(q->body, "{\"data\":{\"items\":[");
	for (size_t k = 0; k < q->jobs->n; k++) {
		const struct sim_job *job = &q->jobs->all[desc ? q->jobs->n - 1 - k : k];

		if (!is_listed(q, job, actor, status) || total++ < offset || shown == limit) {
			continue;
		}
		buf_add_text(q->body, shown++ > 0 ? "," : "");
		write_fields(q, job, q->now.boot_us);
	}
	buf_printf(q->body,
	    "],\"total\":%zu,\"offset\":%zu,\"limit\":%zu,\"count\":%zu,\"desc\":%s}}", total,
	    offset, limit, shown, desc ? "true" : "false");
	return 0;
}

int apify_items(
    struct ask *q, struct world_plan *p, const struct sim_job *job, int64_t boot_us, int status)
{
	const size_t unbounded = 999999999999;
	const char *format = ask_query_text(q, "format");
	size_t offset = ask_query_count(q, "offset", 0, SIZE_MAX / 2, 0, 400),
	       limit = ask_query_count(q, "limit", 1, unbounded, unbounded, 400),
	       total = items_by(job, boot_us), left = offset < total ? total - offset : 0,
	       count = left < limit ? left : limit;
	struct person one;

	if (q->bad != NULL || (format != NULL && strcmp(format, "json") != 0)) {
		apify_error(q, p, 400, "invalid-value",
		    q->bad != NULL ? q->bad : "this stand-in writes JSON only");
		return 0;
	}
	plan_json(p, status);
	plan_header(p, "X-Apify-Pagination-Total", arena_printf(q->a, "%zu", total));
	plan_header(p, "X-Apify-Pagination-Offset", arena_printf(q->a, "%zu", offset));
	plan_header(p, "X-Apify-Pagination-Limit", arena_printf(q->a, "%zu", limit));
	plan_header(p, "X-Apify-Pagination-Count", arena_printf(q->a, "%zu", count));
	buf_add_char(q->body, '[');
	for (size_t i = 0; i < count; i++) {
		people_nth(q->s, job->first + offset + i, &one);
		buf_add_text(q->body, i > 0 ? "," : "");
		people_write(q->body, &one, true);
	}
	buf_add_char(q->body, ']');
	return 0;
}
