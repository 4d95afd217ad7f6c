/*
 * Is a plan right? A history of other leads is taken through the everyday world of leadsim with the
 * shipped services and pipeline at their own limits; then lists of several sizes are planned from
 * what the store has learned, and played for real in many worlds of other seeds.
 *
 *   plans [--history N] [--runs N] [--bands N] [--seed N] [--show] SIZE…
 *   plans --makespan LEADS       nothing is planned: how long does such a night take, against the
 * least it could?
 *
 * The median of each plan must be within 5 % of the mean of at least 20 real nights, in time and in
 * cost, and in nine of ten lists of 20 leads the real night must lie within the plan's own band.
 */
#include "lib/base/ids.h"
#include "lib/engine/plan/plan.h"
#include "tests/sim/plans_night.h"

#include <ftw.h>
#include <getopt.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WALL_US (INT64_C(1795305600) * US_PER_S) /* 2026-11-22, midnight */
#define WORST 0.05
#define SMALL 20
#define WORKERS 2

static char root[64];

void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "plans: %s: %s\n", what, why);
	exit(2);
}

/* --- the leads --- */

struct rows {
	char *text, **list; /* list[0]: the header */
	size_t n;
};

/* A row with an address: the others cost nothing and take no time, so a list of them would be a
 * shorter one. */
static bool is_lead(const char *row, const char *end)
{
	return memchr(row, '@', (size_t)(end - row)) != NULL;
}

/* Header and leads of the file, each with its end of line; line ends within quotes are part of a
 * row. */
static struct rows read_rows(void)
{
	struct buf b = {0};
	struct rows r = {0};
	char part[65536];
	FILE *f = popen("gzip -dc " SOURCE_ROOT "/tests/data/leads/people-14k.csv.gz", "re");
	const char *row;
	bool quoted = false;
	size_t n;

	while (f != NULL && (n = fread(part, 1, sizeof(part), f)) > 0) {
		buf_add(&b, part, n);
	}
	if (f == NULL || pclose(f) != 0 || b.len == 0) {
		die("people-14k.csv.gz", "cannot be read");
	}
	r.text = b.data;
	r.list = calloc(b.len / 8 + 2, sizeof(*r.list));
	r.list[0] = r.text;
	row = b.data;
	for (size_t i = 0; i < b.len; i++) {
		quoted = quoted != (b.data[i] == '"');
		if (b.data[i] == '\n' && !quoted) {
			const char *end = &b.data[i + 1];

			if (r.n == 0 || is_lead(row, end)) {
				memmove(r.list[r.n], row, (size_t)(end - row));
				r.list[r.n + 1] = r.list[r.n] + (end - row);
				r.n++;
			}
			row = end;
		}
	}
	return r;
}

/* The same order in every run of the test, and no two lists share a lead. */
static void shuffle_rows(struct rows *r)
{
	struct dice dice;
	size_t *order = calloc(r->n, sizeof(*order));
	char *out = malloc((size_t)(r->list[r->n] - r->text)), *at = out;
	char **list = calloc(r->n + 1, sizeof(*list));

	dice_seed(&dice, 1);
	for (size_t i = 0; i < r->n; i++) {
		size_t k = i > 1 ? 1 + (size_t)dice_below(&dice, i) : i;

		order[i] = order[k];
		order[k] = i;
	}
	for (size_t i = 0; i < r->n; i++) {
		size_t len = (size_t)(r->list[order[i] + 1] - r->list[order[i]]);

		list[i] = at;
		memcpy(at, r->list[order[i]], len);
		at += len;
	}
	list[r->n] = at;
	free(order);
	free(r->text);
	free(r->list);
	r->text = out;
	r->list = list;
}

static struct buf csv_of(const struct rows *r, size_t from, size_t n)
{
	struct buf b = {0};

