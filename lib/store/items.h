/*
 * lib/store/items.h: the items of a run: imported row, state, facts, identity.
 *
 * The row is written once. The state (under 128 bytes) is rewritten at every outcome, not at a grant: that an item
 * is in flight is known by its open call. What a stage found out is a fact, added and never changed; the record of an
 * item is its row with its facts laid over it.
 */
#pragma once

#include "lib/base/value.h"
#include "lib/store/store.h"

enum item_status {
	ITEM_WAITING,  /* in `ready`, or its call is open */
	ITEM_RETRYING, /* in `later` until due */
	ITEM_HELD,     /* waits for a person */
	ITEM_DONE,     /* has an outcome */
};

enum item_outcome {
	ITEM_OPEN, /* none yet */
	ITEM_READY,
	ITEM_DELIVERED,
	ITEM_CONFIRMED,
	ITEM_REJECTED,
	ITEM_SUPPRESSED,
	ITEM_DUPLICATE,
	ITEM_FAILED,
	ITEM_PARKED,
	ITEM_RECALLED, /* it was delivered, and was taken out again */
	ITEM_OUTCOMES
};
const char *item_status_word(enum item_status s);
const char *item_outcome_word(enum item_outcome o); /* "open" for ITEM_OPEN */
bool item_outcome_parse(const char *word, enum item_outcome *ret);

/*
 * What an item is. A run may have one item of its own, which sets things up and finds companies or leads; a company brings
 * leads. Their numbers are of one row: 1 up, as they came to be; the run's own has the last one.
 */
enum item_level {
	LEVEL_LEAD,
	LEVEL_COMPANY,
	LEVEL_RUN,
	LEVELS
};
#define ITEM_ROOT (UINT32_MAX - 1) /* a cursor behind it is a number, too */
/* Its number for people; of the run's own item `run`. */
void item_number_write(uint32_t number, char out[16]);
#define BORN_FROM (UINT32_C(1) << 31) /* the first that comes out of a file's company */
const char *item_level_word(enum item_level l);

#define ITEM_REASON 40
#define STAGE_INTAKE 255 /* facts of the gates at intake */

enum item_phase {
	PHASE_CALL,   /* the stage's own call comes next */
	PHASE_LOOKUP, /* a call in doubt is being looked up */
	PHASE_RECALL, /* it is to be taken out of the destination */
	PHASE_RECALL_LOOK, /* the same, when it was seen that nothing was sent to it */
	PHASE_VERIFY, /* of no lead: a page of the destination is read */
	PHASE_RECALL_SEEK, /* PHASE_RECALL, when it is known under which name it is there: its last push was in doubt */
	ITEM_PHASES
};
static inline bool phase_recalls(enum item_phase p)
{
	return p == PHASE_RECALL || p == PHASE_RECALL_LOOK || p == PHASE_RECALL_SEEK;
}

struct item {
	uint32_t run, number;
	enum item_status status;
	enum item_outcome outcome;
	uint8_t stage;      /* index into the run's stages */
	uint8_t step;       /* position in the stage's chain */
	enum item_phase phase;
	uint8_t failures;   /* in a row, of class failure_class, in this step */
	uint8_t failure_class;
	uint8_t doubts;     /* calls in doubt in this step */
	uint8_t gate_tries; /* repeats because a gate of the stage refused what came */
	uint8_t repairs;    /* times confirm sent it back to be pushed again */
	bool pushed;        /* the destination said yes at least once */
	bool ours;          /* it is there because of this run: not before it, and not taken out again */
	uint16_t service;   /* queue place while WAITING or RETRYING */
	uint8_t rank;
	uint32_t facts;     /* next seq */
	int64_t due_us;     /* RETRYING: boot clock */
	int64_t spent_micro; /* settled and in doubt */
	uint64_t done_turn;  /* turn of its outcome: an export begun before shows it as open */
	char reason[ITEM_REASON];
	uint16_t prompt;     /* while a call in doubt is looked up: its call_row.prompt */
	enum item_outcome was; /* phase_recalls: what it was, and is again when it stays */
	uint8_t was_stage;
	uint8_t pushings;      /* times it was not there any more, taken out or missing: pushed again it is another push, with another key */
	enum item_level level;
	uint32_t parent;     /* number of what it came from; 0: of a file, or of nothing */
	bool reused;         /* it began with what another campaign had found out about it */
	uint32_t page;       /* of a call with pages: so many were read; of pages that fit: so many entries */
	uint8_t round;       /* of a source: so many were asked for */
	uint8_t widened;     /* of a source: so many of its parameters were given up */
};

