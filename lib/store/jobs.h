/*
 * lib/store/jobs.h: work that services do behind their answers.
 *
 * A job is that of the call which began it, and goes by its id. A call that may be called back has its job from the moment
 * it is reserved, since the callback may come before its answer; its token leads to it. The call stays open (ledger.h)
 * until the job has ended. A job that has ended is kept for a while, so that a late or second callback is known as one.
 */
#pragma once

#include "lib/store/store.h"

#define JOB_ID 200
#define JOB_TOKEN 16
#define JOB_TOKEN_TEXT (2 * JOB_TOKEN + 1)

enum job_state {
	JOB_SUBMITTED, /* its call is under way */
	JOB_OPEN,      /* accepted: the result is to come */
	JOB_DOUBT,     /* nobody knows whether it was accepted; the callback may yet say */
	JOB_ENDED,     /* its call is settled; what comes now has no effect */
	JOB_STATES
};
const char *job_state_word(enum job_state s);

struct job_row {
	uint64_t call;
	enum job_state state;
	bool has_token;
	uint8_t token[JOB_TOKEN];
	char id[JOB_ID];              /* as the service names it, "" for none */
	uint32_t boot;                /* of the stamps */
	int64_t since_us;             /* boot clock: submitted, accepted or lost, by state */
	int64_t since_wall_us;
	int64_t until_us, due_us;     /* boot clock: given up; polled next, 0 for never */
	int64_t price_micro;          /* by the answer that accepted it */
	uint32_t polls;               /* made */
	uint8_t failures;             /* polls in a row that said nothing of it */
	uint32_t callbacks;           /* that came */
	uint32_t idle_callbacks;      /* of them those without effect: not the first, or too late */
	bool called;                  /* what a callback brought is kept for when its call ends */
	char reason[40];              /* DOUBT: what happened to the call; ENDED: what came last of no effect */
};

bool job_read(struct txn *t, uint64_t call, struct job_row *ret);
void job_write(struct txn *t, const struct job_row *r);
/* From a walk over TABLE_JOB; false when it is not a job's row but one of the two below, or unreadable. */
bool job_decode(struct slice key, struct slice value, struct job_row *ret);

/* Which call's; false when nobody gave that token out. */
bool job_token_read(struct txn *t, const uint8_t token[JOB_TOKEN], uint64_t *ret_call);
void job_token_write(struct txn *t, const uint8_t token[JOB_TOKEN], uint64_t call);
void job_token_text(const uint8_t token[JOB_TOKEN], char out[JOB_TOKEN_TEXT]);
/* 32 hex digits of either case. */
bool job_token_parse(const char *text, uint8_t ret[JOB_TOKEN]);
/* From a walk: is it a token, and whose? */
bool job_token_decode(struct slice key, struct slice value, uint64_t *ret_call);

/* A callback's body that came before the answer of its call. Borrowed from the store. */
bool job_body_read(struct txn *t, uint64_t call, struct slice *ret);
void job_body_write(struct txn *t, uint64_t call, struct slice body);
void job_body_delete(struct txn *t, uint64_t call);
bool job_body_decode(struct slice key, uint64_t *ret_call);

/*
 * Deletes ended jobs of calls before that id with their tokens, at most `most`; how many. is_old has the last word, where a clock was
 * wrong; it may not write.
 */
unsigned jobs_expire(struct txn *t, uint64_t before, bool (*is_old)(void *arg, const struct job_row *r), void *arg, unsigned most);
