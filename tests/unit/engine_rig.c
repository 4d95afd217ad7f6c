/* tests/unit/engine_rig.c: files, engine and store, commands. See engine_rig.h. */
#include "engine_rig.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOT_TOLD 99

/* --- files --- */

void rig_begin(struct rig *r)
{
	char target[600], link[96];

	*r = (struct rig){.now = {RIG_BOOT, RIG_WALL}, .seed = 1, .map_bytes = (size_t)64 << 20, .exprs = expr_pool_new()};
	assert_non_null(r->exprs);
	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/test-engine-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	(void)snprintf(r->config_file, sizeof(r->config_file), "%s/leadd.yaml", r->dir);
	(void)snprintf(r->boot_id, sizeof(r->boot_id), "boot-1");
	(void)snprintf(target, sizeof(target), "%s/etc/lists", SOURCE_ROOT);
	(void)snprintf(link, sizeof(link), "%s/lists", r->dir);
	assert_int_equal(symlink(target, link), 0);
	for (int i = 0; i < 4; i++) {
		static const char *const folders[] = {"services", "pipelines", "secrets", "state"};
		char path[96];

		(void)snprintf(path, sizeof(path), "%s/%s", r->dir, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	(void)snprintf(link, sizeof(link), "%s/secrets", r->dir);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", link, 1), 0);
}

void rig_write(struct rig *r, const char *path, const char *text)
{
	char file[200];
	FILE *f;

	(void)snprintf(file, sizeof(file), "%s/%s", r->dir, path);
	f = fopen(file, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

static struct config *load(struct rig *r, struct problems *p)
{
	const struct config_options o = {.exprs = r->exprs};
	struct config *c = NULL;

	problems_init(p);
	assert_int_equal(config_load_with(r->config_file, ++r->generation, &o, p, &c), 0);
	assert_int_equal(c == NULL, p->count > 0);
	return c;
}

struct config *rig_config(struct rig *r)
{
	struct problems p;
	struct config *c = load(r, &p);

	if (c == NULL) {
		fail_msg("%s", p.first->text);
	}
	problems_fini(&p);
	return c;
}

void rig_refused(struct rig *r, const char *what)
{
	struct problems p;

	assert_null(load(r, &p));
	if (strstr(p.first->text, what) == NULL) {
		fail_msg("'%s' is not in '%s'", what, p.first->text);
	}
	problems_fini(&p);
}

/* --- engine and store --- */

void rig_open(struct rig *r)
{
	char dir[80];
	struct store_options so = {.dir = dir, .map_bytes = r->map_bytes, .no_sync = true};
	struct engine_options eo = {.boot_id = r->boot_id, .seed = r->seed, .now = r->now, .agendas = true};
	struct lead_error err = {.text = ""};

	(void)snprintf(dir, sizeof(dir), "%s/state", r->dir);
	for (size_t i = 0; i < RIG_LANES; i++) {
		r->wake_us[i] = TIME_NEVER;
	}
	r->later_us = TIME_NEVER;
	if (store_open(&so, &r->store, &err) != 0) {
		fail_msg("%s", err.text);
	}
	eo.store = r->store;
	eo.config = rig_config(r);
	eo.effects = rig_effects(r);
	if (engine_new(&eo, &r->engine, &err) != 0) {
		fail_msg("%s", err.text);
	}
	config_unref(eo.config);
}

void rig_close(struct rig *r)
{
	engine_free(r->engine);
	store_close(r->store);
	r->engine = NULL;
	r->store = NULL;
}

void rig_restart(struct rig *r)
{
	rig_close(r);
	for (size_t i = 0; i < r->n_calls; i++) {
		r->calls[i].open = false; /* nobody will hear their answers */
	}
	rig_open(r);
	rig_settle(r);
}

void rig_reboot(struct rig *r, int64_t off_us, int64_t step_us)
{
	int64_t boot_us = off_us / 2; /* not longer than it was away */

	r->shift_us += r->now.boot_us + off_us - boot_us;
	r->now.boot_us = boot_us;
	r->now.wall_us += off_us + step_us;
	r->boot_id[5]++;
	rig_restart(r);
}

void rig_end(struct rig *r)
{
	rig_close(r);
	expr_pool_free(r->exprs);
	for (size_t i = 0; i < r->n_calls; i++) {
		free(r->calls[i].url);
		free(r->calls[i].parts);
		free(r->calls[i].body);
	}
	free(r->calls);
	free(r->messages);
	free(r->file);
	assert_int_equal(nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* --- commands --- */

static void on_done(void *ctx, struct command *c)
{
	struct told *t = ctx;

	assert_int_equal(t->rc, NOT_TOLD);
	t->rc = c->rc;
	t->count = c->count;
	(void)snprintf(t->text, sizeof(t->text), "%s", c->rc != 0 ? c->err.text : "");
}

static void send(struct rig *r, const struct command *what, struct told *t)
{
	struct command *c = malloc(sizeof(*c));

	assert_non_null(c);
	*c = *what;
	c->done = on_done;
	c->ctx = t;
	*t = (struct told){.rc = NOT_TOLD};
	engine_command(r->engine, c);
}

struct told rig_command(struct rig *r, const struct command *what)
{
	struct told t;

	send(r, what, &t);
	rig_settle(r);
	assert_int_not_equal(t.rc, NOT_TOLD);
	return t;
}

struct told rig_reload(struct rig *r)
{
	struct command c = {.kind = COMMAND_RELOAD, .config = rig_config(r)};

	return rig_command(r, &c);
}

uint32_t rig_run_with(struct rig *r, const struct run_row *row, const char *csv)
{
	struct command up = {
	    .kind = COMMAND_UPLOAD, .upload = {.id = "upload", .name = "leads.csv"}};
	struct command start = {.kind = COMMAND_START, .start = *row};
	struct told t;

	free(r->file);
	r->file = strdup(csv);
	r->file_len = strlen(csv);
	if (rig_command(r, &up).rc != 0) {
		return 0;
	}
	(void)snprintf(start.start.upload, sizeof(start.start.upload), "upload");
	t = rig_command(r, &start);
	return t.rc == 0 ? (uint32_t)t.count : 0;
}

uint32_t rig_run(struct rig *r, const char *campaign, const char *csv)
{
	struct run_row row = {.budget_micro = -1, .share = 1, .encoding = 255};

	(void)snprintf(row.campaign, sizeof(row.campaign), "%s", campaign);
	return rig_run_with(r, &row, csv);
}

uint32_t rig_run_leads(struct rig *r, const struct run_row *row, unsigned n)
{
	struct buf csv = {0};
	uint32_t id;

	buf_add_text(&csv, "email\n");
	for (unsigned i = 1; i <= n; i++) {
		buf_printf(&csv, "lead%u@x.example\n", i);
	}
	id = rig_run_with(r, row, csv.data);
	assert_true(id != 0);
	buf_free(&csv);
	return id;
}

uint32_t rig_find(struct rig *r, const char *campaign, const char *params, uint64_t quantity)
{
	struct command start = {.kind = COMMAND_START,
	    .start = {.budget_micro = -1, .share = 1, .finds = true, .quantity = quantity}};
	struct told t;

	(void)snprintf(start.start.campaign, sizeof(start.start.campaign), "%s", campaign);
	if (params != NULL) {
		buf_add_text(&start.start.params, params);
	}
	t = rig_command(r, &start);
	return t.rc == 0 ? (uint32_t)t.count : 0;
}
