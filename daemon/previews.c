/*
 * POST /v1/previews: what would be asked for one lead; see lib/engine/show/preview.h.
 *
 *   the body, checked -> a workbook becomes text -> leadd --preview CONFIG STATE_DIR BODY (nice, bounded, no credential) -> 200
 *
 * The child reads the configuration as its files stand now, so that a prompt can be looked at before it is loaded. What it has to say is
 * longer than a pipe holds: it goes into a file without a name (descriptors 3 and 4).
 */
#include "daemon/child_kit.h"
#include "daemon/routes.h"
#include "daemon/workbook.h"
#include "lib/base/json.h"
#include "lib/engine/show/preview.h"
#include "lib/engine/show/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define AT_ONCE 4
#define CPU_S 60
#define MEMORY_BYTES (UINT64_C(512) << 20)
#define OUT_FD 3
#define OUT_BYTES ((size_t)16 << 20)
#define MAX_BODY (100 * 1024) /* what an argument may hold */
#define EXIT_INPUT 2

/* --- in the daemon --- */

struct looking {
	struct leadd *l;
	struct http_request *r;
	struct json_object *body; /* of the request */
	char upload[40];          /* "": a run's lead */
	int out;
	struct looking *next;
};

static void looking_free(struct looking *p)
{
	struct looking **at = &p->l->previews;

	while (*at != p) {
		at = &(*at)->next;
	}
	*at = p->next;
	if (p->upload[0] != 0) {
		upload_drop(p->l, p->upload);
	}
	if (p->out >= 0) {
		close(p->out);
	}
	free(p);
}

static struct json_object *read_out(int fd)
{
	off_t len = lseek(fd, 0, SEEK_END);
	char *text = len > 0 && (size_t)len <= OUT_BYTES ? malloc((size_t)len) : NULL;
	struct json_object *o = NULL;

	if (text != NULL && (pread(fd, text, (size_t)len, 0) != len || json_parse(text, (size_t)len, &o, NULL) != 0)) {
		o = NULL;
	}
	free(text);
	return o;
}

/* As the daemon works now: the same text of the same stage? */
static bool is_loaded(struct leadd *l, struct json_object *preview)
{
	const char *campaign = json_object_get_string(json_object_object_get(preview, "campaign"));
	const char *hash = json_object_get_string(json_object_object_get(preview, "pipeline_hash"));
	const char *prompt = json_object_get_string(json_object_object_get(preview, "prompt"));
	const char *stage = json_object_get_string(json_object_object_get(preview, "stage"));
	size_t step = (size_t)json_object_get_int64(json_object_object_get(preview, "step"));
	const struct campaign *c = config_campaign(engine_config(l->engine), campaign);
	char text[17];
	int s;

	if (c == NULL || c->pipeline == NULL || (s = pipeline_stage(c->pipeline, stage)) < 0 || step >= c->pipeline->stages[s].n_steps) {
		return false;
	}
	(void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)c->pipeline->text_hash);
	return strcmp(hash, text) == 0 && (c->pipeline->stages[s].steps[step].prompt == NULL ||
					      (prompt != NULL && strcmp(prompt, c->pipeline->stages[s].steps[step].prompt) == 0));
}

static void on_made(void *arg, int status, const char *output)
{
	struct looking *p = arg;
	struct json_object *o = status == 0 ? read_out(p->out) : NULL;

	if (o != NULL) {
		json_object_object_add(o, "loaded", json_object_new_boolean(is_loaded(p->l, o)));
		json_object_object_del(o, "pipeline_hash");
		http_reply_json(p->r, 200, o);
	} else if (status == EXIT_INPUT) {
		http_reply_problem(p->r, 400, "bad-preview", "%s", output);
	} else {
		http_reply_problem(p->r, 500, "preview-failed", "%s", status == 1 && output[0] != 0 ? output : "the preview took too much time or memory");
	}
	looking_free(p);
}

