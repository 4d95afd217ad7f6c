/*
 * What a seed means: shape of the services, runs and their rows, and what goes wrong when.
 *
 * Faults lie within the time that the night takes without any; how many there are and how hard they
 * hit swings from night to night, from none to harsh.
 */
#include "tests/sim/night.h"

#include <stdio.h>
#include <stdlib.h>

#define BIG_ROWS 5000
#define SMALL_ROWS 460

static const char *const words[KIND_N] = {[KIND_CRASH_BEFORE_COMMIT] = "crash-before-commit",
    [KIND_CRASH_AFTER_COMMIT] = "crash-after-commit",
    [KIND_CRASH_IN_RELEASE] = "crash-in-release",
    [KIND_CRASH_UNSENT] = "crash-unsent",
    [KIND_CRASH_SENT] = "crash-sent",
    [KIND_CRASH_ANSWERED] = "crash-answered",
    [KIND_CRASH_STARTING] = "crash-starting",
    [KIND_REBOOT] = "reboot",
    [KIND_STOP] = "stop",
    [KIND_CLOCK_AHEAD] = "clock-ahead",
    [KIND_CLOCK_BACK] = "clock-back",
    [KIND_CLOCK_1970] = "clock-1970",
    [KIND_CLOCK_DRIFT] = "clock-drift",
    [KIND_SUSPEND] = "suspend",
    [KIND_STALL] = "stall",
    [KIND_RELOAD] = "reload",
    [KIND_LIMITS_LOWERED] = "limits-lowered",
    [KIND_BUDGET_CUT] = "budget-cut",
    [KIND_RUN_BUDGET] = "run-budget",
    [KIND_RUN_PAUSE] = "run-pause",
    [KIND_RUN_CANCEL] = "run-cancel",
    [KIND_RUN_RETRY] = "run-retry",
    [KIND_SERVICE_PAUSE] = "service-pause",
    [KIND_SERVICE_RESET] = "service-reset",
    [KIND_SERVICE_LIMIT] = "service-limit",
    [KIND_START_TWICE] = "start-twice",
    [KIND_ROWS_TWICE] = "rows-twice",
    [KIND_ROWS_SHUFFLED] = "rows-shuffled",
    [KIND_STORE_FULL] = "store-full",
    [KIND_STORE_NEARLY_FULL] = "store-nearly-full",
    [KIND_DNS] = "dns",
    [KIND_REFUSED] = "connection-refused",
    [KIND_SLOW_CONNECT] = "slow-connect",
    [KIND_JITTER] = "jitter"};

/* Windows per service: verify (each of its two keys), research, copy, mail. */
#define MS(n, ms)                                                                                  \
	{                                                                                          \
		n, ms *US_PER_MS                                                                   \
	}
const struct shape shapes[] = {
    {"short", {{MS(25, 1000)}, {MS(50, 1000)}, {MS(60, 1000)}, {MS(120, 1000)}}, 60000},
    {"short", {{MS(40, 2000)}, {MS(50, 1000)}, {MS(50, 1000), MS(300, 10000)}, {MS(100, 1000)}},
	90000},
    {"long", {{MS(60, 3000)}, {MS(100, 2000)}, {MS(60, 1500)}, {MS(200, 2000)}}, 120000},
    {"short", {{MS(100, 5000)}, {MS(50, 1000)}, {MS(150, 3000)}, {MS(80, 1000), MS(500, 8000)}},
	60000},
    /* the big ones */
    {"short", {{MS(200, 1000)}, {MS(50, 1000)}, {MS(300, 1000)}, {MS(600, 1000)}}, 60000},
    {"short", {{MS(500, 3000)}, {MS(50, 1000)}, {MS(400, 1500), MS(3000, 12000)}, {MS(800, 1500)}},
	90000},
    /* leads that go together */
    {"group", {{MS(60, 1000)}, {MS(40, 1000)}, {MS(60, 1000)}, {MS(60, 1000)}}, 60000},
    /* research by jobs */
    {"later", {{MS(60, 3000)}, {MS(100, 2000)}, {MS(60, 1500)}, {MS(200, 2000)}}, 120000},
};
const unsigned n_shapes = sizeof(shapes) / sizeof(shapes[0]);
#define SMALL_SHAPES 4
#define GROUP_SHAPE 6
#define JOB_SHAPE 7
#define COMPANIES 60 /* of all runs of such a night */