	if (1 + from + n > r->n) {
		die("people-14k.csv.gz", "has too few rows");
	}
	buf_add(&b, r->list[0], (size_t)(r->list[1] - r->list[0]));
	buf_add(&b, r->list[1 + from], (size_t)(r->list[1 + from + n] - r->list[1 + from]));
	return b;
}

/* --- files --- */

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "we");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0) {
		die(path, "cannot be written");
	}
}

static void make_folder(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	if (mkdir(path, 0700) != 0) {
		die(path, "cannot be made");
	}
}

static struct config *read_config(void)
{
	struct problems problems;
	struct config *c = NULL;
	char file[128];

	(void)snprintf(file, sizeof(file), "%s/leadd.yaml", root);
	problems_init(&problems);
	if (config_load(file, 1, &problems, &c) != 0 || c == NULL) {
		die(file, problems.first != NULL ? problems.first->text : "out of memory");
	}
	problems_fini(&problems);
	return c;
}

static void begin(void)
{
	static const char *const keys[] = {"zerobounce", "perplexity", "openai", "instantly"};
	char name[64];

	(void)snprintf(root, sizeof(root), "%s/plans-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(root) == NULL) {
		die(root, "cannot be made");
	}
	make_folder("secrets");
	make_folder("known");
	make_folder("real-0");
	make_folder("real-1");
	make_folder("scratch");
	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof(name), "secrets/%s", keys[i]);
		write_file(name, "key");
	}
	write_file("leadd.yaml", "services_dir: " SOURCE_ROOT "/etc/services\n"
				 "pipelines_dir: " SOURCE_ROOT "/etc/pipelines\n"
				 "lists_dir: " SOURCE_ROOT "/etc/lists\n"
				 "secrets_dir: secrets\n"
				 "campaigns:\n"
				 "  north: {pipeline: cold-email, vars: {instantly_campaign: "
				 "11111111-1111-4111-8111-111111111111, offer: We help.}}\n");
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

