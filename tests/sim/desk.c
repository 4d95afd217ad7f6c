/*
 * Research by jobs: a desk in front of the world. It takes a question, has the world answer it at once, and keeps the answer
 * for a while: whoever asked gets a receipt, is called back or asks for it, and may find it twice, early or only by asking.
 */
#include "tests/sim/shell.h"

#include "lib/service/answer.h"
#include "lib/store/jobs.h"
#include "lib/store/ledger.h"

#include <stdio.h>
#include <stdlib.h>

#define TRIES 8 /* calls back, each after twice the time */
#define PATH "/jobs/"
#define BACK "/v1/callbacks/"
#define POLLS_MAX 40
#define POLLS_US (1500 * US_PER_MS)

bool desk_asked(const struct flight *f)
{
	return f->service == WORLD_PERPLEXITY && strstr(f->parcel.request.path, PATH) != NULL;
}

static struct desk_job *find(struct night *n, uint64_t id)
{
	for (size_t i = 0; i < n->n_desk; i++) {
		if (n->desk[i].id == id) {
			return &n->desk[i];
		}
	}
	return NULL;
}

static void say(struct world_plan *p, int status, const char *body)
{
	p->status = status;
	p->body = body;
	p->body_len = strlen(body);
	p->pad_bytes = p->drip_bytes = 0;
}

/* --- a question --- */

static struct desk_job *add(struct night *n, struct flight *f, const struct world_plan *p, const char *back)
{
	struct desk_job *j;

	if (n->n_desk == n->cap_desk) {
		n->cap_desk = n->cap_desk * 2 + 256;
		n->desk = realloc(n->desk, n->cap_desk * sizeof(*n->desk));
	}
	j = &n->desk[n->n_desk++];
	*j = (struct desk_job){.id = f->call ^ 0x5bd1e995, .call = f->call, .token = p->token, .wire = n->n_log - 1};
	(void)snprintf(j->back, sizeof(j->back), "%.32s", back + strlen(BACK));
	j->body = strndup(p->body, p->body_len);
	j->ready_us = n->now_us + p->delay_us + 200 * US_PER_MS + (int64_t)(draw(n, 'J', f->call) % (uint64_t)(9 * US_PER_S));
	return j;
}

void desk_take(struct night *n, struct flight *f, struct world_plan *p)
{
	const char *back = f->parcel.request.body != NULL ? strstr(f->parcel.request.body, BACK) : NULL;
	bool done = p->status == 200 && (p->fault == FAULT_NONE || p->fault == FAULT_DRIP || p->fault == FAULT_SLOW ||
					    p->fault == FAULT_TRUNCATE);
	struct desk_job *j;
	size_t times;

	if (f->service != WORLD_PERPLEXITY || back == NULL || !done) {
		return;
	}
	j = add(n, f, p, back);
	times = draw(n, 'T', f->call) % 100 < 15 ? 0 : draw(n, 'T', f->call) % 100 < 30 ? 2 : 1;
	p->delay_us = 3 * US_PER_MS;
	if (draw(n, 'E', f->call) % 100 < 10) {
		j->ready_us = n->now_us;
		p->delay_us = 80 * US_PER_MS;
	}
	for (size_t i = 0; i < times; i++) {
		event_push(n, j->ready_us + (int64_t)(draw(n, 'D' + i, f->call) % (uint64_t)(50 * US_PER_MS)), EVENT_CALLBACK,
		    (uint32_t)(n->n_desk - 1), US_PER_S, NULL);
	}
	(void)snprintf(j->receipt, sizeof(j->receipt), "{\"job_id\":\"%016llx\"}", (unsigned long long)j->id);
	say(p, 202, j->receipt);
	f->desk = true;
	if (draw(n, 'X', f->call) % 100 < 5 && !n->quiet && n->plan->n_faults > 0) {
		p->end = WORLD_RESET; /* the receipt is lost, the work goes on */
	}
}

/* --- asked for --- */

void desk_answer(struct night *n, struct flight *f, struct world_plan *p)
{
	static const struct world_header json = {"Content-Type", "application/json"};
	struct desk_job *j = find(n, strtoull(strstr(f->parcel.request.path, PATH) + strlen(PATH), NULL, 16));
	uint64_t luck = draw(n, 'Q', f->call) % 100;

	*p = (struct world_plan){.service = WORLD_PERPLEXITY, .delay_us = 4 * US_PER_MS, .headers = {json}, .n_headers = 1};
	n->log[n->n_log - 1].poll = true;
	if (j == NULL) {
		violate(n->result, "the desk was asked for a job that it never named: %s", f->parcel.request.path);
		say(p, 404, "{}");
	} else if (luck < 8 && !n->quiet && n->plan->n_faults > 0) {
		p->end = luck < 4 ? WORLD_RESET : WORLD_ANSWER;
		say(p, 500, "{}");
	} else if (n->now_us < j->ready_us) {
		say(p, j->call % 3 == 0 ? 404 : 200,
		    j->call % 3 == 0 ? "{\"status\":\"result_pending\",\"delay\":1.5}" : "{\"state\":\"running\"}");
	} else {
		say(p, 200, j->body);
	}
}

