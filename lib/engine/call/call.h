/* lib/engine/call/call.h: a call from its grant until its answer is settled, and that answer. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/uthash.h"
#include "lib/flow/limit.h"
#include "lib/service/batch.h"
#include "lib/service/request.h"
#include "lib/store/ledger.h"
#include "lib/store/tally.h"

struct day_tally;
struct engine;
struct job;
struct lane;

/* What memory knows of a part of a batch besides its row. */
struct call_member {
	struct day_tally *tally;             /* NULL: not counted */
	enum outcome_class said;             /* a blind engine: what the answer and the gates will say of it */
	enum tally_end foretold;
	int64_t price_micro;
};

/* Under which leads that ask the same find a call that is under way. */
struct share_key {
	uint64_t hash;
	uint32_t service, endpoint; /* no gaps: it is compared byte by byte */
};

struct call {
	uint64_t id;
	struct lane *lane;
	struct service *def;                 /* counted: the generation it was granted under */
	const struct service_call *call;     /* NULL: gone from the configuration before a restart */
	size_t key, group;
	struct limit *limits[CALL_LIMITS];
	struct limit_ticket tickets[CALL_LIMITS];
	size_t n_limits;
	struct call_row row;
	struct request request;              /* until release */
	struct day_tally *tally;                 /* NULL: not counted */
	enum tally_end foretold;             /* a blind engine: what the gates will say */
	struct batch_key *keys;              /* of a batch, one for each part, in the arena: by which its element of the answer is found */
	struct call_member *members;         /* of a batch, one for each part, in the arena; NULL: none */
	struct arena arena;                  /* as long as the call */
	size_t at;                           /* settle.c: the part that is looked at */
	bool fresh;                          /* granted in this turn, not yet released */
	bool ended, restarted;
	bool unanswered;                     /* engine_unanswered */
	struct job *job;                     /* NULL: its answer is its result */
	struct call *next_over;
	bool cached;                         /* no call: an answer that was kept, and what it saved: */
	int64_t saved_micro;
	bool shareable;                      /* others may join it: it stands in engine.shared */
	struct share_key shared_as;
	UT_hash_handle hh, hh_shared;
};

/* The end of a call, waiting for its turn. */
struct outcome {
	struct call *call;
	struct answer answer;
	struct answer *parts;                /* of a batch: what it says to each part; NULL: the same to all */
	char *body;
	size_t body_len;
	uint8_t *head;                       /* in the arena: what is kept of it besides the body; NULL: nothing is kept */
	size_t head_len;
	const char *by;                      /* how a job's result came (JOB_HEADER); NULL: it is an answer */
	struct arena arena;
	struct outcome *next;
};

/* The part whose item settle.c is at; of a call with one part that. */
static inline const struct call_part *call_part(const struct call *c)
{
	return c->at == 0 ? &c->row.parts[0] : &c->row.more[c->at - 1];
}

/* A key of the group that is not refused; they take turns. */
size_t engine_call_key(struct engine *e, struct lane *l, size_t group);
/* With the next number, for sc of the lane's present service; its parts are the caller's to fill in. NULL: no memory. */
struct call *engine_call_new(struct engine *e, struct lane *l, const struct service_call *sc, size_t group, size_t key);
/* Rendered, with its parts: it counts in every window and budget from here on and is written as reserved. False: no memory, nothing was done. */
bool engine_call_place(struct engine *e, struct call *c);
/* One under way, or ended but not yet settled; NULL: nobody knows it. */
struct call *engine_call_find(struct engine *e, uint64_t id);
/* Its place in flight is free again. */
void engine_call_leave(struct call *c);
/* The commit failed: what was granted in this turn never happened. Rows and balances are read anew by the caller. */
void engine_calls_drop(struct engine *e);
/* Not in e->calls any more, or never was. */
void engine_call_free(struct engine *e, struct call *c);
