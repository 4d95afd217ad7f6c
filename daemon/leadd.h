/*
 * daemon/leadd.h: the daemon's parts and how they hang together.
 *
 * main.c reads options, opens everything in order and ends it in the other; loop.c turns the engine: it gathers, calls
 * engine_turn, carries its effects out; routes.c is the API; upload.c the spool; results.c the files of a run's end;
 * watch.c live streams; reload.c a new configuration; doctor.c pre-flight; child.c what leaves the loop for a process of its own (backup, probes);
 * replay.c, replay_child.c a run played again; workbook.h, workbook*.c spreadsheets in and out;
 * notify.c mail and webhooks out;
 * memory.c ends it all when there is no memory.
 */
#pragma once

#include "daemon/clock.h"
#include "daemon/fetch.h"
#include "daemon/http.h"
#include "lib/engine/engine.h"

#include <event2/event.h>

struct json_object;

/* times.c: how long something took: counts per bucket, each a quarter longer than the one before, from 50 us up. */
#define TIMES_BUCKETS 64
struct times {
	uint64_t buckets[TIMES_BUCKETS];
	uint64_t n;
	int64_t max_us, sum_us;
};
void times_add(struct times *t, int64_t us);
double times_quantile_ms(const struct times *t, double q);

struct leadd {
	const char *config_file;
	struct event_base *base;
	struct store *store;
	struct engine *engine;
	struct expr_pool *exprs;     /* of all generations */
	struct fetch *fetch;
	struct http *http;
	int64_t started_wall_us;
	struct endpoint *listening;  /* access.c: with the ports they got */
	size_t n_listening;

	/* loop.c */
	struct event *turn;          /* the next turn */
	bool turn_soon, turn_events, turn_now; /* how `turn` is armed */
	int64_t commit_us;           /* the last one */
	struct event **wake;         /* per lane */
	int64_t *wake_us;
	size_t n_wake;
	struct event *wake_later;
	int64_t later_us;
	unsigned gathered;           /* answers since the last turn */
	struct times turn_times, commit_times;
	struct event *signals[4];
	struct event *watchdog, *drain_end;
	bool draining;
	int exit_code;
	struct reading *readings;    /* reload.c */

	/* watch.c, results.c, child.c, routes.c */
	struct watch *watches;
	struct result *results;
	struct reckon *reckons;
	struct child *children;
	struct workbook *workbooks;
	struct book_export *book_exports;
	struct workbook_make *workbook_makes;
	struct suppress_import *imports;
	struct tidy *tidy;
	bool replaying; /* one at a time */
	bool planning;               /* plans.c: one at a time */
	struct looking *previews;    /* previews.c */
	struct sending *sendings;    /* notify.c */
	uint64_t last_sending;
};

/* loop.c */
int loop_start(struct leadd *l, struct lead_error *err) MUST_CHECK;
void loop_stop(struct leadd *l);
/* Something was gathered: a turn is due soon, or at once when a client waits or nothing else can come. */
void loop_poke(struct leadd *l);
extern const struct effects loop_effects; /* ctx is struct leadd */

/* commands.c: a command for the engine, answered through an HTTP request: `reply` runs after the commit. */
struct command *command_new(enum command_kind kind);
void command_send(struct leadd *l, struct command *c, struct http_request *r, void (*reply)(struct leadd *l, struct http_request *r, struct command *c));
/* The usual problem for a refused command. */
void command_problem(struct http_request *r, const struct command *c);

/* reload.c: the configuration's files, one reader after the other. done, always from a later callback: fresh is taken, NULL when there are problems. */
typedef void (*configured_fn)(void *arg, struct config *fresh, const struct problems *problems);
void reload_read(struct leadd *l, configured_fn done, void *arg);
void reload_start(struct leadd *l); /* SIGHUP */
void reload_done(struct leadd *l);  /* after the commit of COMMAND_RELOAD: what of it concerns the shell, such as a larger store */
void reload_stop(struct leadd *l);

/* access.c: the API on TCP. */
/* Who asks, for the record: `uid 1000` or `token NAME`. */
void access_who(struct leadd *l, struct http_request *r, char *out, size_t size);
bool access_token(void *app, const char *token, size_t len, uint32_t *ret_rights); /* http_options.token */
int access_listen(struct leadd *l, struct lead_error *err) MUST_CHECK;
void access_put(const struct leadd *l, struct json_object *o);                     /* `listen` of the status */

/* routes.c */
extern const struct route routes[];

