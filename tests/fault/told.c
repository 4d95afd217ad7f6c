/*
 * Requests and answers are paired by connection. An answer 2xx fixes what its request asked for;
 * between a request and its answer both are possible. Counters of a run only grow, since the
 * recorded night puts no lead back.
 */
#include "tests/fault/told.h"

#include "lib/store/ledger.h"
#include "lib/store/stat.h"
#include "lib/store/names.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 2048
#define MANY 256 /* uploads, runs, services of one record */

struct told_upload {
	char id[40];
	uint64_t written, synced;
	bool acknowledged, unnamed;
};

struct told_run {
	uint32_t id;
	unsigned states; /* bit per enum run_state it may be in */
	uint64_t rows, ended;
};

struct told_service {
	char name[32];
	bool known, paused;
};

struct told {
	uint64_t committed, txn;
	uint64_t *calls;
	size_t n_calls, cap_calls;
	struct told_upload uploads[MANY];
	struct told_run runs[MANY];
	struct told_service services[MANY];
	size_t n_uploads, n_runs, n_services, unspooled;
	char asked[CONNECTIONS][160]; /* method and path */
};

struct told *told_new(void)
{
	struct told *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		abort();
	}
	return t;
}

void told_free(struct told *t)
{
	free(t->calls);
	free(t);
}

static size_t next_of(size_t *n)
{
	if (*n == MANY) {
		(void)fprintf(
		    stderr, "more uploads, runs or services than %d in one record\n", MANY);
		exit(2);
	}
	return (*n)++;
}

static struct told_upload *upload_of(struct told *t, const char *id, size_t len)
{
	struct told_upload *u;

	for (size_t i = 0; i < t->n_uploads; i++) {
		if (strlen(t->uploads[i].id) == len && memcmp(t->uploads[i].id, id, len) == 0) {
			return &t->uploads[i];
		}
	}
	u = &t->uploads[next_of(&t->n_uploads)];
	(void)snprintf(u->id, sizeof(u->id), "%.*s", (int)len, id);
	return u;
}

static struct told_run *run_of(struct told *t, uint32_t id)
{
	for (size_t i = 0; i < t->n_runs; i++) {
		if (t->runs[i].id == id) {
			return &t->runs[i];
		}
	}
	t->runs[t->n_runs] = (struct told_run){.id = id, .states = UINT32_MAX};
	return &t->runs[next_of(&t->n_runs)];
}

static struct told_service *service_of(struct told *t, const char *name)
{
	struct told_service *s;

	for (size_t i = 0; i < t->n_services; i++) {
		if (strcmp(t->services[i].name, name) == 0) {
			return &t->services[i];
		}
	}
	s = &t->services[next_of(&t->n_services)];
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	return s;
}

/* --- what goes out --- */

void told_committed(struct told *t, uint64_t txn)
{
	t->committed = txn;
}

void told_sent(struct told *t, const char *bytes, size_t len)
{
	const char *at = memmem(bytes, len, "Request-Id: ", 12);

	if (at == NULL || at + 28 > bytes + len) {
		return; /* the rest of a long one */
	}
	t->txn = t->committed;
	if (t->n_calls == t->cap_calls) {
		t->cap_calls = t->cap_calls * 2 + 1024;
		t->calls = realloc(t->calls, t->cap_calls * sizeof(*t->calls));
		if (t->calls == NULL) {
			abort();
		}
	}
	t->calls[t->n_calls++] = strtoull(at + 12, NULL, 16);
}