const char *kind_word(unsigned kind)
{
	return kind < FAULT_N ? world_fault_word((enum world_fault)kind) : words[kind];
}

const char *service_word(unsigned service)
{
	static const char *const services[SERVICES] = {"verify", "research", "copy", "mail"};

	return services[service];
}

/* --- rows --- */

static void add_row(
    const struct run_plan *r, unsigned run, uint32_t i, struct dice *d, struct buf *out)
{
	static const char *const firsts[] = {"Ann", "Bea", "Carl", "Dora", "Emil", "Fay", "Gus",
	    "Hana", "Ivo", "Jana", "Karl", "Lea"};
	static const char *const lasts[] = {"Berg", "Lind", "Moor", "Stone", "Winter", "Young",
	    "Field", "Marsh", "Brook", "Hill", "Dale"};
	const char *first = firsts[dice_below(d, 12)], *last = lasts[dice_below(d, 11)];
	const char *flaw = dice_below(d, 50) == 0   ? "info"
			   : dice_below(d, 50) == 0 ? "no reply"
						    : NULL;

	if (r->companies > 0) {
		buf_printf(out, "%s,%s,%s %s,Acme %u,", first, last, first, last, i % r->companies);
	} else {
		buf_printf(out, "%s,%s,%s %s,Acme %u-%u,", first, last, first, last, run, i);
	}
	if (flaw != NULL) {
		buf_printf(out, "%s@c%u-%u.example.com\n", flaw, run, i);
	} else {
		buf_printf(out, "%c%s.%u.%u@c%u.example.com\n", first[0] + 32, last, run, i, i % 389);
	}
}

static void write_csv(struct run_plan *r, unsigned run, struct dice *d)
{
	uint32_t n = r->rows, *order = malloc((n * 2 + 1) * sizeof(*order)), rows = n;
	struct buf *lines = calloc(n, sizeof(*lines));

	for (uint32_t i = 0; i < n; i++) {
		add_row(r, run, i, d, &lines[i]);
		order[i] = i;
	}
	for (uint32_t i = 0; r->twice && i < n; i++) {
		if (dice_below(d, 8) == 0) {
			order[rows++] = i;
		}
	}
	for (uint32_t i = rows; r->shuffled && i > 1; i--) {
		uint32_t k = (uint32_t)dice_below(d, i), x = order[i - 1];

		order[i - 1] = order[k];
		order[k] = x;
	}
	buf_add_text(&r->csv, "first_name,last_name,full_name,company,email\n");
	for (uint32_t i = 0; i < rows; i++) {
		buf_add(&r->csv, lines[order[i]].data, lines[order[i]].len);
	}
	for (uint32_t i = 0; i < n; i++) {
		buf_free(&lines[i]);
	}
	free(lines);
	free(order);
}

/* By dice of its own: what a seed meant before it still means. */
static void draw_approval(struct run_plan *r, uint64_t dice)
{
	r->sample = dice % 6 == 0 ? 1 + r->rows / 8 : 0;
	r->preview = dice % 6 == 1;
	r->approve_us = (int64_t)(dice >> 8) % (15 * US_PER_S);
	r->approve_us = r->approve_us < 0 ? -r->approve_us : r->approve_us;
}

bool plan_groups(const struct plan *p)
{
	return shapes[p->shape].pipeline[0] == 'g';
}

bool plan_approves(const struct plan *p)
{
	return shapes[p->shape].pipeline[0] == 'l';
}

static void plan_runs(struct plan *p, struct dice *d)
{
	uint32_t left = p->rows;

	p->n_runs = 2 + dice_below(d, 3);
	p->n_runs = p->n_runs > RUNS ? RUNS : p->n_runs;
	for (size_t i = 0; i < p->n_runs; i++) {
		struct run_plan *r = &p->runs[i];
		uint32_t even = left / (uint32_t)(p->n_runs - i);

		r->companies = plan_groups(p) ? COMPANIES : 0;
		r->rows = i + 1 == p->n_runs ? left : even / 2 + (uint32_t)dice_below(d, even + 1);
		left -= r->rows;
		r->campaign = (unsigned)(i == 0 ? 0 : i == 1 ? 1 : dice_below(d, 2));
		r->share = (uint32_t)(1 + dice_below(d, 3));
		r->priority = dice_below(d, 4) == 0 ? 1 : 0;
		r->start_us = i == 0 ? 0 : (int64_t)dice_below(d, 2 * US_PER_S);
		r->budget_micro = -1;
		draw_approval(r, hash_plain(&(uint64_t[]){p->seed, i}, 2 * sizeof(uint64_t)));
		(void)snprintf(r->upload, sizeof(r->upload), "upload-%u", (unsigned)i);
		(void)snprintf(r->idem, sizeof(r->idem), "start-%u", (unsigned)i);
	}
}