/* What is pushed from now on is no repeat of what was. */
static inline void item_push_anew(struct item *i)
{
	i->pushings += i->pushings < UINT8_MAX ? 1 : 0;
	i->repairs = 0;
}

bool item_read(struct txn *t, uint32_t run, uint32_t number, struct item *ret);
void item_write(struct txn *t, const struct item *i);
/* From a walk over TABLE_STATE. */
bool item_decode(struct slice key, struct slice value, struct item *ret);
struct key item_key(uint32_t run, uint32_t number);
struct key run_prefix(uint32_t run);

bool item_row(struct txn *t, uint32_t run, uint32_t number, struct slice *ret);
void item_row_write(struct txn *t, uint32_t run, uint32_t number, const void *row, size_t len);

enum fact_kind {
	FACT_CALL, FACT_GATE, FACT_TEMPLATE, FACT_OPERATOR,
	FACT_UNCHANGED, /* the stage brought nothing, and the lead went on as it was */
	FACT_WARNING,   /* it went on without the stage: its service was out of reach */
	FACT_ASK,       /* of a source: what is asked next, or its end */
	FACT_CACHED,    /* as FACT_CALL, but the answer is that of an earlier call, perhaps of another lead */
	FACT_REUSED,    /* what another campaign had found out */
};

struct fact_field {
	const char *name;
	uint32_t name_len;
	struct value value;
};

#define FACT_FIELDS 32

struct fact {
	enum fact_kind kind;
	uint8_t stage, step;
	uint8_t outcome;    /* enum outcome_class for calls; 0 for the rest */
	uint16_t service;
	uint64_t call;      /* 0: none */
	uint64_t turn;
	int64_t wall_us;
	int64_t price_micro;
	uint32_t ms;        /* how long the call took */
	char reason[ITEM_REASON];
	struct fact_field fields[FACT_FIELDS];
	size_t n_fields;
	int64_t saved_micro; /* what its own call would have cost besides: taken from the cache, or shared */
	bool joined;         /* it had no call of its own: it went with another lead's, in a batch or because it asked the same */
	uint64_t asked;      /* CACHED: hash of what it would have asked */
	uint16_t prompt;    /* names.h: version of the prompt that wrote the fields; 0: no stage with a prompt file */
};
/* Adds the fact as number i->facts and counts it up; the caller writes the item. */
void fact_add(struct txn *t, struct item *i, const struct fact *f);
/* Texts are borrowed from value. False when it is none. */
bool fact_decode(struct slice value, struct fact *ret);
typedef bool (*fact_walk_fn)(void *arg, const struct fact *f);
/* Oldest first; f returns false to stop and may not write. */
void fact_walk(struct txn *t, uint32_t run, uint32_t number, fact_walk_fn f, void *arg);

/* Who had this identity first in the run; 0 when nobody. Remembers number when it is new. */
uint32_t identity_claim(struct txn *t, uint32_t run, uint8_t kind, uint64_t hash, uint32_t number);
/* The lead that had it last in the organisation, whose number is that of a name (names.h); false: nobody that was remembered. */
bool identity_known(struct txn *t, uint16_t org, uint8_t kind, uint64_t hash, uint32_t *ret_run, uint32_t *ret_number);
void identity_remember(struct txn *t, uint16_t org, uint8_t kind, uint64_t hash, uint32_t run, uint32_t number);
