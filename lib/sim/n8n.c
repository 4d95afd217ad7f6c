/*
 * lib/sim/n8n.c: workflows behind webhooks: how they are called and how they answer.
 *
 *   route -> read -> webhook_work (n8n_work.c: what they find out)
 *                      -> finished: the answer itself, late; behind the cloud's proxy a 524 after
 * 100 s
 *                      -> callback: an answer at once, the result in a call of its own, sometimes
 * before that answer, sometimes twice, sometimes never
 *                      -> poll: a job id at once, 202 until it is done
 *
 * The work goes on whatever becomes of the answer. A job's account line is delivered with its
 * result, not with the answer that promised it.
 */
#include "lib/sim/webhooks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/sim/firms.h"

#define CLOUD_US (100 * US_PER_S) /* the cloud's proxy waits no longer */
#define ACK_US (40 * US_PER_MS)

static const char failure[] = "{\"error\":{\"message\":\"Error in workflow\"}}";

static enum world_endpoint route(const char *method, const char *path)
{
	static const struct {
		const char *path;
		enum world_endpoint ep;
	} paths[] = {{"discovery", EP_DISCOVER}, {"company-enrichment", EP_ENRICH_COMPANY},
	    {"contact-discovery", EP_DISCOVER_CONTACTS}, {"contact-enrichment", EP_ENRICH_CONTACT},
	    {"verify-email", EP_VERIFY_EMAIL}};

	if (strncmp(path, "/webhook/", 9) != 0) {
		return EP_N;
	}
	if (strncmp(path + 9, "job/", 4) == 0 && path[13] != '\0') {
		return strcmp(method, "GET") == 0 ? EP_GET_JOB : EP_N;
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (strcmp(path + 9, paths[i].path) == 0 && strcmp(method, "POST") == 0) {
			return paths[i].ep;
		}
	}
	return EP_N;
}

/* Header auth under its usual names. */
static const char *credential(struct ask *q)
{
	const char *key = ask_header(q, "X-API-Key");

	return key != NULL ? key : ask_bearer(q);
}

const char *webhook_text(struct ask *q, const char *key)
{
	struct json_object *v = json_object_object_get(q->tree, key);

	return json_object_is_type(v, json_type_string) && json_object_get_string_len(v) > 0
		   ? json_object_get_string(v)
		   : NULL;
}

/* What the call is about: a person, a company, a region and its round; not who is to be called
 * back. */
static void read_meaning(struct ask *q)
{
	const char *keys[] = {"email", "name", "domain", "state", "pms", "city"};
	struct json_object *round = json_object_object_get(q->tree, "round");
	struct buf text = {0};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *v = webhook_text(q, keys[i]);

		buf_printf(&text, "%s\n", v != NULL ? v : "");
	}
	buf_printf(&text, "%s", round != NULL ? json_object_get_string(round) : "");
	q->meaning = ask_meaning(q, text.data != NULL ? text.data : "", text.len);
	buf_free(&text);
}

static int read(struct ask *q)
{
	static const struct {
		enum world_endpoint ep;
		const char *first, *second;
	} needed[] = {{EP_DISCOVER, "state", "pms"}, {EP_ENRICH_COMPANY, "domain", NULL},
	    {EP_DISCOVER_CONTACTS, "domain", NULL}, {EP_ENRICH_CONTACT, "name", NULL},
	    {EP_VERIFY_EMAIL, "email", NULL}};
	int rc;

	q->meaning = ask_meaning(q, q->path, strlen(q->path));
	if (q->endpoint == EP_GET_JOB) {
		return 0;
	}
	rc = json_parse(q->r->body != NULL ? q->r->body : "", q->r->body_len, &q->tree, NULL);
	if (rc == LEAD_ENOMEM) {
		return rc;
	}
	if (rc != 0 || !json_object_is_type(q->tree, json_type_object)) {
		ask_bad(q, 422, NULL, "Failed to parse request body");
		return 0;
	}
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (needed[i].ep == q->endpoint &&
		    (webhook_text(q, needed[i].first) == NULL ||
			(needed[i].second != NULL && webhook_text(q, needed[i].second) == NULL))) {
			ask_bad(q, 400, NULL, "%s is missing", needed[i].first);
		}
	}
	read_meaning(q);
	return 0;
}

/* --- answers --- */

static bool by_share(struct ask *q, const char *purpose, uint32_t ppm)
{
	return ask_roll(q, purpose) % PPM < ppm;
}

/* The result is late by what the plan's delay says; the plan's own answer comes at once. */
static int call_back(struct ask *q, struct buf *result, const char *url, struct world_plan *p)
{
	const struct scenario_n8n *n = &q->s->n8n;
	bool failed = by_share(q, "failed", n->failed_ppm);
	char *body = failed ? arena_printf(q->a, "%s", failure)
			    : arena_dup(q->a, result->data, result->len),
	     *to = arena_dup(q->a, url, strlen(url));
	size_t times = by_share(q, "lost", n->lost_ppm)     ? 0
		       : by_share(q, "twice", n->twice_ppm) ? 2
							    : 1;
	int64_t work_us = p->delay_us;

	if (body == NULL || to == NULL) {
		return LEAD_ENOMEM;
	}
	p->delay_us = ACK_US;
	if (by_share(q, "early", n->early_ppm)) {
		work_us = 0;
		p->delay_us = 5 * ACK_US;
	}
	for (size_t i = 0; i < times; i++) {
		p->later[p->n_later++] =
		    (struct world_later){.after_us = work_us + (int64_t)i * ACK_US,
			.url = to,
			.body = body,
			.body_len = strlen(body)};
	}
	q->kept->callbacks += times;
	q->carried = true;
	plan_json(p, 200);
	buf_add_text(q->body, "{\"message\":\"Workflow was started\"}");
	return 0;
}

