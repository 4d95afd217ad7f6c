/*
 * lib/engine/state.h: struct engine: all that one engine holds in memory, for its own files only.
 *
 * Bounded by calls in flight, services, runs and windows: never by the number of leads. Everything but the flow state
 * (limits, breakers, quotas) is a copy of rows; after a failed commit it is thrown away and read again. What its
 * nouns are stands in headers of their own: run.h, lane.h, call.h, job.h, accounts.h, tallies.h, inbox.h.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/heap.h"
#include "lib/base/ids.h"
#include "lib/engine/engine.h"
#include "lib/engine/item/inbox.h"

struct account;
struct call;
struct day_tally;
struct import_part;
struct lane;
struct names;
struct outcome;
struct run;
struct sweep_task;
struct told_mark;

#define TURN_GRANTS 256
#define TURN_OUTCOMES 256
#define TURN_ROWS 1000
#define BOOTS_KNOWN 8
#define REFUSE_PERCENT 85
#define SENDING_MOST 8 /* messages on their way at once */
#define HASH_KEY 'h' /* in TABLE_META: engine.hash_key */

struct engine {
	struct store *store;
	struct config *config;
	struct effects effects;
	struct names *names;
	struct dice dice;
	uint8_t hash_key[16];                /* of this store: keyed hashes of personal data */
	struct now now;
	uint32_t boot;
	int64_t boot_shift_us[BOOTS_KNOWN];  /* of the boots before this one, latest first: their clock + shift = ours */
	uint8_t n_boot_shifts;
	char boot_id[64];
	uint64_t turn, last_call;

	struct lane **lanes;
	size_t n_lanes;
	struct run *runs;
	struct account *accounts;
	uint64_t accounts_dropped;
	struct day_tally *tallies;
	bool tallies_dirty, blind, alone;
	struct call *calls, *shared;
	size_t n_fresh;
	struct call *fresh[TURN_GRANTS];

	struct outcome *outcomes, **outcomes_end;
	struct command *commands, **commands_end;
	size_t n_events;                     /* INTAKE among them */
	bool urgent;                         /* others among them */
	struct import_part *parts, **parts_end;
	struct sweep_task *tasks;
	struct command *answered;            /* to be told after the commit */

	struct txn *txn;                     /* within a turn */
	struct arena arena;                  /* of the turn */
	bool draining, full, more;
	bool recovered;                      /* a turn failed since the last commit */
	char full_why[160];
	int64_t later_us;                    /* what was last told to wake_later */
	int64_t answers_us;                  /* boot clock: the next look at the oldest kept answer */
	int64_t cache_us;                    /* the same for answers to be taken again */
	struct told_mark *told;
	uint64_t last_message;
	uint64_t sending[SENDING_MOST];      /* messages on their way; from n_released on: to go after this commit */
	size_t n_sending, n_released;
	int64_t agenda_us;                   /* boot clock: the next look at the campaigns' schedules */
	bool agendas;
	int64_t outbox_us, tidy_us;          /* boot clock: the next look at the messages, at the marks */
	struct heap alarms;                  /* of jobs */
	size_t n_jobs;                       /* calls that only wait for their job */
	struct call *over;                   /* whose jobs ended in this turn */
	int64_t jobs_us;                     /* boot clock: the next look at the oldest jobs */
	struct inbox inbox;
};
