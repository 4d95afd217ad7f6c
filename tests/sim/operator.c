/*
 * The operator, who never gives up: what was not heard is said again.
 */
#include "tests/sim/shell.h"

#include "lib/engine/show/show.h"
#include "lib/store/verify.h"

#include <stdio.h>
#include <stdlib.h>

/* --- what the operator says --- */

struct intent *intend(struct night *n, enum command_kind kind, size_t run, int64_t at_us)
{
	struct intent *i = calloc(1, sizeof(*i));

	if (n->n_intents == n->cap_intents) {
		n->cap_intents = n->cap_intents * 2 + 64;
		n->intents = realloc(n->intents, n->cap_intents * sizeof(*n->intents));
	}
	*i = (struct intent){.night = n, .run = run};
	i->command.kind = kind;
	event_push(n, at_us, EVENT_INTENT, (uint32_t)n->n_intents, 0, NULL);
	n->intents[n->n_intents++] = i;
	return i;
}

struct intent *intend_service(struct night *n, enum command_kind kind, unsigned service)
{
	struct intent *i = intend(n, kind, 0, n->now_us);

	(void)snprintf(i->command.service, sizeof(i->command.service), "%s", service_word(service));
	return i;
}

static void conf_ceiling(const struct night *n, unsigned variant, uint32_t ret[SERVICES][WINDOWS])
{
	for (unsigned s = 0; s < SERVICES; s++) {
		for (unsigned w = 0; w < WINDOWS; w++) {
			uint32_t max = shapes[n->plan->shape].windows[s][w].max;

			ret[s][w] = (variant & CONF_LOW) != 0 ? max / 2 : max;
		}
	}
}

void intend_reload(struct night *n)
{
	struct intent *i = intend(n, COMMAND_RELOAD, 0, n->now_us);

	n->variant = (n->low > 0 ? CONF_LOW : 0) | (n->tight > 0 ? CONF_TIGHT : 0);
	i->limits = true;
}

void intend_limit(struct night *n, unsigned service, uint32_t max)
{
	const struct window_plan *w = &shapes[n->plan->shape].windows[service][0];
	struct intent *i = intend_service(n, COMMAND_SERVICE_LIMIT, service);

	i->limits = true;
	i->command.window =
	    (struct window_spec){.kind = WINDOW_SLIDING, .length_us = w->length_us, .max = max};
	i->ceiling[service][0] = max;
	n->said[service] = max;
}

/* Limits that may be in force: until a change is confirmed, the higher of old and new. */
static void expect_limits(struct night *n, const struct intent *i)
{
	n->pending_limits++;
	for (unsigned s = 0; s < SERVICES; s++) {
		for (unsigned w = 0; w < WINDOWS; w++) {
			uint32_t *p = &n->pending_ceiling[s][w];

			*p = i->ceiling[s][w] > *p ? i->ceiling[s][w] : *p;
		}
	}
}

static void limits_told(struct night *n, const struct intent *i, bool done)
{
	for (unsigned s = 0; s < SERVICES && done; s++) {
		for (unsigned w = 0; w < WINDOWS; w++) {
			if (i->ceiling[s][w] > 0 && i->sent > n->limits_sent[s][w]) {
				n->limits_sent[s][w] = i->sent; /* answers need not come in order */
				n->ceiling[s][w] = i->ceiling[s][w];
				n->said[s] = i->command.kind == COMMAND_SERVICE_LIMIT
						 ? i->ceiling[s][w]
						 : n->said[s];
			}
		}
	}
	if (--n->pending_limits == 0) {
		memset(n->pending_ceiling, 0, sizeof(n->pending_ceiling));
	}
}

static void say_again(struct night *n, const struct intent *i, int64_t after_us)
{
	for (uint32_t k = 0; k < n->n_intents; k++) {
		if (n->intents[k] == i) {
			event_push(n, n->now_us + after_us, EVENT_INTENT, k, 0, NULL);
		}
	}
}

/* Nothing waited: then nothing was released, unless an earlier word was heard and its answer was not. And so on until the night ends. */
static void approve_told(struct night *n, const struct intent *i, const struct command *c, bool heard)
{
	if (!heard) {
		n->approve_lost[i->run] = true;
	} else if (c->rc == 2 && !n->approve_lost[i->run]) {
		n->approve_us[i->run] = n->approved[i->run] ? n->approve_us[i->run] : 0;
	} else if (c->rc == 0) {
		n->approved[i->run] = true;
	} else if (c->rc < 0 || c->rc == 1) {
		violate(n->result, "an approval failed: %s", c->err.text);
	}
	for (uint32_t k = 0; k < n->n_intents; k++) {
		if (n->intents[k] == i) {
			event_push(n, n->now_us + 2 * US_PER_S, EVENT_INTENT, k, 0, NULL);
		}
	}
}

