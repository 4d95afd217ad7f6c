/*
 * daemon/leadctl.h: what the files of leadctl share.
 *
 *   main -> args_parse (command table) -> command->run -> api_* -> print_*
 *
 * leadctl is a client of the control API (API.md) and nothing more. It knows no file of the
 * daemon but its socket.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/error.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

/* Exit codes: stable, documented in the man page. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_REFUSED = 1, /* the daemon refused, or gave an answer that is none */
	CTL_USAGE = 2,   /* wrong command line, or a local file that cannot be read or written */
	CTL_UNREACHABLE = 3,   /* no daemon at the socket, or it went away for good */
	CTL_MISSING = 4,       /* no such run, lead, service ... */
	CTL_CONFLICT = 5,      /* not possible in the present state */
	CTL_RUN_FAILED = 6,    /* the watched run failed or was cancelled */
	CTL_FOUND = 7,         /* doctor or audit found something wrong */
	CTL_INTERRUPTED = 130, /* Ctrl-C, as shells count it */
};

struct ctl {
	const char *socket;
	bool json;
	bool color;
	bool tty;     /* standard output is a terminal */
	bool utf8;    /* which shows more than ASCII */
	size_t width; /* columns of that terminal; 0: no terminal, never cut */
	void *curl;
	struct arena mem; /* texts that live as long as the program */
};

/* Set by Ctrl-C once a command has asked for it; ends the request under way. */
extern volatile sig_atomic_t ctl_interrupted;
void ctl_catch_interrupt(void);

/* --- the command table (leadctl_commands.c) --- */

enum option_kind {
	OPTION_FLAG,
	OPTION_TEXT,
	OPTION_NUMBER,   /* min to max */
	OPTION_MONEY,    /* micro-units, above zero */
	OPTION_DURATION, /* microseconds */
	OPTION_TIME,     /* a time to come, in wall microseconds */
	OPTION_CHOICE,   /* one of arg's words: `csv|jsonl` */
	OPTION_LIST,     /* some of arg's words, with commas: `failed,parked` */
	OPTION_FILE,
	OPTION_MAP, /* field=Header; may be repeated */
	OPTION_PAIR, /* name=value; may be repeated */
};

struct option {
	const char *name;
	enum option_kind kind;
	const char *arg; /* how its value is shown; the words of a choice */
	const char *help;
	bool required;
	char letter;
	int64_t min, max; /* numbers */
};

struct args;

struct command {
	const char *name;                                /* `run start` */
	const char *args;                                /* `FILE`, `[RUN]`, `SERVICE LIMIT` */
	const struct option *options;                    /* ends with a NULL name; NULL: none */
	int (*run)(struct ctl *c, const struct args *a); /* an exit code */
	const char *help;                                /* one line */
	const char *more; /* further lines for --help and the man page; may be NULL */
};

extern const struct command commands[];      /* ends with a NULL name */
extern const struct option global_options[]; /* ends with a NULL name */
extern const char *const outcome_names[];    /* NULL-terminated */

/* --- the command line (leadctl_args.c) --- */

#define ARGS_POSITIONS 256
#define ARGS_GIVEN 64

struct args {
	const struct command *command;
	const char *positions[ARGS_POSITIONS];
	size_t n_positions;
	struct given {
		const struct option *option;
		const char *text;
		int64_t number; /* numbers, money, durations */
	} given[ARGS_GIVEN];
	size_t n_given;
};

/*
 * CTL_OK with a command to run; otherwise the exit code, everything said: usage errors with the
 * nearest right word, --help and --version.
 */
int args_parse(struct ctl *c, int argc, char **argv, struct args *ret, bool *ret_done);
bool args_has(const struct args *a, const char *option);
const char *args_text(const struct args *a, const char *option); /* NULL when not given */
bool args_number(const struct args *a, const char *option, int64_t *ret);
/* Positions that must be a number (`run`), or RUN/LEAD. Complain and return false otherwise. */
bool args_run(const struct args *a, size_t i, uint64_t *ret);
bool args_lead(const struct args *a, size_t i, uint64_t *ret_run, uint64_t *ret_lead);
/* Says what is wrong with the command line and where to read more; CTL_USAGE. */
int args_complain(const struct command *command, const char *format, ...) PRINTF(2, 3);

/* leadctl_check.c: the nearest right value of one that is wrong. False: the message was printed. */
bool check_value(const char *what, const struct option *o, const char *text, int64_t *ret);
bool check_window(const char *text);

/* --- help and what is generated from the table (leadctl_help.c) --- */
void help_overview(void);
void help_group(const char *group);
void help_command(const struct command *command);
int cmd_help(struct ctl *c, const struct args *a);
int cmd_completion(struct ctl *c, const struct args *a);

/* --- the daemon (leadctl_api.c) --- */

/*
 * One request. CTL_OK with *ret (owned; NULL when the answer has no body); otherwise the exit
 * code, the message printed, and *ret is NULL. A connection lost midway is tried again twice: writes carry an
 * Idempotency-Key, so nothing happens twice. path is printf-like, already percent-encoded.
 */
