/*
 * lib/sim/apollo_async.c: what takes longer: phones and waterfalls. The result is made at once and
 * shown when its time has come. Callbacks are never sent: they may get lost, and the poll is there
 * for that.
 */
#include "lib/sim/apollo.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ids.h"

#define KEPT_US (30 * US_PER_DAY)

bool apollo_has_phone(const struct ask *q, const struct person *p)
{
	const uint64_t parts[] = {q->s->seed, hash_plain(p->id, strlen(p->id)), 5};

	return hash_many(parts, 3) % 10 < 6;
}

/* What the poll will bring: `{"credits_consumed":…,"people":[…]}`; the caller frees. NULL when out
 * of memory. */
static char *result_of(struct ask *q, const struct matched *m)
{
	struct buf b = {0};
	bool first = true;

	buf_printf(&b, "{\"credits_consumed\":%" PRId64 ",\"people\":[", m->credits);
	for (size_t i = 0; i < m->n; i++) {
		const struct person *p = &m->people[i];

		if (!m->found[i]) {
			continue;
		}
		buf_printf(&b, "%s{\"id\":\"%s\",\"email\":", first ? "" : ",", p->id);
		json_add(&b, p->email[0] != '\0' ? p->email : NULL);
		buf_printf(&b, ",\"email_status\":\"%s\",\"phone_numbers\":[", p->email_status);
		if (apollo_has_phone(q, p)) {
			buf_printf(&b, "{\"raw_number\":\"+1 555-01%02u\",\"type_cd\":\"mobile\"}",
			    (unsigned)(hash_plain(p->id, strlen(p->id)) % 100));
		}
		buf_add_text(&b, "]}");
		first = false;
	}
	buf_add_text(&b, "]}");
	if (b.failed) {
		buf_free(&b);
		return NULL;
	}
	return buf_take(&b);
}

int apollo_start_job(struct ask *q, const struct matched *m, const struct sim_job **ret)
{
	struct sim_job job = {.service = (uint8_t)q->service,
	    .start_us = q->now.boot_us,
	    .ready_us = q->now.boot_us + q->s->apollo.async_us,
	    .wall_us = q->now.wall_us,
	    .text = result_of(q, m)};

	return job.text != NULL ? jobs_add(q->jobs, &job, ask_roll(q, "request"), ret)
				: LEAD_ENOMEM;
}

static int result_error(
    struct ask *q, struct world_plan *p, int status, const char *code, const char *more)
{
	plan_json(p, status);
	buf_printf(q->body, "{\"error_code\":\"%s\"%s}", code, more);
	return 0;
}

int apollo_result(struct ask *q, struct world_plan *p)
{
	const char *text = strrchr(q->path, '/') + 1;
	const struct sim_job *job;
	char *end;
	int64_t id;

	errno = 0;
	id = strtoll(text, &end, 10);
	if (*text == '\0' || *end != '\0' || errno != 0) {
		return result_error(q, p, 400, "invalid_request_id", "");
	}
	job = jobs_find(q->jobs, (uint8_t)q->service, (uint64_t)id);
	if (job == NULL) {
		return result_error(q, p, 404, "request_id_unknown", "");
	}
	if (q->now.boot_us - job->start_us >= KEPT_US) {
		return result_error(q, p, 410, "request_id_expired", "");
	}
	if (q->now.boot_us < job->ready_us) {
		q->outcome = ACCOUNT_EMPTY;
		return result_error(q, p, 404, "result_pending",
		    arena_printf(q->a, ",\"retry_after_seconds\":%" PRId64,
			(job->ready_us - q->now.boot_us) / US_PER_S / 2 + 1));
	}
	plan_json(p, 200);
	buf_printf(q->body,
	    "{\"request_id\":\"%" PRId64 "\",\"webhook_status\":\"success\",\"request_type\":"
	    "\"enrichment\",\"failure_reason\":null,"
	    "\"webhook_result\":%s}",
	    id, job->text);
	return 0;
}