static void on_done(void *ctx, struct command *c)
{
	struct intent *i = ctx;
	struct night *n = i->night;
	bool heard = !n->dying && c->rc != LEAD_EFULL;

	if (i->limits) {
		limits_told(n, i, heard && c->rc == 0);
	}
	if (c->kind == COMMAND_APPROVE) {
		approve_told(n, i, c, heard);
		return;
	}
	if (!heard) {
		say_again(n, i, US_PER_S);
		return;
	}
	if (c->kind == COMMAND_RECALL && c->rc == 2) { /* the run is not at its end yet */
		say_again(n, i, 2 * US_PER_S);
		return;
	}
	i->heard = true;
	if (c->kind == COMMAND_RELOAD && c->rc == 0) {
		memset(n->said, 0, sizeof(n->said));
	}
	if (c->kind == COMMAND_RELOAD && c->rc == 0 && i->sent > n->tight_sent) {
		n->tight_sent = i->sent;
		n->tight_told = i->tight;
	}
	if (c->kind == COMMAND_UPLOAD) {
		n->uploaded[i->run] = true;
	} else if (c->kind == COMMAND_START && c->rc == 0) {
		if (n->run_ids[i->run] != 0 && n->run_ids[i->run] != c->count) {
			violate(n->result, "the same start gave run %u and run %llu",
			    n->run_ids[i->run], (unsigned long long)c->count);
		}
		n->run_ids[i->run] = (uint32_t)c->count;
	} else if (c->rc < 0) {
		violate(n->result, "a command of kind %d failed: %s", c->kind, c->err.text);
	}
	n->done = n->done || (n->quiet && operator_is_done(n));
}

static void fill_start(struct night *n, struct command *c, size_t run)
{
	const struct run_plan *r = &n->plan->runs[run];

	c->start = (struct run_row){.budget_micro = r->budget_micro,
	    .share = r->share,
	    .priority = r->priority,
	    .encoding = 255,
	    .sample = r->sample,
	    .preview = r->preview};
	if (r->by_us != 0) {
		c->start.by_us = engine_now(n).wall_us + r->by_us;
	}
	(void)snprintf(
	    c->start.campaign, sizeof(c->start.campaign), "%s", r->campaign == 0 ? "one" : "two");
	(void)snprintf(c->start.source, sizeof(c->start.source), "rows.csv");
	(void)snprintf(c->start.upload, sizeof(c->start.upload), "%s", r->upload);
	(void)snprintf(c->idem, sizeof(c->idem), "%s", r->idem);
	c->idem_body = 1;
}

static bool of_run(enum command_kind kind)
{
	return kind == COMMAND_PAUSE || kind == COMMAND_RESUME || kind == COMMAND_CANCEL ||
	       kind == COMMAND_RETRY || kind == COMMAND_APPROVE || kind == COMMAND_RECALL || kind == COMMAND_VERIFY;
}

/* What a later wish of the operator makes of an earlier one that nobody heard: nothing. */
static bool supersedes(const struct command *later, const struct command *earlier, bool same_run)
{
	switch (later->kind) {
	case COMMAND_PAUSE:
	case COMMAND_RESUME:
		return same_run &&
		       (earlier->kind == COMMAND_PAUSE || earlier->kind == COMMAND_RESUME);
	case COMMAND_SERVICE_PAUSE:
	case COMMAND_SERVICE_RESUME:
		return strcmp(later->service, earlier->service) == 0 &&
		       (earlier->kind == COMMAND_SERVICE_PAUSE ||
			   earlier->kind == COMMAND_SERVICE_RESUME);
	case COMMAND_RELOAD:
		return earlier->kind == COMMAND_RELOAD || earlier->kind == COMMAND_SERVICE_LIMIT;
	default:
		return false;
	}
}

static void drop_earlier(struct night *n, size_t intent)
{
	struct intent *i = n->intents[intent];

	for (size_t k = 0; k < intent; k++) {
		struct intent *old = n->intents[k];

		old->heard =
		    old->heard || supersedes(&i->command, &old->command, i->run == old->run);
	}
}