static int start_job(struct ask *q, struct buf *result, struct world_plan *p)
{
	struct job job = {.id = ask_roll(q, "job"), .result = result->data};
	int rc;

	job.ready_us = q->now.boot_us + p->delay_us;
	job.result = by_share(q, "failed", q->s->n8n.failed_ppm) ? NULL : job.result;
	rc = kept_job(q->kept, &job);
	p->delay_us = ACK_US;
	q->carried = true;
	q->job = q->kept->n_jobs;
	plan_json(p, 202);
	buf_printf(q->body, "{\"job_id\":\"%016" PRIx64 "\",\"status\":\"running\"}", job.id);
	return rc;
}

static int show_job(struct ask *q, struct world_plan *p)
{
	const char *word = q->path + strlen("/webhook/job/");
	uint64_t id = strtoull(word, NULL, 16);
	const struct job *job = strlen(word) == 16 ? kept_job_of(q->kept, id) : NULL;

	p->delay_us = ACK_US;
	if (job == NULL) {
		plan_json(p, 404);
		buf_add_text(q->body, "{\"code\":404,\"message\":\"No such job\"}");
		return 0;
	}
	plan_json(p, q->now.boot_us < job->ready_us ? 202 : 200);
	buf_printf(q->body, "{\"job_id\":\"%016" PRIx64 "\",\"status\":\"%s\"", id,
	    q->now.boot_us < job->ready_us ? "running"
	    : job->result != NULL          ? "done"
					   : "failed");
	if (q->now.boot_us >= job->ready_us) {
		p->token = job->token;
		buf_printf(q->body, ",\"%s\":%s", job->result != NULL ? "result" : "error",
		    job->result != NULL ? job->result : "{\"message\":\"Error in workflow\"}");
	}
	buf_add_char(q->body, '}');
	return 0;
}

/* The answer is the result, or what a proxy makes of its being late. */
static int finish(struct ask *q, struct buf *result, struct world_plan *p)
{
	if (q->s->n8n.cloud && p->delay_us > CLOUD_US) {
		p->delay_us = CLOUD_US;
		p->status = 524;
		q->unread = true;
		plan_header(p, "Content-Type", "text/plain; charset=UTF-8");
		buf_add_text(q->body, "error code: 524");
		return 0;
	}
	plan_json(p, 200);
	buf_add(q->body, result->data, result->len);
	return 0;
}

static int answer(struct ask *q, struct world_plan *p)
{
	const char *url = webhook_text(q, "callback_url");
	struct buf result = {0};
	int rc;

	if (q->endpoint == EP_GET_JOB) {
		return show_job(q, p);
	}
	webhook_work(q, &result);
	q->ledger = true;
	if (q->endpoint == EP_VERIFY_EMAIL) {
		p->delay_us /= 10; /* the quick one */
	}
	if (result.failed) {
		rc = LEAD_ENOMEM;
	} else if (q->s->n8n.respond == RESPOND_CALLBACK && url != NULL) {
		rc = call_back(q, &result, url, p);
	} else if (q->s->n8n.respond == RESPOND_POLL && q->endpoint != EP_VERIFY_EMAIL) {
		rc = start_job(q, &result, p);
	} else {
		rc = finish(q, &result, p);
	}
	buf_free(&result);
	return rc;
}

static void not_registered(struct ask *q, struct world_plan *p)
{
	plan_json(p, 404);
	buf_add_text(q->body, "{\"code\":404,\"message\":");
	json_add(
	    q->body, arena_printf(q->a, "The requested webhook \"%s %s\" is not registered.",
			 q->r->method, strncmp(q->path, "/webhook/", 9) == 0 ? q->path + 9 : ""));
	buf_add_text(q->body,
	    ",\"hint\":\"The workflow must be active for a production URL to run successfully.\"}");
}

static void refuse(
    struct ask *q, enum refusal why, bool tokens, int64_t wait_us, struct world_plan *p)
{
	bool ran = ask_roll(q, "ran") % 2 == 0;

	(void)tokens;
	switch (why) {
	case REFUSAL_PATH:
	case REFUSAL_QUOTA:
	case REFUSAL_BILLING: /* somebody switched the workflow off */
		not_registered(q, p);
		return;
	case REFUSAL_AUTH:
		p->status = 403;
		plan_header(p, "Content-Type", "text/plain; charset=utf-8");
		buf_add_text(q->body, "Authorization data is wrong!");
		return;
	case REFUSAL_BAD:
		plan_json(p, q->bad_status);
		buf_printf(q->body, "{\"code\":%d,\"message\":", q->bad_status);
		json_add(q->body, q->bad);
		buf_add_char(q->body, '}');
		return;
	case REFUSAL_500:
		plan_json(p, 500);
		buf_add_text(q->body, ran ? "{\"message\":\"Error in workflow\"}"
					  : "{\"code\":0,\"message\":\"There was a problem "
					    "executing the workflow\"}");
		return;
	case REFUSAL_200:
		plan_json(p, 200);
		buf_add_text(q->body, "{\"error\":{\"message\":\"The model gave no answer\"}}");
		return;
	default: /* of the proxy in front */
		plan_json(p, why == REFUSAL_OVERLOAD ? 503 : 429);
		buf_add_text(q->body, "{\"message\":\"try again later\"}");
		plan_retry_after(q, p, wait_us);
		return;
	}
}

const struct model model_n8n = {.host = "n8n.cloud",
    .route = route,
    .credential = credential,
    .read = read,
    .answer = answer,
    .refuse = refuse};
