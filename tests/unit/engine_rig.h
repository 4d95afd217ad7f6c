/*
 * tests/unit/engine_rig.h: an engine on a virtual clock with a scratch store, and no sockets.
 *
 *   rig_begin -> rig_write (leadd.yaml, services/, pipelines/) -> rig_open -> rig_run, rig_answer,
 *   rig_pass … -> rig_end
 *
 * Calls that the engine starts are kept in order (rig.calls); a test answers them by hand, or gives
 * the rig a `serve` function and lets the clock run (rig_play). Everything that goes wrong inside
 * the rig fails the test. What happens outside a turn is checked as it happens: a call must be on
 * disk, as reserved, when it starts (P2).
 *
 * engine_rig.c: files, engine, commands; engine_rig_effects.c: what the engine wants done outside; engine_rig_play.c: turns, time and
 * answers; engine_rig_look.c: what became of it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/engine/call/call.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/show.h"
#include "lib/engine/state.h"

#define SEC US_PER_S
#define RIG_WALL (INT64_C(1700000000) * SEC) /* 2023-11-14T22:13:20Z */
#define RIG_BOOT (INT64_C(1000) * SEC)
#define RIG_LANES 8

struct seen {
	uint64_t id;
	char *url, *body;
	char key[64];             /* Idempotency-Key header, when there was one */
	int64_t start_us, due_us; /* boot clock; due: rig_play, when its answer comes */
	int64_t early_us,
	    late_us; /* it arrived between them, on a clock that no boot and no step touches */
	int status;
	char answer[256];
	bool open;
	struct call_part *parts; /* of the last rig_row */
};

/* A message that the engine wants sent. */
struct message {
	uint64_t id;
	unsigned way, event, things, attempts;
	char to[64], subject[200], body[4096];
};

struct rig {
	char dir[64], config_file[96], boot_id[16];
	size_t map_bytes;
	uint64_t seed, generation;
	struct store *store;
	struct engine *engine;
	struct expr_pool *exprs; /* of all its configurations */
	struct now now;
	int64_t shift_us; /* boot clock to the true one */
	struct seen *calls;
	size_t n_calls;
	int64_t wake_us[RIG_LANES], later_us;
	char *file;             /* the one upload */
	size_t file_len, slice; /* slice: most bytes handed over at once, 0: what is asked for */
	const char *file_error;
	uint32_t ended; /* last run told as ended */
	unsigned n_ended;
	bool tells; /* before rig_open: messages go out, into these */
	struct message *messages;
	size_t n_messages;
	/* Answers a call that rig_play sees: status and answer are set, due_us may be. NULL: 200
	 * {}. */
	void (*serve)(struct rig *r, struct seen *c);
};

void rig_begin(struct rig *r);
void rig_end(struct rig *r);
/* A file below the rig's folder. */
void rig_write(struct rig *r, const char *path, const char *text);
/* What config_load makes of the files: they are right; or the first thing that is wrong with them is told with these words. */
struct config *rig_config(struct rig *r);
void rig_refused(struct rig *r, const char *what);
/* Store and engine; the latter alone; both again, as after a crash. */
void rig_open(struct rig *r);
struct effects rig_effects(struct rig *r); /* what rig_open gives the engine */
void rig_close(struct rig *r);
void rig_restart(struct rig *r);
/* The machine was off so long and comes back with another boot clock, its wall clock off by `step`.
 */
void rig_reboot(struct rig *r, int64_t off_us, int64_t step_us);

/* A run over this CSV text, imported unless the store is full; 0 when it was refused. */
uint32_t rig_run(struct rig *r, const char *campaign, const char *csv);
/* The same with the rest of the row given: budget, max_rows, priority … */
uint32_t rig_run_with(struct rig *r, const struct run_row *row, const char *csv);
/* The same over lead1@x.example and so on, n of them; never refused. */
uint32_t rig_run_leads(struct rig *r, const struct run_row *row, unsigned n);
/* A run that finds its leads itself; params: a JSON object, NULL for none. 0 when it was refused. */
uint32_t rig_find(struct rig *r, const char *campaign, const char *params, uint64_t quantity);
/* rc of the command, 99 while it was not answered; what: run, lead, outcomes, service … */
struct told {
	int rc;
	uint64_t count;
	char text[512];
};
struct told rig_command(struct rig *r, const struct command *what);
struct told rig_reload(struct rig *r);

/* One turn; turns until there is nothing more to do. Both return engine_turn's last word. */
int rig_turn(struct rig *r);
int rig_settle(struct rig *r);
/* The clock moves, then rig_settle. */
void rig_pass(struct rig *r, int64_t us);
/* Calls are answered by r->serve and timers fire until nothing moves or that boot time is reached.
 */
void rig_play(struct rig *r, int64_t until_us);

/* The end of a started call (by its place in rig.calls), then rig_settle. */
void rig_answer(struct rig *r, size_t call, int status, const char *body);
void rig_answer_with(struct rig *r, size_t call, const struct http_answer *h);
/* Only gathered; no turn. */
void rig_gather(struct rig *r, size_t call, const struct http_answer *h);
void rig_broken(struct rig *r, size_t call); /* sent, and nobody knows */
/* The last call that was started, which must be open. */
size_t rig_last(const struct rig *r);

/* What came of a message (by its place in rig.messages), then rig_settle. */
void rig_sent(struct rig *r, size_t message, enum sent sent, const char *said);

struct item rig_item(struct rig *r, uint32_t run, uint32_t number);
/* "outcome reason", or the status while it is open: `confirmed`, `rejected no-mailbox`, `held
 * in-doubt`. */
const char *rig_state(struct rig *r, uint32_t run, uint32_t number);
/* A field of the item's record as text, "" when there is none. */
const char *rig_field(struct rig *r, uint32_t run, uint32_t number, const char *name);
/* Facts as words: `call ok; gate too-short; template`. */
const char *rig_facts(struct rig *r, uint32_t run, uint32_t number);
/* Its parts live until the next rig_row of that call. */
struct call_row rig_row(struct rig *r, size_t call);
struct balance rig_balance(struct rig *r, enum account_kind kind, uint32_t owner);
const struct run_row *rig_run_row(struct rig *r, uint32_t run);
/* How many leads of the run ended so; its own counter must agree. */
size_t rig_count(struct rig *r, uint32_t run, enum item_outcome o);
/* No window of that length held more calls than `most`, wherever it lies. */
void rig_check_window(struct rig *r, size_t most, int64_t length_us);
/* Over the keys and values of all tables. */
uint64_t rig_hash(struct rig *r);
/* The store agrees with itself: lib/store/check.h. */
void rig_check(struct rig *r);

/* No commit works while the disk is full. */
void rig_disk_full(bool full);