int api_get(struct ctl *c, struct json_object **ret, const char *path, ...) PRINTF(3, 4);
/* body: borrowed, may be NULL. */
int api_send(struct ctl *c, const char *method, struct json_object *body, struct json_object **ret,
    const char *path, ...) PRINTF(5, 6);
/*
 * The usual end of a command: rc and answer are what one of the above gave. With --json the answer as it is, else as `print`
 * shows it to people. Takes the answer; returns rc.
 */
int answer_show(
    struct ctl *c, int rc, struct json_object *answer, void (*print)(struct ctl *c, struct json_object *answer));

#define API_LOST                                                                                   \
	(-1) /* not an exit code: the connection failed before the whole answer was there */

struct api_bytes {
	const void *body; /* sent as they are; NULL for a GET */
	size_t len;
	/* Takes the answer's bytes as they come; false ends the request. */
	bool (*take)(void *arg, const char *bytes, size_t len);
	void (*tick)(void *arg); /* about once a second while it lasts; may be NULL */
	void *arg;
	bool live;  /* an event stream: no limit of time, but silence of 60 s is a failure */
	bool quiet; /* a refusal is not printed */
};
/* One attempt. CTL_OK when whole, API_LOST (reason in err), or an exit code with the message
 * printed. */
int api_raw(struct ctl *c, const char *method, const char *path, const struct api_bytes *bytes,
    struct lead_error *err);
/* A missing daemon, in words; CTL_UNREACHABLE. */
int api_unreachable(const struct ctl *c, const struct lead_error *err);
/* `name=VALUE` with its separator, percent-encoded, when value is not NULL. */
void api_query(struct buf *path, const char *name, const char *value);
/* A segment of a path, percent-encoded; lives as long as the program. */
const char *api_segment(struct ctl *c, const char *text);
/*
 * All pages of a list up to `most` items (0: all), in one list object of the API (owned), whose
 * `next` tells whether there are further ones.
 */
int api_list(struct ctl *c, const char *path, uint64_t most, struct json_object **ret);

/* --- reading answers (leadctl_value.c); what is absent or of another type reads as nothing --- */
const char *get_text(struct json_object *o, const char *key);           /* "" */
int64_t get_int(struct json_object *o, const char *key);                /* 0 */
bool get_bool(struct json_object *o, const char *key);                  /* false */
bool get_has(struct json_object *o, const char *key);                   /* there, and not null */
struct json_object *get_object(struct json_object *o, const char *key); /* NULL */
struct json_object *get_list(struct json_object *o, const char *key);   /* NULL */
size_t list_length(struct json_object *list);                           /* 0 for NULL */
struct json_object *list_at(struct json_object *list, size_t i);
/* For people; all live as long as the program. "-" for nothing. */
const char *show_text(struct ctl *c, struct json_object *o, const char *key);
const char *show_number(struct ctl *c, struct json_object *o, const char *key);
const char *show_percent(struct ctl *c, struct json_object *o, const char *key); /* of 1 */
const char *show_money(struct ctl *c, struct json_object *o, const char *key, const char *currency);
const char *show_time(struct ctl *c, struct json_object *o, const char *key); /* local, with zone */
const char *show_age(struct ctl *c, struct json_object *o, const char *key); /* of a time: how long ago */
const char *show_ms(struct ctl *c, struct json_object *o, const char *key);
const char *show_bytes(struct ctl *c, uint64_t bytes);
/* Any value on one line: texts as they are, everything else as JSON. */
const char *show_value(struct ctl *c, struct json_object *value);

/* --- writing (leadctl_print.c); foreign text is made harmless to a terminal --- */
enum color { PLAIN, BOLD, DIM, RED, GREEN, YELLOW };
#define TABLE_COLUMNS 16

struct table {
	struct {
		char title[24];
		bool right, flexible;
	} columns[TABLE_COLUMNS];
	size_t n_columns;
	struct cell {
		const char *text;
		size_t width;
		enum color color;
	} * cells;
	size_t n_cells, room;
};

/* Columns by title: `RUN> CAMPAIGN SOURCE*`: > to the right, * may be shortened, _ is a blank. */
void table_init(struct table *t, const char *columns);
void table_cell(struct ctl *c, struct table *t, const char *format, ...) PRINTF(3, 4);
void table_color(struct table *t, enum color color); /* of the cell added last */
void table_print(struct ctl *c, struct table *t);    /* and frees it; nothing when it has no rows */

void print_line(struct ctl *c, enum color color, const char *format, ...) PRINTF(3, 4);
void print_field(struct ctl *c, const char *name, const char *format, ...) PRINTF(3, 4);
void print_error(const char *format, ...) PRINTF(1, 2); /* `leadctl: ...` */
void print_json(struct json_object *o);
/* text without what lies beyond width columns; with `…` when something does. */
void text_cut(struct buf *out, const char *text, size_t width, bool utf8);
/* `####----` of so many columns */
void text_bar(struct buf *out, uint64_t done, uint64_t total, size_t width, bool utf8);
enum color color_of_state(const char *state);