void told_asked(struct told *t, unsigned fd, const char *bytes, size_t len)
{
	static const char *const methods[] = {"GET ", "POST ", "PUT "};
	char *asked = t->asked[fd % CONNECTIONS], verb[16], name[32];
	const char *end = memchr(bytes, '\r', len);
	unsigned run;
	size_t i = 0;

	while (i < 3 &&
	       (len < strlen(methods[i]) || memcmp(bytes, methods[i], strlen(methods[i])) != 0)) {
		i++;
	}
	if (i == 3 || end == NULL) {
		return; /* more of a body */
	}
	(void)snprintf(asked, sizeof(t->asked[0]), "%.*s", (int)(end - bytes), bytes);
	if (sscanf(asked, "POST /v1/runs/%u/%15[a-z]", &run, verb) == 2) {
		run_of(t, run)->states = UINT32_MAX;
	} else if (sscanf(asked, "POST /v1/services/%31[a-z]/%15[a-z]", name, verb) == 2) {
		service_of(t, name)->known = false;
	}
}

static uint64_t number(struct json_object *o, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(o, name, &v) ? (uint64_t)json_object_get_int64(v) : 0;
}

static const char *text(struct json_object *o, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(o, name, &v) ? json_object_get_string(v) : "";
}

/* A run object: its counters, and when the request fixed it, its state. */
static void told_run(struct told *t, struct json_object *o, bool fixed)
{
	struct told_run *r = run_of(t, (uint32_t)number(o, "run"));
	uint64_t rows = number(o, "imported"), ended = number(o, "total") - number(o, "open");

	r->rows = rows > r->rows ? rows : r->rows;
	r->ended = ended > r->ended && ended <= rows ? ended : r->ended;
	for (int s = 0; fixed && s < RUN_STATES; s++) {
		if (strcmp(run_state_word(s), text(o, "state")) == 0) {
			/* one that runs may have ended since */
			r->states = s == RUN_RUNNING ? 1u << RUN_RUNNING | 1u << RUN_DONE : 1u << s;
		}
	}
}

static void told_upload(struct told *t, struct json_object *o)
{
	struct told_upload *u = upload_of(t, text(o, "upload"), strlen(text(o, "upload")));

	u->acknowledged = true;
	t->unspooled += number(o, "offset") > (u->unnamed ? 0 : u->synced);
}

void told_answered(struct told *t, unsigned fd, const char *bytes, size_t len)
{
	const char *asked = t->asked[fd % CONNECTIONS], *body = memmem(bytes, len, "\r\n\r\n", 4);
	struct json_tokener *tokener;
	struct json_object *o;
	char name[32], verb[16];
	unsigned run;

	if (len < 10 || memcmp(bytes, "HTTP/1.1 2", 10) != 0 || body == NULL) {
		return;
	}
	t->txn = t->committed;
	tokener = json_tokener_new();
	o = json_tokener_parse_ex(tokener, body + 4, (int)(len - (size_t)(body + 4 - bytes)));
	if (o == NULL) {
		;
	} else if (strncmp(asked, "POST /v1/uploads", 16) == 0 ||
		   strncmp(asked, "PUT /v1/uploads/", 16) == 0) {
		told_upload(t, o);
	} else if (strncmp(asked, "POST /v1/runs", 13) == 0) {
		told_run(t, o, true);
	} else if (sscanf(asked, "GET /v1/runs/%u%1[ ]", &run, verb) == 2) {
		told_run(t, o, false);
	} else if (sscanf(asked, "POST /v1/services/%31[a-z]/%15[a-z]", name, verb) == 2) {
		struct told_service *s = service_of(t, name);

		s->known = true;
		s->paused = strcmp(verb, "pause") == 0;
	}
	json_object_put(o);
	json_tokener_free(tokener);
}

static struct told_upload *upload_at(struct told *t, const char *path, size_t len)
{
	const char *slash = memrchr(path, '/', len);

	return slash != NULL ? upload_of(t, slash + 1, (size_t)(path + len - slash - 1)) : NULL;
}

void told_spool_made(struct told *t, const char *path, size_t len)
{
	struct told_upload *u = upload_at(t, path, len);

	if (u != NULL) {
		u->unnamed = true;
	}
}