/* --- faults --- */

/* Kinds that are worth more of a night's faults than others: what providers do. */
static uint8_t draw_kind(struct dice *d)
{
	static const uint8_t worst[] = {
	    KIND_CLOCK_1970, KIND_SUSPEND, KIND_REBOOT, KIND_STORE_FULL, KIND_RUN_CANCEL};
	uint8_t kind;

	if (dice_below(d, 2) == 0) {
		return (uint8_t)(1 + dice_below(d, FAULT_N - 1));
	}
	kind = (uint8_t)(FAULT_N + dice_below(d, KIND_N - FAULT_N));
	for (size_t i = 0; i < sizeof(worst); i++) {
		if (kind == worst[i] && dice_below(d, 2) == 0) {
			return KIND_JITTER;
		}
	}
	return kind;
}

static void plan_fault(struct plan *p, struct fault *f, struct dice *d, unsigned harsh)
{
	*f = (struct fault){.kind = draw_kind(d)};
	if (p->rows >= BIG_ROWS && (f->kind == KIND_RUN_CANCEL || f->kind == KIND_RUN_BUDGET)) {
		f->kind = KIND_RUN_PAUSE; /* a big night is to stay one */
	}
	f->service = (uint8_t)dice_below(d, SERVICES);
	if (f->service == WORLD_PERPLEXITY && shapes[p->shape].pipeline[0] == 's') {
		f->service = WORLD_ZEROBOUNCE;
	}
	f->service = f->kind == FAULT_LOST_PUSH   ? WORLD_INSTANTLY
		     : f->kind == FAULT_SLOW_DOWN ? WORLD_OPENAI
						  : f->service;
	f->run = (uint8_t)dice_below(d, p->n_runs);
	f->share_ppm = (uint32_t)(20000 + dice_below(d, 80000) * harsh * harsh);
	f->share_ppm = f->share_ppm > PPM ? PPM : f->share_ppm;
	f->at_us = (int64_t)dice_below(d, (uint64_t)p->calm_us);
	f->for_us = (int64_t)(US_PER_S / 2 + dice_below(d, (uint64_t)p->calm_us / 4 + 1));
	f->draw = dice_roll(d);
}

static void plan_faults(struct plan *p, struct dice *d)
{
	static const uint8_t counts[] = {0, 6, 12, 20, 32, 44};
	unsigned harsh = (unsigned)dice_below(d, 10);

	harsh = harsh == 0 ? 0 : harsh < 3 ? 1 : harsh < 6 ? 2 : harsh < 8 ? 3 : harsh - 4;
	p->n_faults = counts[harsh];
	p->quiet_us = harsh == 0 ? 0 : p->calm_us * 5 / 4 + US_PER_S;
	for (size_t i = 0; i < p->n_faults; i++) {
		plan_fault(p, &p->faults[i], d, harsh);
	}
}

void plan_size(const struct plan_options *o, struct plan *ret)
{
	struct dice d;
	bool big;

	*ret = (struct plan){.seed = o->seed, .calm = o->calm, .calm_us = o->calm_us};
	dice_seed(&d, o->seed);
	big = o->seed % 10 == 9;
	ret->shape = (unsigned)(big ? SMALL_SHAPES + dice_below(&d, GROUP_SHAPE - SMALL_SHAPES)
				    : dice_below(&d, SMALL_SHAPES));
	ret->shape = o->seed % 7 == 2 && !big ? GROUP_SHAPE : ret->shape;
	ret->shape = o->seed % 7 == 3 && !big ? JOB_SHAPE : ret->shape;
	ret->shape = o->shape >= 0 ? (unsigned)o->shape : ret->shape;
	ret->rows = o->rows != 0 ? o->rows : big ? BIG_ROWS : SMALL_ROWS;
}

