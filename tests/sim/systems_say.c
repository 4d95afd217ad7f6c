/*
 * Who speaks to the process of such a night: an operator and the sender of webhooks, who say again what was not heard; and what
 * goes wrong, begun and ended in its time.
 */
#include "tests/sim/systems_night.h"

#include "lib/engine/show/show.h"
#include "lib/engine/show/show_task.h"
#include "lib/store/jobs.h"
#include "tests/sim/hooks.h"

#include <stdio.h>
#include <stdlib.h>

#define APPROVE_US (20 * US_PER_S) /* an operator looks so often whether something is to be released, */
#define SET_UP_US (1800 * US_PER_S) /* and whether a run could not be set up */

/* --- wishes --- */

static struct wish *want(struct system_night *n, enum command_kind kind, uint32_t number, int64_t at_us)
{
	struct wish *w = calloc(1, sizeof(*w));

	if (n->n_wishes == sizeof(n->wishes) / sizeof(n->wishes[0])) {
		abort();
	}
	*w = (struct wish){.night = n, .kind = kind, .n = number};
	system_at(n, at_us, MOMENT_SAY, (uint32_t)n->n_wishes, 0, NULL);
	n->wishes[n->n_wishes++] = w;
	return w;
}

static void say_again(struct system_night *n, const struct wish *w, int64_t after_us)
{
	for (uint32_t i = 0; i < n->n_wishes; i++) {
		if (n->wishes[i] == w) {
			system_at(n, n->now_us + after_us, MOMENT_SAY, i, 0, NULL);
		}
	}
}

static void on_done(void *ctx, struct command *c)
{
	struct wish *w = ctx;
	struct system_night *n = w->night;

	if (n->dying || c->rc == LEAD_EFULL) {
		say_again(n, w, US_PER_S);
		return;
	}
	if (c->rc < 0) {
		violate(n->result, "a command of kind %d failed: %s", c->kind, c->err.text);
	}
	if (w->often_us > 0) {
		say_again(n, w, w->often_us);
		return;
	}
	w->heard = true;
	if (c->kind == COMMAND_START && c->rc == 0) {
		if (n->run_ids[w->n] != 0 && n->run_ids[w->n] != c->count) {
			violate(n->result, "the same start gave run %u and run %llu", n->run_ids[w->n], (unsigned long long)c->count);
		}
		n->run_ids[w->n] = (uint32_t)c->count;
	} else if (c->kind == COMMAND_UPLOAD) {
		n->uploaded = true;
	}
}

static void fill_start(const struct system_night *n, struct command *c, uint32_t run)
{
	const struct system_plan *p = n->plan;

	c->start = (struct run_row){.budget_micro = p->runs[run].budget_micro, .share = 1, .priority = 100};
	(void)snprintf(c->start.campaign, sizeof(c->start.campaign), "%s", p->runs[run].campaign);
	(void)snprintf(c->idem, sizeof(c->idem), "start-%u", run);
	c->idem_body = 1;
	if (p->system == SYSTEM_SHEET) {
		c->start.encoding = 255;
		(void)snprintf(c->start.upload, sizeof(c->start.upload), "upload");
		return;
	}
	c->start.finds = true;
	c->start.quantity = p->leads;
	buf_add_text(&c->start.params, p->runs[run].params);
}

static struct command *command_of(const struct system_night *n, struct wish *w)
{
	struct command *c = calloc(1, sizeof(*c));
	struct buf body = {0};

	c->kind = w->kind;
	c->done = on_done;
	c->ctx = w;
	c->run = w->n < SYSTEM_RUNS ? n->run_ids[w->n] : 0;
	switch (w->kind) {
	case COMMAND_START:
		fill_start(n, c, w->n);
		break;
	case COMMAND_UPLOAD:
		(void)snprintf(c->upload.id, sizeof(c->upload.id), "upload");
		c->upload.size = n->plan->csv.len;
		break;
	case COMMAND_INTAKE:
		system_event(n->plan, w->n, &body);
		(void)snprintf(c->service, sizeof(c->service), "close");
		c->body = body.data;
		c->body_len = body.len;
		break;
	case COMMAND_RELOAD:
		c->config = config_ref(system_config(n->plan));
		break;
	case COMMAND_RETRY:
		c->run = w->n;
		c->outcomes = w->root ? 1u << ITEM_FAILED : 1u << ITEM_PARKED;
		c->lead = w->root ? ITEM_ROOT : 0;
		break;
	case COMMAND_APPROVE:
		(void)snprintf(c->who, sizeof(c->who), "the operator");
		break;
	default:
		(void)snprintf(c->service, sizeof(c->service), "%s", world_service_word((enum world_service)w->n));
		break;
	}
	return c;
}