void told_spool_named(struct told *t)
{
	for (size_t i = 0; i < t->n_uploads; i++) {
		t->uploads[i].unnamed = false;
	}
}

void told_spool(struct told *t, const char *path, size_t len, uint64_t offset)
{
	struct told_upload *u = upload_at(t, path, len);

	if (u != NULL && offset > u->written) {
		u->written = offset;
	}
}

void told_spooled(struct told *t, const char *path, size_t len)
{
	struct told_upload *u = upload_at(t, path, len);

	if (u != NULL) {
		u->synced = u->written;
	}
}

uint64_t told_txn(const struct told *t)
{
	return t->txn;
}

size_t told_count(const struct told *t)
{
	return t->n_calls + t->n_uploads + t->n_runs + t->n_services;
}

size_t told_unspooled(const struct told *t)
{
	return t->unspooled;
}

/* --- is it there? --- */

struct asking {
	struct txn *txn;
	void (*f)(void *arg, const char *what);
	void *arg;
	size_t missing;
};

static void PRINTF(2, 3) missing(struct asking *a, const char *format, ...)
{
	char what[200];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	a->missing++;
	a->f(a->arg, what);
}

static void ask_run(struct asking *a, const struct told_run *told)
{
	struct run_row r;
	uint64_t ended = 0;

	if (!run_read(a->txn, told->id, &r)) {
		missing(a, "run %u is gone", told->id);
		return;
	}
	for (size_t o = ITEM_OPEN + 1; o < ITEM_OUTCOMES; o++) {
		ended += r.outcomes[o];
	}
	if ((told->states & 1u << r.state) == 0) {
		missing(a, "run %u is %s", told->id, run_state_word(r.state));
	}
	if (r.rows < told->rows) {
		missing(a, "run %u has %" PRIu64 " rows of %" PRIu64, told->id, r.rows, told->rows);
	}
	if (ended < told->ended) {
		missing(
		    a, "run %u has %" PRIu64 " outcomes of %" PRIu64, told->id, ended, told->ended);
	}
	run_row_fini(&r);
}

static void ask_services(const struct told *t, struct asking *a, struct names *names)
{
	for (size_t i = 0; i < t->n_services; i++) {
		const struct told_service *s = &t->services[i];
		struct park_row row;
		uint16_t n = 0;

		if (!s->known) {
			continue;
		}
		if (names_number(names, NAME_SERVICE, s->name, &n, NULL) != 0 ||
		    park_read(a->txn, n, 0, &row) != s->paused) {
			missing(a, "service %s was %s", s->name, s->paused ? "paused" : "resumed");
		}
	}
}

size_t told_missing(
    const struct told *t, struct store *s, void (*f)(void *arg, const char *what), void *arg)
{
	struct asking a = {.f = f, .arg = arg};
	struct names *names = NULL;
	struct lead_error err;

	if (names_load(s, &names, &err) != 0 || txn_begin(s, false, &a.txn, &err) != 0) {
		names_free(names);
		f(arg, err.text);
		return 1;
	}
	for (size_t i = 0; i < t->n_calls; i++) {
		struct call_row row;

		if (!call_read(a.txn, t->calls[i], &row)) {
			missing(&a, "call %016" PRIx64 " was sent and is not in the ledger",
			    t->calls[i]);
		}
	}
	for (size_t i = 0; i < t->n_uploads; i++) {
		struct upload_row row;

		if (t->uploads[i].acknowledged && !upload_read(a.txn, t->uploads[i].id, &row)) {
			missing(&a, "upload %s is gone", t->uploads[i].id);
		}
	}
	for (size_t i = 0; i < t->n_runs; i++) {
		if (t->runs[i].states != UINT32_MAX || t->runs[i].rows > 0) {
			ask_run(&a, &t->runs[i]);
		}
	}
	ask_services(t, &a, names);
	txn_abort(a.txn);
	names_free(names);
	return a.missing;
}