void plan_make(const struct plan_options *o, struct plan *ret)
{
	struct dice d;

	plan_size(o, ret);
	dice_seed(&d, o->seed ^ UINT64_C(0x9e3779b97f4a7c15));
	plan_runs(ret, &d);
	if (!o->calm) {
		dice_seed(&d, o->seed ^ UINT64_C(0x517cc1b727220a95));
		plan_faults(ret, &d);
		if (o->seed % 6 == 1 && ret->rows < BIG_ROWS) { /* a run that has less time than it needs */
			ret->runs[ret->n_runs - 1].by_us =
			    o->calm_us / 4 + (int64_t)dice_below(&d, (uint64_t)o->calm_us / 2 + 1);
		}
	}
	if (o->seed % 4 == 2 && !o->calm && !plan_groups(ret)) {
		struct run_plan *r = &ret->runs[o->seed / 4 % ret->n_runs];

		r->recall = o->seed / 16 % 3 == 0 ? RECALL_UNSENT : RECALL;
		r->recall_cancels = o->seed / 48 % 2 == 0 && ret->rows < BIG_ROWS;
		r->recall_us = r->start_us + o->calm_us / 3 + (int64_t)(o->seed % 7) * o->calm_us / 12;
	}
	if (o->seed % 4 == 1 && !o->calm) {
		struct run_plan *r = &ret->runs[o->seed / 4 % ret->n_runs];

		r->verified = true;
		r->verify_us = r->start_us + o->calm_us / 3 + (int64_t)(o->seed % 7) * o->calm_us / 12;
	}
	for (size_t i = 0; i < ret->n_faults; i++) {
		struct fault *f = &ret->faults[i];

		f->off = i < 64 && (o->without >> i & 1) != 0;
		if (!f->off) {
			ret->runs[f->run].twice |= f->kind == KIND_ROWS_TWICE;
			ret->runs[f->run].shuffled |= f->kind == KIND_ROWS_SHUFFLED;
			if (f->kind == KIND_RUN_BUDGET) {
				ret->runs[f->run].budget_micro =
				    200000 + (int64_t)(f->draw % 2000000);
			}
		}
	}
	for (size_t i = 0; i < ret->n_runs; i++) {
		dice_seed(&d, o->seed + i * 1000003);
		write_csv(&ret->runs[i], (unsigned)i, &d);
	}
}

void plan_fini(struct plan *p)
{
	for (size_t i = 0; i < p->n_runs; i++) {
		buf_free(&p->runs[i].csv);
	}
}

void plan_write_fault(const struct fault *f, struct buf *out)
{
	buf_printf(out, "%s", kind_word(f->kind));
	if (f->kind < FAULT_N || f->kind == KIND_SERVICE_PAUSE || f->kind == KIND_SERVICE_RESET ||
	    f->kind == KIND_SERVICE_LIMIT) {
		buf_printf(out, " %s", service_word(f->service));
	}
	if (f->kind >= KIND_RUN_BUDGET && f->kind <= KIND_RUN_RETRY) {
		buf_printf(out, " run %u", f->run + 1u);
	}
	if (f->kind < FAULT_N || f->kind == KIND_DNS || f->kind == KIND_REFUSED) {
		buf_printf(out, " %u %%", f->share_ppm / 10000);
	}
	buf_printf(out, " at %.1f s for %.1f s", (double)f->at_us / 1e6, (double)f->for_us / 1e6);
}

void plan_swap_world(struct world *w, const struct scenario *calm, const struct fault *faults, const bool *active, size_t n)
{
	struct scenario *s = malloc(sizeof(*s));

	*s = *calm;
	for (size_t i = 0; i < n; i++) {
		const struct fault *f = &faults[i];
		struct scenario_service *v = &s->services[f->service];

		if (active[i] && f->kind < FAULT_N && v->n_scripts < SCENARIO_SCRIPTS) {
			v->scripts[v->n_scripts++] = (struct scenario_script){
			    .fault = (enum world_fault)f->kind, .from = 1, .share_ppm = f->share_ppm, .endpoints = UINT64_MAX};
		}
	}
	world_swap(w, s);
	free(s);
}
