/*
 * nights: thousands of simulated nights of the real engine.
 *
 *   nights [--nights N] [--seed S]         nights S, S+1, … ; the last line sums up
 *   nights --seed S [--rows R] [--without MASK] --show   one of them, with its faults
 *   nights --fixed FILE                    the seeds in the file as well, before the others
 *   nights --planted [--nights N]          each planted bug until it is caught, at most N nights
 * long
 *
 * A night that fails is shrunk: fewer rows, fewer faults, as long as it still fails; then seed,
 * faults and the command to repeat it are printed. Each night is played in this process; planted
 * bugs and shrinking in children.
 */
#include "tests/sim/conf.h"
#include "tests/sim/shell.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct options {
	uint64_t nights, seed;
	uint32_t rows;
	uint64_t without;
	const char *fixed, *planted;
	uint64_t twice; /* nights that are played a second time: the state must be the same */
	bool show, all_planted;
};

struct totals {
	uint64_t nights, steps, faults, violations, calls, turns, recalled, verified, batched, joined, cached, jobs, polls;
	uint64_t hits[KIND_N];
	uint64_t lively, long_enough,
	    big; /* nights with at least 30 faults, 2,000 steps, 20,000 steps */
};

struct night_id {
	uint64_t seed, without;
	uint32_t rows; /* 0: as the seed says */
};
static struct night_id playing; /* for the handler of signals */

/* --- one night --- */

/* How long nights of this shape and size take without faults: played once. */
static int64_t calm_time(unsigned shape, uint32_t rows)
{
	static struct known {
		unsigned shape;
		uint32_t rows;
		int64_t us;
	} known[256];
	static size_t n_known;
	struct plan_options po = {.seed = 1, .rows = rows, .calm = true, .shape = (int)shape};
	enum planted kept = planted;
	struct result r;
	struct plan p;

	for (size_t i = 0; i < n_known; i++) {
		if (known[i].shape == shape && known[i].rows == rows) {
			return known[i].us;
		}
	}
	planted = PLANTED_NONE;
	plan_make(&po, &p);
	night_play(&p, &r);
	planted = kept;
	plan_fini(&p);
	result_fini(&r);
	known[n_known] = (struct known){shape, rows, r.span_us};
	n_known += n_known + 1 < sizeof(known) / sizeof(known[0]);
	return r.span_us;
}

static void make_plan(const struct night_id *id, struct plan *p)
{
	struct plan_options po = {
	    .seed = id->seed, .rows = id->rows, .without = id->without, .shape = -1};

	plan_size(&po, p);
	po.calm_us = calm_time(p->shape, p->rows);
	plan_make(&po, p);
}

static void play(const struct night_id *id, struct result *r)
{
	struct plan p;

	playing = *id;
	make_plan(id, &p);
	night_play(&p, r);
	plan_fini(&p);
}