/* --- the commands, one file per group --- */
int cmd_status(struct ctl *c, const struct args *a);
int cmd_notify_test(struct ctl *c, const struct args *a);
int cmd_metrics(struct ctl *c, const struct args *a);
int cmd_doctor(struct ctl *c, const struct args *a);
int cmd_reload(struct ctl *c, const struct args *a);
int cmd_backup(struct ctl *c, const struct args *a);
int cmd_store_check(struct ctl *c, const struct args *a);
int cmd_plan(struct ctl *c, const struct args *a);
int cmd_prompt(struct ctl *c, const struct args *a);
int cmd_run_start(struct ctl *c, const struct args *a);
int cmd_run_list(struct ctl *c, const struct args *a);
int cmd_run_show(struct ctl *c, const struct args *a);
int cmd_run_watch(struct ctl *c, const struct args *a);
int cmd_run_pause(struct ctl *c, const struct args *a);
int cmd_run_resume(struct ctl *c, const struct args *a);
int cmd_run_cancel(struct ctl *c, const struct args *a);
int cmd_run_approve(struct ctl *c, const struct args *a);
int cmd_run_retry(struct ctl *c, const struct args *a);
int cmd_run_export(struct ctl *c, const struct args *a);
int cmd_run_rejects(struct ctl *c, const struct args *a);
int cmd_lead_list(struct ctl *c, const struct args *a);
int cmd_lead_show(struct ctl *c, const struct args *a);
int cmd_why_lead(struct ctl *c, const struct args *a);
int cmd_why_run(struct ctl *c, const struct args *a);
int cmd_why_service(struct ctl *c, const struct args *a);
int cmd_service_list(struct ctl *c, const struct args *a);
int cmd_service_show(struct ctl *c, const struct args *a);
int cmd_service_pause(struct ctl *c, const struct args *a);
int cmd_service_resume(struct ctl *c, const struct args *a);
int cmd_service_reset(struct ctl *c, const struct args *a);
int cmd_service_limit(struct ctl *c, const struct args *a);
int cmd_ledger_run(struct ctl *c, const struct args *a);
int cmd_ledger_list(struct ctl *c, const struct args *a);
int cmd_ledger_summary(struct ctl *c, const struct args *a);
int cmd_receipt_run(struct ctl *c, const struct args *a);
int cmd_waste_run(struct ctl *c, const struct args *a);
int cmd_limits_audit(struct ctl *c, const struct args *a);
int cmd_replay_run(struct ctl *c, const struct args *a);
int cmd_campaign_list(struct ctl *c, const struct args *a);
int cmd_campaign_show(struct ctl *c, const struct args *a);
int cmd_verify_run(struct ctl *c, const struct args *a);
int cmd_recall_run(struct ctl *c, const struct args *a);
int cmd_suppress_add(struct ctl *c, const struct args *a);
int cmd_suppress_import(struct ctl *c, const struct args *a);
int cmd_suppress_remove(struct ctl *c, const struct args *a);
int cmd_suppress_check(struct ctl *c, const struct args *a);
int cmd_suppress_list(struct ctl *c, const struct args *a);
int cmd_intake_list(struct ctl *c, const struct args *a);
int cmd_intake_show(struct ctl *c, const struct args *a);
int cmd_task_show(struct ctl *c, const struct args *a);

/* Shared between groups. */
typedef void (*row_fn)(struct ctl *c, struct table *t, struct json_object *item);
/* A paged list as a table (which it frees), within --limit and --all; `none` is said when it is
 * empty. */
int list_print(struct ctl *c, const struct args *a, const char *path, struct table *t, row_fn row,
    const char *none);
int upload_file(struct ctl *c, const char *file, const char **ret_upload, const char **ret_name);
/* The same for what is in memory. */
int upload_text(
    struct ctl *c, const char *name, const char *text, size_t len, const char **ret_upload);
/* leadctl_body.c: members of a request; none where the option was not given. */
void body_text(struct json_object *o, const char *key, const char *text); /* or text is NULL */
void body_number(struct json_object *o, const char *key, const struct args *a, const char *option);
void body_time(struct json_object *o, const char *key, const struct args *a, const char *option);
/* What `run start` sends, and `plan` too. */
struct json_object *file_body(const struct args *a, const char *upload); /* what a file is read with; upload may be NULL */
struct json_object *start_body(const struct args *a, const char *upload, const char *source);
bool check_delimiter(const struct args *a); /* or complains */
bool check_params(const struct args *a);    /* each once, or complains */
void plan_chart(struct ctl *c, struct json_object *plan); /* leadctl_plan_chart.c: the night over time */
int watch_run(struct ctl *c, uint64_t run);
void run_print(struct ctl *c, struct json_object *run); /* the whole summary */
