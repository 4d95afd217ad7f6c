/*
 * lib/engine/engine.h: the turn: everything that leadd decides.
 *
 *   gather ------------> decide ------------> commit ------------> release
 *   engine_answered,     outcomes applied,    one LMDB write       effects: start the
 *   engine_command,      due retries, tasks,  transaction, one     granted calls, answer the
 *   engine_import …      then grants          fsync                commands, arm the timers
 *
 * Nothing is visible outside before it is on disk. Time, random numbers and the outside come in as
 * arguments; what should happen goes out through struct effects. One engine has one store.
 *
 * Where to read on, in the order in which a lead meets it; what stands alone is here:
 *   the turn     gather.c -> turn.c -> release.c, as above; load.c: start and restart; command.c, task.c: what people ask for
 *   config/      config.h, pipeline.h: what was written down
 *   run/         run.h: a run and its queue; approve.h, payment.h, agenda.h: who lets it go, and when
 *   item/        intake.c (rows), inbox.c, route.c (webhooks), source.c, makes.c (a run that finds its own) -> birth.c; suppress.c:
 *                whom nobody may write to
 *   call/        schedule.c (which next, and why not) -> grant.c (one is made) -> call.c (where it counts from then on);
 *                batch.c (for several items), share.c, cache.c (several who ask the same);
 *                feed.c (what an answer says at once to limits and breakers) -> settle.c (ledger, money, item); job.c (an answer
 *                that only comes later)
 *   stage/       stage.c: where an item goes next; view.c: what is known of it; recall.c, verify.c: what the destination has
 *   show/ tell/  show.h, why.c, export.h: what people see; notify.h, outbox.h: what they are told
 *   plan/        plan.h: a night before it is paid for; replay.h: a run again
 */
#pragma once

#include "lib/engine/config/config.h"
#include "lib/store/runs.h"
#include "lib/store/store.h"

struct engine;
struct json_object;
struct outbox_row;
struct payment_event;

struct effects {
	/* The call is on disk: make it. The request lives until return. */
	void (*start)(void *ctx, uint64_t call, const struct request *r);
	/* Call engine_turn at that boot time for the sake of service `lane`; TIME_NEVER: no need. One timer each. */
	void (*wake)(void *ctx, size_t lane, int64_t boot_us);
	/* The same for retries that fall due. */
	void (*wake_later)(void *ctx, int64_t boot_us);
	/* Read up to `max` bytes of the upload at `offset` and hand them to engine_import. */
	void (*read_upload)(void *ctx, uint32_t run, const char *upload, uint64_t offset, size_t max);
	/* Something people look at has changed in the run. */
	void (*run_changed)(void *ctx, uint32_t run);
	/* The run has ended: write its results, then send COMMAND_WRITTEN. Called again after a restart until that came. */
	void (*run_ended)(void *ctx, uint32_t run);
	/*
	 * The message is on disk: send it, then send COMMAND_SENT. Called again after a restart until that came. Borrowed until return.
	 * NULL: nobody is told anything.
	 */
	void (*send)(void *ctx, const struct outbox_row *message);
	void *ctx;
};

struct engine_options {
	struct store *store;
	struct config *config;      /* counted */
	struct effects effects;
	const char *boot_id;        /* of the machine: stamps of another boot are converted by the wall clock */
	uint64_t seed;
	struct now now;
	bool alone;                 /* batches of one, which wait for nobody: replay, where others may come together */
	bool agendas;               /* campaigns begin runs by themselves */
	bool blind;                 /* nothing is really called: see foretell.h */
};

/* Reads the store as after a crash: windows from the ledger's tail, open calls become in doubt in the first turn. */
int engine_new(const struct engine_options *o, struct engine **ret, struct lead_error *err) MUST_CHECK;
void engine_free(struct engine *e);

/* --- gather; cheap, no store access --- */

void engine_sent(struct engine *e, uint64_t call, int64_t boot_us);
void engine_first_byte(struct engine *e, uint64_t call, int64_t boot_us);
/* The end of a call. Takes body (malloc'ed, may be NULL). */
void engine_answered(struct engine *e, uint64_t call, const struct http_answer *h, char *body, struct now now);
/* Replay: nobody knows what this call would have been told. It counts as not made, and its item is held: NO_ANSWER. */
#define NO_ANSWER "no-kept-answer"
void engine_unanswered(struct engine *e, uint64_t call, struct now now);
/* Bytes of an upload that read_upload asked for; len 0 is its end; error not NULL: it cannot be read. Copied. */
void engine_import(struct engine *e, uint32_t run, const void *bytes, size_t len, const char *error);

/* run_row.encoding of a run whose slices hold whole rows as the store keeps them: number (4 bytes), then pack_bytes of the row. */
#define ENCODING_ROWS 254