/* In a child, for what may end the process. */
static bool fails(const struct night_id *id)
{
	struct result r;
	struct plan p;
	int status;
	pid_t pid;

	make_plan(id, &p); /* the calm time is known from here on */
	plan_fini(&p);
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		(void)freopen("/dev/null", "we", stderr);
		(void)signal(SIGABRT, SIG_DFL);
		(void)signal(SIGSEGV, SIG_DFL);
		(void)alarm(60);
		play(id, &r);
		_exit(r.violations > 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status != 0;
}

/* --- failures --- */

static void shrink(struct night_id *id)
{
	struct night_id smaller;
	struct plan p;

	make_plan(id, &p);
	id->rows = p.rows;
	for (uint32_t rows = id->rows / 2; rows >= 8; rows /= 2) {
		smaller = *id;
		smaller.rows = rows;
		if (!fails(&smaller)) {
			break;
		}
		*id = smaller;
	}
	for (size_t i = 0; i < p.n_faults; i++) {
		smaller = *id;
		smaller.without |= UINT64_C(1) << i;
		if (fails(&smaller)) {
			*id = smaller;
		}
	}
	plan_fini(&p);
}

static void print_night(const struct night_id *id)
{
	struct buf b = {0};
	struct plan p;

	make_plan(id, &p);
	printf("seed %" PRIu64 ": shape %u, %u leads in %zu runs, %.1f s without faults\n",
	    id->seed, p.shape, p.rows, p.n_runs, (double)p.calm_us / 1e6);
	for (size_t i = 0; i < p.n_faults; i++) {
		if (!p.faults[i].off) {
			buf_reset(&b);
			plan_write_fault(&p.faults[i], &b);
			printf("  fault %zu: %s\n", i, b.data);
		}
	}
	printf("again: nights --seed %" PRIu64 " --rows %u --without %#" PRIx64 " --show\n",
	    id->seed, p.rows, id->without);
	buf_free(&b);
	plan_fini(&p);
}

static void print_failure(struct night_id id, const struct result *r)
{
	struct result again;

	printf("night %" PRIu64 " fails:\n%s", id.seed, r->text.data);
	(void)fflush(stdout);
	shrink(&id);
	printf("shrunk to:\n");
	print_night(&id);
	if (planted == PLANTED_NONE && id.rows > 0) {
		play(&id, &again);
		printf("%s", again.text.data != NULL ? again.text.data : "");
		result_fini(&again);
	}
	(void)fflush(stdout);
}

static void on_death(int number)
{
	/* nothing else is safe here */
	(void)dprintf(1,
	    "\nsignal %d in: nights --seed %" PRIu64 " --rows %u --without %#" PRIx64 " --show\n",
	    number, playing.seed, playing.rows, playing.without);
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

/* --- many --- */

static double seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add(struct totals *t, const struct result *r)
{
	t->nights++;
	t->steps += r->steps;
	t->faults += r->faults;
	t->violations += r->violations;
	t->calls += r->calls;
	t->turns += r->turns;
	t->recalled += r->recalled;
	t->verified += r->verified;
	t->batched += r->batched;
	t->joined += r->joined;
	t->cached += r->cached;
	t->jobs += r->jobs;
	t->polls += r->polls;
	t->lively += r->faults >= 30;
	t->long_enough += r->steps >= 2000;
	t->big += r->steps >= 20000;
	for (unsigned k = 0; k < KIND_N; k++) {
		t->hits[k] += r->hits[k];
	}
}

static void one(const struct night_id *id, struct totals *t, bool twice)
{
	struct result r, again;

	play(id, &r);
	if (twice) {
		play(id, &again);
		if (again.hash != r.hash || again.steps != r.steps) {
			violate(&r,
			    "the same seed ends in another state: %016" PRIx64 ", %016" PRIx64,
			    r.hash, again.hash);
		}
		result_fini(&again);
	}
	add(t, &r);
	if (r.violations > 0) {
		print_failure(*id, &r);
	}
	result_fini(&r);
}

static void fixed_set(const char *path, struct totals *t)
{
	FILE *f = fopen(path, "re");
	char line[256];

	if (f == NULL) {
		(void)fprintf(stderr, "nights: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		struct night_id id = {0};

		if (line[0] != '#' && sscanf(line, "%" SCNu64 " %" SCNu32 " %" SCNi64, &id.seed,
					  &id.rows, (int64_t *)&id.without) >= 1) {
			one(&id, t, false);
		}
	}
	(void)fclose(f);
}

static int sum_up(const struct totals *t, double began)
{
	double s = seconds() - began;
	unsigned kinds = 0;

	for (unsigned k = 1; k < KIND_N; k++) {
		kinds += t->hits[k] > 0;
	}
	result_hits(t->hits);
	printf("at least 2,000 steps: %" PRIu64 " nights; 20,000: %" PRIu64 "; 30 faults: %" PRIu64
	       "\n",
	    t->long_enough, t->big, t->lively);
	printf("%" PRIu64 " requests, %" PRIu64 " turns, %" PRIu64
	       " leads recalled, %" PRIu64 " runs read back; %.1f nights and %.0f item steps a second and core\n",
	    t->calls, t->turns, t->recalled, t->verified, (double)t->nights / s, (double)t->steps / s);
	printf("%" PRIu64 " leads in batches, %" PRIu64 " joined a call, %" PRIu64 " took a kept answer; %" PRIu64 " jobs, %" PRIu64 " polls\n",
	    t->batched, t->joined, t->cached, t->jobs, t->polls);
	printf("nights %" PRIu64 " steps %" PRIu64 " faults %" PRIu64
	       " kinds %u violations %" PRIu64 "\n",
	    t->nights, t->steps, t->faults, kinds, t->violations);
	if (t->nights >= 200 && (t->batched == 0 || t->joined == 0 || t->cached == 0 || t->jobs == 0)) {
		printf("no leads went together, or nothing was done by job\n");
		return 1;
	}
	return t->violations > 0;
}

/* --- planted bugs --- */

static int all_planted(const struct options *o)
{
	unsigned caught = 0;

	for (unsigned p = 1; p < PLANTED_N; p++) {
		uint64_t night = 0;
		bool found = false;

		if (o->planted != NULL && strcmp(o->planted, planted_word((enum planted)p)) != 0) {
			continue;
		}
		while (!found && night < o->nights) {
			struct night_id id = {.seed = o->seed + night++};

			planted = (enum planted)p;
			found = id.seed % 10 != 9 && fails(&id); /* not the big ones */
		}
		planted = PLANTED_NONE;
		caught += found;
		printf("%-26s %s %" PRIu64 " nights\n", planted_word((enum planted)p),
		    found ? "caught in" : "not caught in", night);
		(void)fflush(stdout);
	}
	printf("planted %u caught %u\n", o->planted != NULL ? 1 : PLANTED_N - 1, caught);
	return caught != (o->planted != NULL ? 1 : PLANTED_N - 1);
}

/* --- the program --- */

static void usage(void)
{
	puts("nights [--nights N] [--seed S] [--fixed FILE] [--twice N]\n"
	     "nights --seed S [--rows R] [--without MASK] [--bug NAME] --show\n"
	     "nights --planted [--bug NAME] [--nights N] [--seed S]");
}

static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option all[] = {{"nights", required_argument, NULL, 'n'},
	    {"seed", required_argument, NULL, 's'}, {"rows", required_argument, NULL, 'r'},
	    {"without", required_argument, NULL, 'w'}, {"fixed", required_argument, NULL, 'f'},
	    {"twice", required_argument, NULL, 't'}, {"show", no_argument, NULL, 'v'},
	    {"planted", no_argument, NULL, 'p'}, {"bug", required_argument, NULL, 'b'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int c;

	*o = (struct options){.nights = 500, .seed = 1, .twice = 3};
	while ((c = getopt_long(argc, argv, "", all, NULL)) >= 0) {
		switch (c) {
		case 'n':
			o->nights = strtoull(optarg, NULL, 0);
			break;
		case 's':
			o->seed = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			o->rows = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'w':
			o->without = strtoull(optarg, NULL, 0);
			break;
		case 'f':
			o->fixed = optarg;
			break;
		case 't':
			o->twice = strtoull(optarg, NULL, 0);
			break;
		case 'v':
			o->show = true;
			break;
		case 'p':
			o->all_planted = true;
			break;
		case 'b':
			o->planted = optarg;
			break;
		default:
			usage();
			return -1;
		}
	}
	return 0;
}

static int show(const struct options *o)
{
	struct night_id id = {o->seed, o->without, o->rows};
	struct result r;

	for (unsigned p = 1; p < PLANTED_N && o->planted != NULL; p++) {
		planted = strcmp(o->planted, planted_word((enum planted)p)) == 0 ? (enum planted)p
										 : planted;
	}
	print_night(&id);
	(void)fflush(stdout);
	play(&id, &r);
	result_show(&r);
	result_fini(&r);
	return r.violations > 0;
}

static int many(const struct options *o)
{
	double began = seconds();
	struct totals t = {0};

	if (o->fixed != NULL) {
		fixed_set(o->fixed, &t);
	}
	for (uint64_t i = 0; i < o->nights; i++) {
		struct night_id id = {.seed = o->seed + i, .rows = o->rows};

		one(&id, &t, i < o->twice);
	}
	return sum_up(&t, began);
}

int main(int argc, char **argv)
{
	struct options o;
	int rc;

	if (read_options(argc, argv, &o) != 0) {
		return 2;
	}
	(void)signal(SIGABRT, on_death);
	(void)signal(SIGSEGV, on_death);
	conf_begin();
	rc = o.all_planted ? all_planted(&o) : o.show ? show(&o) : many(&o);
	conf_end();
	return rc;
}