static bool is_of_run(enum command_kind kind)
{
	return kind == COMMAND_PAUSE || kind == COMMAND_RESUME || kind == COMMAND_CANCEL || kind == COMMAND_APPROVE;
}

void system_say(struct system_night *n, uint32_t wish)
{
	struct wish *w = n->wishes[wish];

	if (w->heard) {
		return;
	}
	if (n->engine == NULL || n->stopping || (w->kind == COMMAND_START && n->plan->system == SYSTEM_SHEET && !n->uploaded) ||
	    (is_of_run(w->kind) && n->run_ids[w->n] == 0)) {
		say_again(n, w, US_PER_S / 2);
		return;
	}
	if (w->kind == COMMAND_APPROVE && n->approve_us[w->n] == 0) {
		n->approve_us[w->n] = n->now_us;
	}
	engine_command(n->engine, command_of(n, w));
	system_poke(n);
}

/* --- the night --- */

void system_begin(struct system_night *n)
{
	const struct system_plan *p = n->plan;

	if (p->system == SYSTEM_SHEET) {
		(void)want(n, COMMAND_UPLOAD, 0, 0);
	}
	for (uint32_t i = 0; i < p->n_runs; i++) {
		(void)want(n, COMMAND_START, i, p->runs[i].start_us + 10 * US_PER_MS);
		(void)want(n, COMMAND_START, i, p->runs[i].start_us + (int64_t)(system_draw(n, 'S', i) % (uint64_t)(60 * US_PER_S)));
		if (p->system == SYSTEM_BOUGHT) {
			want(n, COMMAND_APPROVE, i, p->runs[i].start_us + APPROVE_US)->often_us = APPROVE_US;
		}
	}
	for (uint32_t i = 0; i < p->leads && p->system == SYSTEM_CRM; i++) {
		int64_t at_us = (int64_t)(system_draw(n, 'E', i) % (uint64_t)(90 * US_PER_S));

		(void)want(n, COMMAND_INTAKE, i, at_us);
		if (i % 3 == 0) { /* as those do whose answer was lost */
			(void)want(n, COMMAND_INTAKE, i, at_us + (int64_t)(system_draw(n, 'D', i) % (uint64_t)(5 * US_PER_S)));
		}
	}
	for (uint32_t i = 0; i < p->n_faults; i++) {
		if (!p->faults[i].off) {
			system_at(n, p->faults[i].at_us, MOMENT_FAULT, i, 0, NULL);
			system_at(n, p->faults[i].at_us + p->faults[i].for_us, MOMENT_FAULT_END, i, 0, NULL);
		}
	}
	system_at(n, p->quiet_us, MOMENT_QUIET, 0, 0, NULL);
}

/* A person comes, sees what stands, and frees it; runs without the money for more are ended. */
void system_quiet(struct system_night *n)
{
	struct txn *t = NULL;

	n->quiet = true;
	for (uint32_t s = 0; s < WORLD_SERVICES && n->plan->n_faults > 0; s++) {
		(void)want(n, COMMAND_SERVICE_RESUME, s, n->now_us);
		(void)want(n, COMMAND_SERVICE_RESET, s, n->now_us + 10 * US_PER_MS);
	}
	for (uint32_t r = 0; r < n->plan->n_runs; r++) {
		(void)want(n, n->plan->runs[r].budget_micro >= 0 ? COMMAND_CANCEL : COMMAND_RESUME, r, n->now_us + 3600 * US_PER_S);
	}
	if (txn_begin(n->store, false, &t, NULL) == 0) {
		for (uint32_t id = 1; id <= run_last_id(t) && n->plan->n_faults > 0; id++) {
			struct wish *root = want(n, COMMAND_RETRY, id, n->now_us + 2 * US_PER_S);

			root->root = true;
			root->often_us = SET_UP_US;
			(void)want(n, COMMAND_RETRY, id, n->now_us + US_PER_S);
		}
		txn_abort(t);
	}
}

bool system_is_done(struct system_night *n)
{
	struct txn *t = NULL;
	bool done = true;

	for (size_t i = 0; i < n->n_wishes && done; i++) {
		done = n->wishes[i]->heard || n->wishes[i]->often_us > 0 || n->wishes[i]->kind == COMMAND_CANCEL ||
		       n->wishes[i]->kind == COMMAND_RESUME;
	}
	if (!done || show_events_waiting(n->engine) > 0 || txn_begin(n->store, false, &t, NULL) != 0) {
		return false;
	}
	for (uint32_t id = 1; id <= run_last_id(t) && done; id++) {
		const struct run_row *r = show_run_row(n->engine, id);

		done = r != NULL && r->written && (r->state == RUN_DONE || r->state == RUN_CANCELLED);
	}
	txn_abort(t);
	return done;
}