static void make(struct looking *p)
{
	const char *args[] = {"leadd", "--preview", p->l->config_file, engine_config(p->l->engine)->state_dir, NULL, NULL};
	struct lead_error err;
	int fds[2];

	args[4] = json_object_to_json_string_ext(p->body, JSON_C_TO_STRING_PLAIN);
	p->out = memfd_create("preview", MFD_CLOEXEC);
	fds[0] = fds[1] = p->out;
	if (strlen(args[4]) > MAX_BODY) {
		http_reply_problem(p->r, 413, "too-large", "the body is too long");
	} else if (p->out < 0) {
		http_reply_problem(p->r, 500, "preview-failed", "no memory for it");
	} else if (child_start_with(p->l, args, fds, on_made, p, &err) != 0) {
		http_reply_error(p->r, &err);
	} else {
		return;
	}
	looking_free(p);
}

static void on_text(void *arg, enum upload_kind kind)
{
	struct looking *p = arg;

	if (kind == UPLOAD_LOST) {
		looking_free(p);
		return;
	}
	if (kind == UPLOAD_BOOK) {
		workbook_say(p->body);
	}
	make(p);
}

/* Has that run's lead to stay unread? Then it was answered. */
static bool is_masked(struct leadd *l, struct http_request *r, struct json_object *body)
{
	uint32_t run = (uint32_t)json_object_get_int64(json_object_object_get(body, "run"));

	if (!show_is_masked(l->engine, run)) {
		return false;
	}
	http_reply_problem(r, 409, "masked", "the leads of run %u are masked until it is approved", run);
	return true;
}

/* The campaign's newest run, when neither a file nor a run is named. False when it was answered. */
static bool find_run(struct leadd *l, struct http_request *r, struct json_object *body, const char *campaign)
{
	struct txn *t = read_begin(l, r);
	uint32_t id;

	if (t == NULL) {
		return false;
	}
	for (id = run_last_id(t); id > 0; id--) {
		const struct run_row *row = show_run_row(l->engine, id);

		if (row != NULL && strcmp(row->campaign, campaign) == 0) {
			break;
		}
	}
	txn_abort(t);
	if (id == 0) {
		http_reply_problem(r, 400, "bad-preview", "campaign '%.80s' has no run yet: say which file", campaign);
		return false;
	}
	json_object_object_add(body, "run", json_object_new_int64(id));
	return true;
}

static void start(struct leadd *l, struct http_request *r, struct json_object *body, const char *upload, const char *sheet)
{
	struct looking *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		abort();
	}
	*p = (struct looking){.l = l, .r = r, .body = body, .out = -1, .next = l->previews};
	(void)snprintf(p->upload, sizeof(p->upload), "%s", upload != NULL ? upload : "");
	l->previews = p;
	if (upload == NULL) {
		make(p);
	} else if (!workbook_look(l, upload, sheet, r, on_text, p)) {
		p->upload[0] = 0; /* it may be asked for again */
		looking_free(p);
	}
}

/* Names are looked at here, so that a wrong one needs no child. */
static int read_body(struct json_object *body, struct preview_request *q, const char **ret_upload, struct lead_error *err)
{
	int64_t run = 0, lead = 0, row = 0, step = 0;

	if (json_get_string(body, "campaign", "the preview", &q->campaign, err) < 0 || json_get_string(body, "upload", "the preview", ret_upload, err) < 0 ||
	    json_get_string(body, "stage", "the preview", &q->stage, err) < 0 || json_get_int(body, "run", "the preview", 1, UINT32_MAX, &run, err) < 0 ||
	    json_get_int(body, "lead", "the preview", 1, UINT32_MAX, &lead, err) < 0 ||
	    json_get_int(body, "row", "the preview", 2, UINT32_MAX, &row, err) < 0 || json_get_int(body, "step", "the preview", 0, 99, &step, err) < 0) {
		return LEAD_EINPUT;
	}
	if (q->campaign == NULL || (row == 0) == (lead == 0)) {
		return lead_fail(err, LEAD_EINPUT, "the preview needs %s", q->campaign == NULL ? "'campaign'" : "either 'row' or 'lead'");
	}
	if (*ret_upload != NULL && (run != 0 || lead != 0)) {
		return lead_fail(err, LEAD_EINPUT, "the preview: a row of 'upload', or a lead of 'run'");
	}
	q->run = (uint32_t)run;
	q->lead = (uint32_t)lead;
	q->row = (uint64_t)row;
	q->step = (size_t)step;
	return 0;
}