static void remove_all(void)
{
	(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct store *open_store(const char *name, bool fresh)
{
	static const char *const files[] = {"leadd.mdb", "leadd.mdb-lock", "leadd.lock"};
	char dir[128], path[160];
	struct store_options o = {
	    .dir = dir, .map_bytes = (size_t)1 << 30, .no_sync = true, .lazy = true};
	struct store *s = NULL;
	struct lead_error err;

	(void)snprintf(dir, sizeof(dir), "%s/%s", root, name);
	for (size_t i = 0; fresh && i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		(void)unlink(path);
	}
	if (store_open(&o, &s, &err) != 0) {
		die(dir, err.text);
	}
	return s;
}

struct test {
	struct rows rows;
	struct config *config;
	struct store *known;
	struct now now; /* after the history */
	size_t history; /* so many leads; lists are taken from those behind them */
	unsigned runs;
	uint64_t seed;
	bool show;
};

/* --- a plan --- */

static long read_csv(void *ctx, const char *upload, uint64_t offset, void *out, size_t max)
{
	const struct buf *csv = ctx;
	size_t left = offset < csv->len ? csv->len - (size_t)offset : 0,
	       len = left < max ? left : max;

	(void)upload;
	memcpy(out, csv->data + offset, len);
	return (long)len;
}

struct band {
	double early, median, late;
};

static struct band band_at(struct json_object *plan, const char *key, double unit)
{
	struct json_object *o = NULL, *v = NULL;
	struct band b = {0};

	(void)json_object_object_get_ex(plan, key, &o);
	(void)json_object_object_get_ex(o, "early", &v);
	b.early = json_object_get_double(v) / unit;
	(void)json_object_object_get_ex(o, "median", &v);
	b.median = json_object_get_double(v) / unit;
	(void)json_object_object_get_ex(o, "late", &v);
	b.late = json_object_get_double(v) / unit;
	return b;
}

static void plan(
    const struct test *t, struct buf *csv, struct band *ret_took, struct band *ret_cost, bool show)
{
	char scratch[128];
	struct plan_request q = {.store = t->known,
	    .config = read_config(),
	    .scratch = scratch,
	    .start = {.budget_micro = -1, .share = 1, .priority = 100, .encoding = 255},
	    .now = t->now,
	    .seed = t->seed,
	    .read = read_csv,
	    .ctx = csv};
	struct json_object *o = NULL;
	struct lead_error err;

	(void)snprintf(scratch, sizeof(scratch), "%s/scratch", root);
	(void)snprintf(q.start.campaign, sizeof(q.start.campaign), "north");
	(void)snprintf(q.start.upload, sizeof(q.start.upload), "upload");
	if (plan_make(&q, &o, &err) != 0) {
		die("the plan", err.text);
	}
	*ret_took = band_at(o, "took_ms", 1000);
	*ret_cost = band_at(o, "cost_micro", 1e6);
	if (show) {
		(void)puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
	}
	json_object_put(o);
	config_unref(q.config);
}

/* --- the test --- */

static struct came real(struct test *t, const struct buf *csv, unsigned worker, uint64_t seed)
{
	char name[16];
	struct store *s;
	struct came c;

	(void)snprintf(name, sizeof(name), "real-%u", worker);
	s = open_store(name, true);
	c = real_night(s, t->config, csv, seed, t->now);
	store_close(s);
	return c;
}

/* Every WORKERS-th night in a process of its own: results through the pipe. */
static void work(struct test *t, const struct buf *csv, unsigned worker, unsigned runs, int out)
{
	for (unsigned i = worker; i < runs; i += WORKERS) {
		struct came c = real(t, csv, worker, t->seed + 1000 + i);

		if (write(out, &c, sizeof(c)) != (ssize_t)sizeof(c)) {
			_exit(1);
		}
	}
	_exit(0);
}

/* Means of so many nights, and how well they are known. */
static struct came many(struct test *t, const struct buf *csv, unsigned runs, double *ret_sure_s)
{
	struct came mean = {0}, c;
	double square = 0;
	int ends[2], status = 0;
	unsigned n = 0;

	if (pipe(ends) != 0) {
		die("pipe", "cannot be made");
	}
	for (unsigned w = 0; w < WORKERS; w++) {
		(void)fflush(stdout);
		if (fork() == 0) {
			work(t, csv, w, runs, ends[1]);
		}
	}
	(void)close(ends[1]);
	while (read(ends[0], &c, sizeof(c)) == (ssize_t)sizeof(c)) {
		mean.took_s += c.took_s / runs;
		mean.cost += c.cost / runs;
		square += c.took_s * c.took_s / runs;
		n++;
	}
	(void)close(ends[0]);
	while (wait(&status) > 0) {
	}
	if (n != runs) {
		die("real nights", "a worker has failed");
	}
	*ret_sure_s = sqrt(fmax(square - mean.took_s * mean.took_s, 0) / runs);
	return mean;
}

static double apart(double plan, double real)
{
	return fabs(plan - real) / real;
}

static bool test_size(struct test *t, size_t size)
{
	struct buf csv = csv_of(&t->rows, t->history, size);
	struct band took, cost;
	/* the end of a short list hangs on a few repeats within a quarter of an hour: 20 nights do
	 * not tell its mean */
	unsigned runs = size < 1000 ? t->runs * (unsigned)(1000 / size) : t->runs;
	double sure_s = 0;
	struct came c;
	bool right;

	plan(t, &csv, &took, &cost, t->show);
	c = many(t, &csv, runs, &sure_s);
	right = apart(took.median, c.took_s) <= WORST && apart(cost.median, c.cost) <= WORST;
	(void)printf(
	    "%zu leads, %u nights: plan %.0f s (%.0f to %.0f), real %.0f +- %.0f s, %.1f %% apart; "
	    "plan %.2f (%.2f to %.2f), real %.2f, %.1f %% apart%s\n",
	    size, runs, took.median, took.early, took.late, c.took_s, sure_s,
	    100 * apart(took.median, c.took_s), cost.median, cost.early, cost.late, c.cost,
	    100 * apart(cost.median, c.cost), right ? "" : "  WRONG");
	(void)fflush(stdout);
	buf_free(&csv);
	return right;
}

static bool within(double v, const struct band *b)
{
	return v >= b->early && v <= b->late;
}

static bool test_bands(struct test *t, unsigned lists)
{
	unsigned in_time = 0, in_cost = 0;
	bool right;

	for (unsigned i = 0; i < lists; i++) {
		struct buf csv = csv_of(&t->rows, t->history + i % 150 * SMALL, SMALL);
		struct band took, cost;
		struct came c;

		plan(t, &csv, &took, &cost, false);
		c = real(t, &csv, 0, t->seed + 2000 + i);
		in_time += within(c.took_s, &took);
		in_cost += within(c.cost, &cost);
		if (t->show) {
			(void)printf(
			    "list %u: %.1f to %.1f s, real %.1f; %.4f to %.4f, real %.4f\n", i,
			    took.early, took.late, c.took_s, cost.early, cost.late, c.cost);
		}
		buf_free(&csv);
	}
	right = 10 * in_time >= 9 * lists && 10 * in_cost >= 9 * lists;
	(void)printf("%d leads: within the band in time %u, in cost %u of %u%s\n", SMALL, in_time,
	    in_cost, lists, right ? "" : "  WRONG");
	return right;
}

static void learn(struct test *t, size_t history)
{
	struct buf csv = csv_of(&t->rows, 0, history);
	struct came c;

	t->known = open_store("known", true);
	c = real_night(t->known, t->config, &csv, t->seed, t->now);
	t->history = history;
	t->now = (struct now){c.now.boot_us + 3600 * US_PER_S, c.now.wall_us + 3600 * US_PER_S};
	(void)printf("history: %zu leads, %.0f s, %.2f\n", history, c.took_s, c.cost);
	buf_free(&csv);
}

static bool one_night(struct test *t, size_t leads)
{
	bool right;

	t->config = read_config();
	t->known = open_store("known", true);
	right = makespan(t->known, t->config, leads, t->seed, t->now);
	store_close(t->known);
	config_unref(t->config);
	remove_all();
	return right;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"history", required_argument, NULL, 'h'},
	    {"runs", required_argument, NULL, 'r'}, {"bands", required_argument, NULL, 'b'},
	    {"seed", required_argument, NULL, 'e'}, {"show", no_argument, NULL, 's'},
	    {"makespan", required_argument, NULL, 'm'}, {NULL, 0, NULL, 0}};
	struct test t = {.runs = 20, .seed = 1, .now = {1000 * US_PER_S, WALL_US}};
	unsigned lists = 20;
	size_t history = 2000, leads = 0;
	bool right = true;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h') {
			history = (size_t)atol(optarg);
		} else if (option == 'r') {
			t.runs = (unsigned)atol(optarg);
		} else if (option == 'b') {
			lists = (unsigned)atol(optarg);
		} else if (option == 'e') {
			t.seed = (uint64_t)atoll(optarg);
		} else if (option == 's') {
			t.show = true;
		} else if (option == 'm') {
			leads = (size_t)atol(optarg);
		} else {
			return 2;
		}
	}
	begin();
	if (leads > 0) {
		return one_night(&t, leads) ? 0 : 1;
	}
	t.rows = read_rows();
	shuffle_rows(&t.rows);
	t.config = read_config();
	learn(&t, history);
	for (int i = optind; i < argc; i++) {
		right = test_size(&t, (size_t)atol(argv[i])) && right;
	}
	right = (lists == 0 || test_bands(&t, lists)) && right;
	store_close(t.known);
	config_unref(t.config);
	free(t.rows.list);
	free(t.rows.text);
	remove_all();
	return right ? 0 : 1;
}