void operator_send(struct night *n, size_t intent)
{
	struct intent *i = n->intents[intent];
	struct command *c;

	if (i->heard) {
		return;
	}
	if (n->engine == NULL || n->stopping ||
	    (i->command.kind == COMMAND_START && !n->uploaded[i->run]) ||
	    (of_run(i->command.kind) && n->run_ids[i->run] == 0)) {
		event_push(n, n->now_us + US_PER_S / 2, EVENT_INTENT, (uint32_t)intent, 0, NULL);
		return;
	}
	drop_earlier(n, intent);
	i->sent = ++n->sent;
	c = malloc(sizeof(*c));
	*c = i->command;
	c->done = on_done;
	c->ctx = i;
	c->run = n->run_ids[i->run];
	if (c->kind == COMMAND_START) {
		fill_start(n, c, i->run);
	} else if (c->kind == COMMAND_UPLOAD) {
		(void)snprintf(
		    c->upload.id, sizeof(c->upload.id), "%s", n->plan->runs[i->run].upload);
		c->upload.size = n->plan->runs[i->run].csv.len;
	} else if (c->kind == COMMAND_RELOAD) {
		/* the file as it is now, not as it was when the wish came up */
		c->config = config_ref(conf_get(n->plan->shape, n->variant));
		conf_ceiling(n, n->variant, i->ceiling);
		i->tight = (n->variant & CONF_TIGHT) != 0;
	}
	if (i->limits) {
		expect_limits(n, i);
	}
	if (c->kind == COMMAND_APPROVE) {
		(void)snprintf(c->who, sizeof(c->who), "the operator");
		n->approve_us[i->run] = n->approve_us[i->run] == 0 ? n->now_us : n->approve_us[i->run];
	}
	if (c->kind != COMMAND_UPLOAD && c->kind != COMMAND_START) {
		watch_disturb(n);
	}
	engine_command(n->engine, c);
	process_poke(n);
}

/* What was read back is not at its end. */
static bool is_verifying(struct night *n, uint32_t run)
{
	struct verify_row v = {.state = VERIFY_NONE};
	struct txn *t = NULL;
	bool any;

	if (txn_begin(n->store, false, &t, NULL) != 0) {
		return true;
	}
	any = verify_row_read(t, run, &v);
	txn_abort(t);
	return any && verify_at_work(v.state);
}

bool operator_is_done(struct night *n)
{
	for (size_t i = 0; i < n->n_intents; i++) {
		if (!n->intents[i]->heard && n->intents[i]->command.kind != COMMAND_APPROVE) {
			return false;
		}
	}
	for (size_t i = 0; i < n->plan->n_runs; i++) {
		const struct run_row *r =
		    n->engine != NULL ? show_run_row(n->engine, n->run_ids[i]) : NULL;

		if (r == NULL || !r->written || (n->plan->runs[i].verified && is_verifying(n, n->run_ids[i])) ||
		    (r->state != RUN_DONE && r->state != RUN_CANCELLED)) {
			return false;
		}
	}
	return true;
}

/* The file on disk counts, and what was said about limits since. */
void operator_restarted(struct night *n)
{
	conf_ceiling(n, n->variant, n->ceiling);
	for (unsigned s = 0; s < SERVICES; s++) {
		/* an operator's limit lasts until a reload; which of the two was last need not have
		 * been heard */
		n->ceiling[s][0] = n->said[s] > n->ceiling[s][0] ? n->said[s] : n->ceiling[s][0];
	}
	n->tight_told = (n->variant & CONF_TIGHT) != 0;
}

void operator_begin(struct night *n)
{
	faults_begin(n);
	conf_ceiling(n, CONF_BASE, n->ceiling);
	for (size_t r = 0; r < n->plan->n_runs; r++) {
		(void)intend(n, COMMAND_UPLOAD, r, n->plan->runs[r].start_us);
		(void)intend(n, COMMAND_START, r, n->plan->runs[r].start_us + 10 * US_PER_MS);
		if (n->plan->runs[r].sample != 0 || n->plan->runs[r].preview || plan_approves(n->plan)) {
			(void)intend(n, COMMAND_APPROVE, r, n->plan->runs[r].start_us + n->plan->runs[r].approve_us);
		}
	}
	for (size_t r = 0; r < n->plan->n_runs; r++) {
		const struct run_plan *p = &n->plan->runs[r];

		if (p->verified) {
			(void)intend(n, COMMAND_VERIFY, r, p->verify_us);
		}
		if (p->recall != KEEP && p->recall_cancels) {
			(void)intend(n, COMMAND_CANCEL, r, p->recall_us);
		}
		if (p->recall != KEEP) {
			intend(n, COMMAND_RECALL, r, p->recall_us + US_PER_S)->command.unsent_only =
			    p->recall == RECALL_UNSENT;
		}
	}
}

void operator_quiet(struct night *n)
{
	n->quiet = true;
	n->quiet_us = n->now_us;
	if (n->plan->n_faults == 0) {
		return;
	}
	for (size_t i = 0; i < n->n_intents; i++) {
		/* what comes too late is not wanted any more */
		n->intents[i]->heard |= n->intents[i]->command.kind == COMMAND_RETRY;
	}
	for (size_t r = 0; r < n->plan->n_runs; r++) {
		if (n->plan->runs[r].verified) {
			(void)intend(n, COMMAND_VERIFY, r, n->now_us + 5 * US_PER_S);
		}
		(void)intend(n,
		    n->plan->runs[r].budget_micro >= 0 ? COMMAND_CANCEL : COMMAND_RESUME, r,
		    n->now_us);
	}
	for (unsigned s = 0; s < SERVICES; s++) {
		(void)intend_service(n, COMMAND_SERVICE_RESUME, s);
	}
	intend_reload(n);
}