enum command_kind {
	COMMAND_START,       /* run: start_* */
	COMMAND_PAUSE, COMMAND_RESUME, COMMAND_CANCEL, /* run */
	COMMAND_APPROVE,     /* run, who; stage: only that (empty: all that something waits for) */
	COMMAND_PAYMENT,     /* payment */
	COMMAND_RETRY,       /* run, outcomes, lead (0: all), by_us, budget_micro */
	COMMAND_RECALL,      /* run, unsent_only */
	COMMAND_VERIFY,      /* run, repair */
	COMMAND_WRITTEN,     /* run: its results are on disk; summary */
	COMMAND_SENT,        /* message, sent, said: what came of it */
	COMMAND_UPLOAD,      /* upload */
	COMMAND_SERVICE_PAUSE, COMMAND_SERVICE_RESUME, COMMAND_SERVICE_RESET, /* service */
	COMMAND_SERVICE_LIMIT, /* service, limit, window */
	COMMAND_RELOAD,      /* config */
	COMMAND_SUPPRESS,    /* batch */
	COMMAND_CALLBACK,    /* token, body */
	COMMAND_INTAKE,      /* service: the intake; body: a webhook whose signature is right. message: its id */
};

/* Entries to put on an organisation's suppression list, or to take off it. */
#define SUPPRESS_BATCH 1000
enum suppress_result { SUPPRESS_DONE, SUPPRESS_KNOWN, SUPPRESS_BAD }; /* KNOWN: it was there (or, to take off, was not) */
struct suppress_batch {
	char org[RUN_TEXT];
	char source[48], reason[48]; /* of new entries: a file's name, a word */
	bool remove;
	size_t n;
	struct {
		const char *text;
		size_t len;
		uint64_t line;               /* the caller's own */
		enum suppress_result result; /* from here on: filled in */
		const char *why;             /* BAD: lives for ever */
	} list[SUPPRESS_BATCH];
};

enum sent {
	SENT_OK,
	SENT_LATER,   /* it may or may not have arrived: again later, under the same id */
	SENT_REFUSED, /* for good */
};

struct command {
	enum command_kind kind;
	uint32_t run;
	uint32_t lead;
	uint32_t outcomes;          /* bit per enum item_outcome */
	int64_t by_us, budget_micro; /* RETRY: the run's from now on; 0: as they were, but a time that is over counts no more */
	bool unsent_only;           /* RECALL: look first, leave what something was sent to */
	bool repair;                /* VERIFY: push again what is missing */
	struct run_row start;       /* START: campaign, source, upload, map, … */
	char idem[129];             /* Idempotency-Key, empty for none */
	uint64_t idem_body;         /* hash of the request's body */
	struct upload_row upload;
	struct payment_event *payment; /* malloc'ed, taken; its result is filled in */
	char stage[64], who[64];    /* APPROVE; who: `uid 1000`, the name of a token */
	char service[64], limit[64];
	struct window_spec window;
	struct config *config;      /* RELOAD: counted, taken */
	char *summary;              /* WRITTEN: text for people, malloc'ed, taken; NULL: none */
	uint64_t message;           /* SENT; INTAKE: result */
	enum sent sent;
	char said[200];             /* SENT: the receiver's word, or what went wrong */
	struct suppress_batch *batch; /* SUPPRESS: the caller's, until `done` */
	char token[40];             /* CALLBACK: as it stands in the path */
	char *body;                 /* CALLBACK, INTAKE: malloc'ed, taken */
	size_t body_len;
	/* results */
	int rc;                     /* 0, an enum lead_err, or one of: */
#define COMMAND_NOT_FOUND 1         /* no such run, service or limit */
#define COMMAND_WRONG_STATE 2
	struct lead_error err;
	uint64_t count;             /* RETRY: items put back; APPROVE: things released; RECALL: items opened for it; START: run number; SENT: 1 when it was given up; CALLBACK: 1 when it changed nothing */
	/* Called once, after the commit (or the refusal). Then the command is freed. May be NULL. */
	void (*done)(void *ctx, struct command *c);
	void *ctx;
	struct command *next;
};
/* Takes a malloc'ed command. */
void engine_command(struct engine *e, struct command *c);

/* --- the turn --- */

enum turn_result { TURN_IDLE = 0, TURN_MORE = 1 };
/*
 * Applies what was gathered, grants, commits, releases. TURN_MORE: call again soon, there is more to do.
 * LEAD_EFULL: admission is closed, what was gathered is kept; call again in a second. LEAD_EIO, EBUG: end the process.
 */
int engine_turn(struct engine *e, struct now now, struct lead_error *err) MUST_CHECK;
bool engine_pending(const struct engine *e); /* something was gathered */
bool engine_urgent(const struct engine *e);  /* a client waits */
size_t engine_events(const struct engine *e); /* webhooks gathered: their senders wait too, but more of them may come at once */

/* Stop: no more grants; calls go on to be settled. */
void engine_drain(struct engine *e);
size_t engine_in_flight(const struct engine *e);
/* Calls f for each call in flight, oldest first. */
void engine_each_call(struct engine *e, void (*f)(void *arg, uint64_t call), void *arg);
struct config *engine_config(struct engine *e);
struct store *engine_store(struct engine *e);
/* NULL while work is taken, else why not. */
const char *engine_refuses(const struct engine *e);
uint64_t engine_turns(const struct engine *e);
