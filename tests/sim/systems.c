/*
 * systems: nights of the shipped pipelines on a virtual clock.
 *
 *   systems [--nights N] [--seed S]     nights S, S+1, …, one system after the other; the last line sums up
 *   systems --seed S [--leads L] [--without MASK] --show   one of them, with its faults
 */
#include "tests/sim/systems_night.h"

#include "tests/sim/conf.h"
#include "tests/sim/hooks.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct options {
	uint64_t nights, seed, without, twice;
	uint32_t leads;
	bool show;
	const char *bug;
};

struct totals {
	uint64_t nights, steps, faults, violations, calls, turns, jobs, batched, joined, cached;
	uint64_t hits[KIND_N], by_system[SYSTEMS];
};

static uint64_t playing; /* for the handler of signals */

static void play(const struct options *o, uint64_t seed, struct result *r)
{
	struct system_plan p;

	playing = seed;
	system_plan_make(seed, o->without, o->leads, &p);
	system_play(&p, r);
	system_plan_fini(&p);
}

static void print_night(const struct options *o, uint64_t seed)
{
	struct system_plan p;

	system_plan_make(seed, o->without, o->leads, &p);
	printf("seed %" PRIu64 ": %s%s, %u leads, %zu runs\n", seed, system_word(p.system), p.jobs ? " by jobs" : "", p.leads, p.n_runs);
	for (size_t i = 0; i < p.n_runs; i++) {
		printf("  run %zu at %.1f s, budget %" PRId64 "\n", i + 1, (double)p.runs[i].start_us / 1e6, p.runs[i].budget_micro);
	}
	for (size_t i = 0; i < p.n_faults; i++) {
		const struct fault *f = &p.faults[i];

		if (!f->off) {
			printf("  fault %zu: %s %s %u %% at %.1f s for %.1f s\n", i, kind_word(f->kind),
			    f->kind < FAULT_N || f->kind == KIND_SERVICE_PAUSE ? world_service_word((enum world_service)f->service) : "",
			    f->share_ppm / 10000, (double)f->at_us / 1e6, (double)f->for_us / 1e6);
		}
	}
	system_plan_fini(&p);
}

static void on_death(int number)
{
	(void)dprintf(1, "\nsignal %d in: systems --seed %" PRIu64 " --show\n", number, playing); /* nothing else is safe here */
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

/* --- many --- */

static void add(struct totals *t, uint64_t seed, const struct result *r)
{
	t->nights++;
	t->steps += r->steps;
	t->faults += r->faults;
	t->violations += r->violations;
	t->calls += r->calls;
	t->turns += r->turns;
	t->jobs += r->jobs;
	t->batched += r->batched;
	t->joined += r->joined;
	t->cached += r->cached;
	t->by_system[seed % SYSTEMS]++;
	for (unsigned k = 0; k < KIND_N; k++) {
		t->hits[k] += r->hits[k];
	}
}

static int many(const struct options *o)
{
	struct totals t = {0};
	unsigned kinds = 0;

	for (uint64_t i = 0; i < o->nights; i++) {
		struct result r, again;

		play(o, o->seed + i, &r);
		if (i < o->twice) {
			play(o, o->seed + i, &again);
			if (again.hash != r.hash || again.steps != r.steps) {
				violate(&r, "the same seed ends in another state: %016" PRIx64 ", %016" PRIx64, r.hash, again.hash);
			}
			result_fini(&again);
		}
		add(&t, o->seed + i, &r);
		if (r.violations > 0) {
			printf("night %" PRIu64 " fails:\n%s", o->seed + i, r.text.data);
			print_night(o, o->seed + i);
			printf("again: systems --seed %" PRIu64 " --show\n", o->seed + i);
			(void)fflush(stdout);
		}
		result_fini(&r);
	}
	for (unsigned k = 1; k < KIND_N; k++) {
		kinds += t.hits[k] > 0;
	}
	result_hits(t.hits);
	for (unsigned s = 0; s < SYSTEMS; s++) {
		printf("%s %" PRIu64 "%s", system_word(s), t.by_system[s], s + 1 < SYSTEMS ? ", " : " nights\n");
	}
	printf("%" PRIu64 " requests, %" PRIu64 " turns, %" PRIu64 " callbacks, %" PRIu64 " leads in batches, %" PRIu64 " joined a call, %" PRIu64
	       " took a kept answer; %.1f s\n",
	    t.calls, t.turns, t.jobs, t.batched, t.joined, t.cached, (double)clock() / CLOCKS_PER_SEC);
	printf("nights %" PRIu64 " steps %" PRIu64 " faults %" PRIu64 " kinds %u violations %" PRIu64 "\n", t.nights, t.steps, t.faults, kinds, t.violations);
	return t.violations > 0;
}

static int show(const struct options *o)
{
	struct result r;

	print_night(o, o->seed);
	(void)fflush(stdout);
	play(o, o->seed, &r);
	result_show(&r);
	result_fini(&r);
	return r.violations > 0;
}

/* --- the program --- */

static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option all[] = {{"nights", required_argument, NULL, 'n'}, {"seed", required_argument, NULL, 's'},
	    {"leads", required_argument, NULL, 'l'}, {"without", required_argument, NULL, 'w'}, {"twice", required_argument, NULL, 't'},
	    {"bug", required_argument, NULL, 'b'}, {"show", no_argument, NULL, 'v'}, {NULL, 0, NULL, 0}};
	int c;

	*o = (struct options){.nights = 50, .seed = 1, .twice = SYSTEMS};
	while ((c = getopt_long(argc, argv, "", all, NULL)) >= 0) {
		switch (c) {
		case 'n':
			o->nights = strtoull(optarg, NULL, 0);
			break;
		case 's':
			o->seed = strtoull(optarg, NULL, 0);
			break;
		case 'l':
			o->leads = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'w':
			o->without = strtoull(optarg, NULL, 0);
			break;
		case 't':
			o->twice = strtoull(optarg, NULL, 0);
			break;
		case 'b':
			o->bug = optarg;
			break;
		case 'v':
			o->show = true;
			break;
		default:
			puts("systems [--nights N] [--seed S] [--twice N] [--bug NAME]\nsystems --seed S [--leads L] [--without MASK] [--bug NAME] --show");
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options o;
	int rc;

	if (read_options(argc, argv, &o) != 0) {
		return 2;
	}
	for (unsigned p = 1; p < PLANTED_N && o.bug != NULL; p++) {
		planted = strcmp(o.bug, planted_word((enum planted)p)) == 0 ? (enum planted)p : planted;
	}
	(void)signal(SIGABRT, on_death);
	(void)signal(SIGSEGV, on_death);
	conf_begin();
	rc = o.show ? show(&o) : many(&o);
	system_config_end();
	conf_end();
	return rc;
}