/* --- calling back --- */

struct calling {
	struct night *n;
	uint32_t job;
	int64_t wait_us;
};

static void on_called(void *ctx, struct command *c)
{
	struct calling *k = ctx;
	struct desk_job *j = &k->n->desk[k->job];

	if (c->rc == 0 && !k->n->dying) {
		j->acked++;
	} else if (c->rc != 0 && c->rc != LEAD_EFULL) {
		violate(k->n->result, "a callback was refused: %d %s", c->rc, c->err.text);
	} else if (j->tries++ < TRIES) {
		event_push(k->n, k->n->now_us + k->wait_us, EVENT_CALLBACK, k->job, 2 * k->wait_us, NULL);
	}
	free(k);
}

void desk_call_back(struct night *n, uint32_t job, int64_t wait_us)
{
	struct desk_job *j = &n->desk[job];
	struct calling *k;
	struct command *c;

	if (n->engine == NULL || n->dying || n->now_us < n->busy_until_us) {
		if (j->tries++ < TRIES) {
			event_push(n, n->now_us + wait_us, EVENT_CALLBACK, job, 2 * wait_us, NULL);
		}
		return;
	}
	k = malloc(sizeof(*k));
	c = calloc(1, sizeof(*c));
	*k = (struct calling){n, job, wait_us};
	c->kind = COMMAND_CALLBACK;
	(void)snprintf(c->token, sizeof(c->token), "%s", j->back);
	c->body = strdup(j->body);
	c->body_len = strlen(j->body);
	c->done = on_called;
	c->ctx = k;
	engine_command(n->engine, c);
	process_poke(n);
}

/* --- afterwards --- */

static bool is_final(uint8_t outcome)
{
	return outcome == OUTCOME_OK || outcome == OUTCOME_EMPTY || outcome == OUTCOME_PERMANENT;
}

void desk_tell(struct night *n, struct txn *t)
{
	for (size_t i = n->desk_told; i < n->n_desk; i++) {
		struct desk_job *j = &n->desk[i];
		struct call_row row;

		if (!j->told && call_read(t, j->call, &row) && row.state > CALL_SENT) {
			j->told = true;
			if (is_final(row.outcome)) {
				n->log[j->wire].delivered = true;
				world_delivered(n->world, j->token, (struct now){n->now_us, WORLD_WALL_US + n->now_us});
			}
		}
		n->desk_told += j->told && i == n->desk_told;
	}
}

/* What was acknowledged is kept; polls kept to their own limit. */
void desk_check(struct night *n)
{
	struct txn *t = NULL;
	size_t first = 0, last = 0;
	struct job_row row;

	if (txn_begin(n->store, false, &t, NULL) != 0) {
		return;
	}
	for (size_t i = 0; i < n->n_desk; i++) {
		const struct desk_job *j = &n->desk[i];

		if (!job_read(t, j->call, &row) || row.state != JOB_ENDED) {
			violate(n->result, "job %016llx has not ended", (unsigned long long)j->id);
		} else if (row.callbacks < j->acked) {
			violate(n->result, "job %016llx: %u callbacks were acknowledged, %u are known", (unsigned long long)j->id, j->acked,
			    row.callbacks);
		}
		n->result->jobs++;
	}
	txn_abort(t);
	for (size_t i = 0; i < n->n_log; i++) {
		const struct wire *w = &n->log[i];
		size_t within = 0;

		if (!w->poll) {
			continue;
		}
		n->result->polls++;
		for (; first < i && n->log[first].arrived_us <= w->arrived_us - POLLS_US; first++) {
		}
		for (last = first; last <= i; last++) {
			within += n->log[last].poll;
		}
		if (within > POLLS_MAX) {
			violate(n->result, "research: %zu polls within %lld ms", within, (long long)(POLLS_US / US_PER_MS));
			break;
		}
	}
}

void desk_free(struct night *n)
{
	for (size_t i = 0; i < n->n_desk; i++) {
		free(n->desk[i].body);
	}
	free(n->desk);
}
