/*
 * lib/store/runs.h: runs, uploads and remembered answers.
 *
 * A run's row holds what it is and all its counters; it is written once per turn in which something of it changed.
 */
#pragma once

#include "lib/store/items.h"

enum run_state { RUN_RUNNING, RUN_PAUSED, RUN_DONE, RUN_CANCELLED, RUN_FAILED, RUN_STATES };
const char *run_state_word(enum run_state s);

#define RUN_STAGES 24
#define RUN_PROMPTS 64
#define RUN_TEXT 96
#define RUN_OUTSIDE 192

/* Counters of one stage; items leave `waiting`, `retrying` and `held` again, the others only grow. */
struct stage_count {
	uint64_t waiting;  /* status WAITING: queued or in flight */
	uint64_t retrying, held;
	uint64_t ok, empty, rejected, failed;
	uint64_t calls;    /* requests granted */
	int64_t settled_micro;
	uint64_t unchanged; /* went on without what the stage would have brought: never in ok */
	uint64_t passed;   /* went on without it though its service failed, with a warning */
	uint64_t cached, shared; /* answers taken from the cache; from a call that another lead was making */
};

/* What a version of a stage's prompt has written: answers and fixed texts, and those that passed their gates. */
struct prompt_count {
	uint8_t stage;
	uint16_t prompt;   /* names.h; 0: all those for which there was no room */
	uint64_t written, passed;
};

struct run_row {
	uint32_t id;
	enum run_state state;
	char campaign[RUN_TEXT], pipeline[RUN_TEXT], source[RUN_TEXT];
	int64_t created_us, started_us, ended_us; /* wall */
	uint8_t priority;
	uint32_t share;
	int64_t budget_micro;      /* -1: none */
	uint64_t max_rows;         /* --limit; 0: all */
	char why[160];             /* failed: what broke the import */

	/* import */
	char upload[40];
	uint8_t encoding;          /* 255: to be found out */
	char delimiter;            /* 0: to be found out */
	char map[512];             /* overrides, one a line */
	bool importing;
	bool written;              /* results folder is complete */
	uint64_t rows;             /* rows of the file taken so far */
	uint64_t bytes, bytes_total;
	struct buf columns;        /* columns_write(); owned */

	/* counters */
	uint64_t outcomes[ITEM_OUTCOMES]; /* [0]: open items */
	size_t n_stages;
	struct { char name[RUN_TEXT / 2]; struct stage_count count; } stages[RUN_STAGES];

	/*
	 * What a person has released: bit per stage of kind approval, and those of engine/approve.c. Of a sample the first `sample` leads
	 * that come in go all the way; the others, those with numbers above sample_last once it is full, wait.
	 */
	uint32_t approved;
	bool preview;              /* nothing paid is begun before it is approved */
	uint32_t sample, sampled, sample_last; /* sample 0: all go */

	int64_t by_us;             /* wall; no lead is started that could not be finished by then; 0: none */
	struct prompt_count prompts[RUN_PROMPTS];
	size_t n_prompts;

	uint64_t recalling;        /* open items that are (phase_recalls) */
	enum run_state ends_as;    /* reopened for a recall: the state it goes back to; else RUN_RUNNING */

	struct buf params;         /* --param: one JSON object of single values; empty: none; owned */
	uint64_t quantity;         /* --quantity: how many its sources are to bring; 0: all there are */
	struct buf company_columns; /* as columns, of its companies; owned */
	bool finds;                /* no file: its sources bring what it works on */
	uint8_t rows_are;          /* enum item_level: of the file's rows */
	uint64_t born;             /* leads that came out of a file's companies */
	uint64_t source_new;       /* items that the present round brought */
	uint32_t source_idle;      /* rounds in a row that brought none */
	int64_t source_cost_micro; /* what the run's own stage had cost when the present round began */
	uint64_t companies[ITEM_OUTCOMES]; /* as outcomes */
	/* of webhooks that came in: engine/inbox.c */
	char intake[64];           /* who opened it; empty: nobody */
	char outside[RUN_OUTSIDE]; /* what its leads' campaign is called at the tool */
	bool open;                 /* more may come: it has no end yet */
	int64_t open_us;           /* wall: when the last one came */
};

bool run_read(struct txn *t, uint32_t id, struct run_row *ret); /* fini ret when true */
void run_write(struct txn *t, const struct run_row *r);
bool run_decode(struct slice key, struct slice value, struct run_row *ret);
void run_row_fini(struct run_row *r);
uint32_t run_last_id(struct txn *t);

struct upload_row {
	char id[40];
	char name[RUN_TEXT];
	uint64_t size;
	int64_t created_us;
};
bool upload_read(struct txn *t, const char *id, struct upload_row *ret);
void upload_write(struct txn *t, const struct upload_row *u);

/* Idempotency-Key: what the first request with it was and what it gave. */
struct idem_row {
	uint64_t body_hash;
	uint32_t run, boot;     /* boot: that boot_us is of */
	int64_t boot_us, wall_us;
};
bool idem_read(struct txn *t, uint64_t key_hash, struct idem_row *ret);
void idem_write(struct txn *t, uint64_t key_hash, const struct idem_row *r);