/* upload.c */
void upload_open(void *app, struct http_request *r);  /* POST /v1/uploads */
void upload_part(void *app, struct http_request *r);  /* PUT /v1/uploads/{upload} */
void upload_show(void *app, struct http_request *r);  /* GET /v1/uploads/{upload} */
/* All of an upload is on disk; false when that was answered with a 404 or 409 already. */
bool upload_whole(struct leadd *l, const char *id, struct http_request *r);
/* As the client called it. */
void upload_name(struct leadd *l, const char *id, char ret[RUN_TEXT]);
bool upload_is_named(const char *name, const char *ending); /* ends so, in letters of any case */
#define UPLOAD_SHEET ".sheet" /* beside a workbook: the sheet that was asked for */
/* The file is not needed any more, unless a run has it. */
void upload_drop(struct leadd *l, const char *id);
bool upload_is_read(struct leadd *l, const char *id); /* a run is still taking in its rows */
void upload_read_part(struct leadd *l, uint32_t run, const char *upload, uint64_t offset, size_t max);
/* The text of the upload at this path: the file beside it when it was a workbook. -1 with errno. */
int upload_text(const char *path);
/* The same for children: up to max bytes at offset; below 0 with errno. state_dir: its path, a `const char *`. */
long upload_read_spool(void *state_dir, const char *upload, uint64_t offset, void *out, size_t max);
/* Where it is; false when that is no name of an upload. */
bool upload_path(struct leadd *l, const char *id, char path[4096]);
int upload_dir(struct leadd *l, struct lead_error *err) MUST_CHECK;
/* Names in the folder are on disk from then on. False with errno when not. */
bool sync_dir(const char *path) MUST_CHECK;

/* results.c */
void results_write(struct leadd *l, uint32_t run);
void results_stop(struct leadd *l);

/* exports.c: the rows over the API; format: of export.h. */
void export_start(struct leadd *l, struct http_request *r, uint32_t run, int format, uint32_t outcomes);

/* tidy.c: result folders older than `results: keep`. At once and every day; tidy_look: at once again. */
void tidy_start(struct leadd *l);
void tidy_look(struct leadd *l);
void tidy_stop(struct leadd *l);

/* reckon.c */
void receipt_open(void *app, struct http_request *r); /* GET /v1/runs/{run}/receipt */
void waste_open(void *app, struct http_request *r);   /* GET /v1/runs/{run}/waste */
void audit_open(void *app, struct http_request *r);   /* GET /v1/limits/audit */
void reckon_stop(struct leadd *l);

/* watch.c */
void watch_open(void *app, struct http_request *r);   /* GET /v1/runs/{run}/events */
void watch_changed(struct leadd *l, uint32_t run);
void watch_stop(struct leadd *l);

/* child.c: our own binary again, with another first argument. done gets the exit status and what it wrote (at most 64 KiB). */
typedef void (*child_done_fn)(void *arg, int status, const char *output);
int child_start(struct leadd *l, const char *const args[], child_done_fn done, void *arg, struct lead_error *err) MUST_CHECK;
/* The same; the child has fds[0] and fds[1] as descriptors 3 and 4. */
int child_start_with(struct leadd *l, const char *const args[], const int fds[2], child_done_fn done, void *arg, struct lead_error *err) MUST_CHECK;
void child_reap(struct leadd *l);
void child_stop(struct leadd *l);
/* main of the children: -1 when argv asks for none of them. */
int child_main(int argc, char *argv[]);

/* replay.c */
void post_replay(void *app, struct http_request *r);  /* POST /v1/runs/{run}/replay */
void replay_clear(struct leadd *l); /* what a crash left of one */
void previews_stop(struct leadd *l); /* previews.c */
/* previews.c: main of the child that shows what would be asked. */
int preview_main(const char *config_file, const char *state_dir, const char *request);
/* plans.c: main of the child that makes a plan. */
int plan_main(const char *config_file, const char *state_dir, const char *request);

/* notify.c: mail and webhooks out. */
struct outbox_row;
#define NOTICE_ID (UINT64_C(1) << 63) /* of the fetcher's ids: no call has one so large */
void notify_send(struct leadd *l, const struct outbox_row *m);
void notify_done(struct leadd *l, uint64_t id, const struct http_answer *answer, const char *body);
void notify_stop(struct leadd *l);
void post_notify_test(void *app, struct http_request *r); /* POST /v1/notify/test */
/* suppress.c: a list of entries from an upload, in slices; the answer is a stream of lines. Texts are copied. */
void suppress_import(struct leadd *l, struct http_request *r, const char *upload, const struct suppress_batch *like);
void suppress_stop(struct leadd *l);

/* doctor.c */
void doctor_open(void *app, struct http_request *r);  /* POST /v1/doctor */

/* log.c: to stderr, with priority prefixes under systemd. */
enum log_level { LOG_ERR_, LOG_WARN_, LOG_NOTE_, LOG_INFO_, LOG_DEBUG_ };
void log_open(enum log_level level);
void log_line(enum log_level level, const char *format, ...) PRINTF(2, 3);