/* --- faults --- */

bool system_hit(struct system_night *n, uint8_t kind, uint64_t call)
{
	for (size_t i = 0; i < n->plan->n_faults; i++) {
		const struct fault *f = &n->plan->faults[i];

		if (n->active[i] && f->kind == kind && system_draw(n, kind, call) % PPM < f->share_ppm) {
			n->result->hits[kind]++;
			return true;
		}
	}
	return false;
}

void system_crash_moment(struct system_night *n, unsigned kind)
{
	if (n->crash_when == kind) {
		n->crash_when = 0;
		n->crash_now = true;
		n->result->hits[kind]++;
	}
}

static void process_fault(struct system_night *n, const struct fault *f)
{
	n->result->hits[f->kind]++;
	switch (f->kind) {
	case KIND_CRASH_BEFORE_COMMIT:
		hooks.commit = COMMIT_DIE_BEFORE;
		break;
	case KIND_CRASH_AFTER_COMMIT:
		hooks.commit = COMMIT_DIE_AFTER;
		break;
	case KIND_CRASH_IN_RELEASE:
		n->in_release = 1 + (unsigned)(f->draw % 4);
		n->result->hits[f->kind]--; /* counted when it happens */
		break;
	case KIND_REBOOT: /* the power is gone; with it the boot clock */
		(void)snprintf(n->boot_id, sizeof(n->boot_id), "boot-%u", ++n->boots);
		system_crash(n, US_PER_S + (int64_t)(f->draw % (uint64_t)(20 * US_PER_S)));
		n->boot_zero_us = n->now_us;
		break;
	case KIND_STOP:
		n->stopping = true;
		engine_drain(n->engine);
		system_poke(n);
		break;
	case KIND_STALL:
		n->busy_until_us = n->now_us + US_PER_S / 2 + (int64_t)(f->draw % (uint64_t)(4 * US_PER_S));
		break;
	default:
		n->crash_when = f->kind;
		n->result->hits[f->kind]--;
		break;
	}
}

static void fault_begins(struct system_night *n, uint32_t i)
{
	const struct fault *f = &n->plan->faults[i];
	bool process = (f->kind >= KIND_CRASH_BEFORE_COMMIT && f->kind <= KIND_STOP) || f->kind == KIND_STALL;

	if (process && (n->engine == NULL || n->stopping)) {
		return; /* down already */
	}
	n->active[i] = true;
	if (process) {
		process_fault(n, f);
	} else if (f->kind == KIND_RELOAD) {
		(void)want(n, COMMAND_RELOAD, 0, n->now_us);
	} else if (f->kind == KIND_RUN_PAUSE && n->plan->n_runs > 0) {
		(void)want(n, COMMAND_PAUSE, f->run, n->now_us);
	} else if (f->kind == KIND_SERVICE_PAUSE) {
		(void)want(n, COMMAND_SERVICE_PAUSE, f->service, n->now_us);
	}
	n->result->hits[f->kind] += f->kind >= KIND_RELOAD && f->kind < KIND_DNS;
}

static void fault_ends(struct system_night *n, uint32_t i)
{
	const struct fault *f = &n->plan->faults[i];

	if (!n->active[i]) {
		return;
	}
	n->active[i] = false;
	if (f->kind == KIND_STOP && n->stopping && n->engine != NULL) {
		system_crash(n, US_PER_S); /* the drain limit is over */
	} else if (f->kind == KIND_RUN_PAUSE && n->plan->n_runs > 0) {
		(void)want(n, COMMAND_RESUME, f->run, n->now_us);
	} else if (f->kind == KIND_SERVICE_PAUSE) {
		(void)want(n, COMMAND_SERVICE_RESUME, f->service, n->now_us);
	}
}

void system_fault(struct system_night *n, uint32_t i, bool begins)
{
	(begins ? fault_begins : fault_ends)(n, i);
	hooks.full = false;
	for (size_t k = 0; k < n->plan->n_faults; k++) {
		hooks.full = hooks.full || (n->active[k] && n->plan->faults[k].kind == KIND_STORE_FULL);
	}
	if (n->plan->faults[i].kind < FAULT_N) {
		plan_swap_world(n->world, &n->calm, n->plan->faults, n->active, n->plan->n_faults);
	}
}
