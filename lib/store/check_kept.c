/*
 * What is kept for calls: their answers (of calls that have ended), the jobs behind them (open as long as their call is), answers to
 * be taken again (each with the row that finds its end).
 */
#include "lib/store/check_parts.h"

#include "lib/base/ids.h"
#include "lib/store/body.h"
#include "lib/store/cache.h"
#include "lib/store/jobs.h"

static bool on_body(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct call_row row;
	struct body_row body;
	char id[17];

	c->counts.bodies++;
	ids_write(key_get_u64(key.data), id);
	if (!body_decode(value, &body)) {
		check_tell(c, "the answer of call %s cannot be read", id);
	} else if (!call_read(c->t, key_get_u64(key.data), &row)) {
		check_tell(c, "there is an answer of call %s, which is not in the ledger", id);
	} else if (row.state <= CALL_SENT) {
		check_tell(c, "there is an answer of call %s, which has not ended", id);
	}
	return true;
}

/* Whose call is that? True when there is one; *ret_open: it has not ended. */
static bool job_call(struct checking *c, uint64_t call, bool *ret_open, char id[17])
{
	struct call_row row;
	bool known = call_read(c->t, call, &row);

	ids_write(call, id);
	*ret_open = known && row.state <= CALL_SENT;
	return known;
}

static bool on_job(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct job_row r;
	uint64_t call;
	bool open;
	char id[17];

	if (job_token_decode(key, value, &call) || job_body_decode(key, &call)) {
		(void)job_call(c, call, &open, id);
		if (!job_read(c->t, call, &r)) {
			check_tell(c, "a callback leads to call %s, which has no job", id);
		} else if (key.len == 9 && (r.state != JOB_SUBMITTED || !r.called)) {
			check_tell(c, "what was called back for call %s is kept, but its job is %s", id, job_state_word(r.state));
		}
		return true;
	}
	if (!job_decode(key, value, &r)) {
		check_tell(c, "a job cannot be read");
		return true;
	}
	c->counts.jobs++;
	if (!job_call(c, r.call, &open, id)) {
		check_tell(c, "there is a job of call %s, which is not in the ledger", id);
	} else if (open != (r.state != JOB_ENDED)) {
		check_tell(c, "the job of call %s is %s, its call %s", id, job_state_word(r.state), open ? "open" : "ended");
	}
	return true;
}

/* Each answer has the row that finds its end, and each of those its answer. */
static bool on_cache(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	enum cache_class class;
	struct cache_key k;
	struct cache_row row, twin;
	struct call_row call;

	if (!cache_decode(key, value, &class, &k, &row)) {
		check_tell(c, "an answer to be taken again cannot be read");
	} else if (class == CACHE_ANSWER) {
		c->counts.answers++;
		c->cached_ends++;
		if (!call_read(c->t, row.call, &call)) {
			check_tell(c, "an answer to be taken again is of a call that is not in the ledger");
		}
	} else {
		c->cached_ends--;
		if (!cache_read(c->t, k, &twin) || twin.expires_us != row.expires_us) {
			check_tell(c, "the end of an answer to be taken again is of none that is there");
		}
	}
	return true;
}

void pass_kept(struct checking *c)
{
	txn_walk(c->t, TABLE_BODY, key_of(), key_of(), on_body, c);
	txn_walk(c->t, TABLE_JOB, key_of(), key_of(), on_job, c);
	txn_walk(c->t, TABLE_ANSWER, key_of(), key_of(), on_cache, c);
	if (c->cached_ends != 0) {
		check_tell(c, "%lld answers to be taken again would never expire", (long long)c->cached_ends);
	}
}