static unsigned count(const struct leadd *l)
{
	unsigned n = 0;

	for (const struct looking *p = l->previews; p != NULL; p = p->next) {
		n++;
	}
	return n;
}

/* After the children. */
void previews_stop(struct leadd *l)
{
	while (l->previews != NULL) {
		looking_free(l->previews);
	}
}

void post_preview(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct json_object *body = http_body_json(r);
	struct preview_request q = {0};
	const char *upload = NULL;
	char sheet[SHEET_TEXT];
	struct lead_error err;

	if (body == NULL || !workbook_sheet(body, r, sheet)) {
		return;
	}
	if (read_body(body, &q, &upload, &err) != 0) {
		http_reply_error(r, &err);
	} else if (count(l) >= AT_ONCE) {
		http_reply_problem(r, 409, "preview-busy", "other previews are being made: try again in a moment");
	} else if (upload != NULL ? upload_whole(l, upload, r) : (q.run != 0 || find_run(l, r, body, q.campaign)) && !is_masked(l, r, body)) {
		start(l, r, body, upload, sheet);
	}
}

/* --- in the child --- */

static int write_out(const struct config *c, struct json_object *o, const char *campaign, struct lead_error *err)
{
	char hash[17];
	const char *text;
	size_t len;

	(void)snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)config_campaign(c, campaign)->pipeline->text_hash);
	json_object_object_add(o, "pipeline_hash", json_object_new_string(hash));
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	len = strlen(text);
	return write(OUT_FD, text, len) == (ssize_t)len ? 0 : lead_fail(err, LEAD_EBUG, "the preview is too long");
}

static int look(const char *config_file, const char *state_dir, struct json_object *body, struct lead_error *err)
{
	struct store_options so = {.dir = state_dir, .read_only = true};
	struct preview_request q = {.read = upload_read_spool, .ctx = (void *)(uintptr_t)state_dir};
	struct json_object *o = NULL;
	struct store *store = NULL;
	const char *upload = NULL;
	int rc = read_body(body, &q, &upload, err);

	rc = rc == 0 ? child_config(config_file, NULL, &q.config, err) : rc;
	if (rc == 0 && upload != NULL) {
		rc = run_body(q.config, body, &q.file, err);
	} else if (rc == 0) {
		rc = store_open(&so, &store, err);
	}
	q.store = store;
	rc = rc == 0 ? preview_make(&q, &o, err) : rc;
	rc = rc == 0 ? write_out(q.config, o, q.campaign, err) : rc;
	json_object_put(o);
	store_close(store);
	config_unref(q.config);
	return rc;
}

int preview_main(const char *config_file, const char *state_dir, const char *request)
{
	static const struct rlimit file = {OUT_BYTES, OUT_BYTES};
	struct json_object *body = NULL;
	struct lead_error err = {.text = ""};
	int rc;

	child_bound(CPU_S, MEMORY_BYTES);
	(void)setrlimit(RLIMIT_FSIZE, &file);
	(void)setpriority(PRIO_PROCESS, 0, 10);
	rc = json_parse(request, strlen(request), &body, &err);
	rc = rc == 0 ? look(config_file, state_dir, body, &err) : rc;
	if (rc != 0) {
		(void)fputs(err.text, stdout);
		(void)fflush(stdout);
	}
	json_object_put(body);
	return rc == 0 ? 0 : rc == LEAD_EINPUT ? EXIT_INPUT : 1;
}
