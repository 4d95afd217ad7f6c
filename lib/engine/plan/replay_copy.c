/* A run put into the scratch store as it was when it began, with the suppression list of its end. See replay.c. */
#include "lib/engine/plan/replay_state.h"

#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/store/names.h"
#include "lib/store/pack.h"
#include "lib/store/suppress.h"

#include <stdio.h>

#define BOOT_US US_PER_DAY

/* The run as it was when it began, and the key under which its questions were hashed. */
static int write_run(struct replay *x, struct run_row *row, struct slice hash_key, struct lead_error *err)
{
	const struct campaign *m = config_campaign(x->o->config, row->campaign);
	struct txn *t = NULL;
	int rc;

	if (m == NULL) {
		(void)lead_fail(err, LEAD_EINPUT, "the configuration has no campaign '%.90s'", row->campaign);
		return REPLAY_NO_CAMPAIGN;
	}
	rc = txn_begin(x->o->scratch, true, &t, err);
	if (rc != 0) {
		return rc;
	}
	(void)snprintf(row->pipeline, sizeof(row->pipeline), "%s", m->pipeline->name);
	row->state = RUN_RUNNING;
	row->importing = true;
	row->approved = UINT32_MAX; /* nothing is bought */
	row->sample = row->sampled = 0;
	row->open = false;
	row->encoding = ENCODING_ROWS;
	row->delimiter = ',';
	row->bytes_total = 1;
	row->rows = row->bytes = row->max_rows = 0;
	row->ended_us = 0;
	row->why[0] = 0;
	row->written = false;
	row->n_stages = 0;
	memset(row->outcomes, 0, sizeof(row->outcomes));
	memset(row->stages, 0, sizeof(row->stages));
	run_write(t, row);
	txn_put(t, TABLE_META, key_u8(key_of(), HASH_KEY), hash_key.data, hash_key.len);
	return txn_commit(t, err);
}

struct listing {
	struct txn *out;
	int64_t until_us;
};

static bool on_listed(void *arg, struct slice key, struct slice value)
{
	struct listing *l = arg;
	struct suppress_source source;
	enum suppress_class class;
	struct suppress_row row;
	struct key k = key_of();

	if (suppress_decode(key, value, &class, &row, &source) && class != SUPPRESS_SOURCES && row.wall_us <= l->until_us) {
		memcpy(k.bytes, key.data, key.len);
		k.len = key.len;
		txn_append(l->out, TABLE_SUPPRESS, k, value.data, value.len);
	}
	return true;
}

/* The organisation's suppression list as the run had it at its end: what was added later would be no news about the configuration. */
static int copy_list(struct replay *x, const char *campaign, int64_t ended_us, struct lead_error *err)
{
	const struct campaign *m = config_campaign(x->o->config, campaign);
	struct listing l = {.until_us = ended_us};
	struct names *names = NULL;
	struct txn *t = NULL;
	char org[RUN_TEXT];
	uint16_t number;
	int rc = names_load(x->o->live, &names, err);

	if (rc != 0) {
		return rc;
	}
	number = m != NULL ? names_find(names, NAME_OWNER, run_org_name(m->organisation, org)) : 0;
	rc = number != 0 ? txn_begin(x->o->live, false, &t, err) : 0;
	rc = number != 0 && rc == 0 ? txn_begin(x->o->scratch, true, &l.out, err) : rc;
	if (number != 0 && rc == 0) {
		struct key prefix = key_u16(key_of(), number);
		struct buf *b = txn_buf(l.out);

		/* under the same number as there */
		pack_u32(b, number);
		pack_text(b, org);
		txn_put(l.out, TABLE_NAME, key_u32(key_u8(key_of(), NAME_OWNER), number), b->data, b->len);
		txn_walk(t, TABLE_SUPPRESS, prefix, prefix, on_listed, &l);
		rc = txn_commit(l.out, err);
	}
	txn_abort(t);
	names_free(names);
	return rc;
}

int replay_copy(struct replay *x, struct lead_error *err)
{
	uint8_t key[16];
	struct slice value;
	struct run_row row;
	struct txn *t = NULL;
	int rc = txn_begin(x->o->live, false, &t, err);

	if (rc != 0) {
		return rc;
	}
	if (!run_read(t, x->o->run, &row)) {
		txn_abort(t);
		(void)lead_fail(err, LEAD_EINPUT, "there is no run %u", x->o->run);
		return REPLAY_NO_RUN;
	}
	if (txn_get(t, TABLE_META, key_u8(key_of(), HASH_KEY), &value) && value.len == sizeof(key)) {
		memcpy(key, value.data, sizeof(key));
	} else {
		memset(key, 0, sizeof(key));
	}
	txn_abort(t);
	x->rows = (uint32_t)row.rows;
	x->now = (struct now){.boot_us = BOOT_US, .wall_us = row.started_us};
	if (row.state == RUN_RUNNING || row.state == RUN_PAUSED || row.importing) {
		rc = REPLAY_NOT_ENDED;
		(void)lead_fail(err, LEAD_EINPUT, "run %u has not ended yet", x->o->run);
	} else if (row.finds || row.company_columns.len > 0) {
		rc = LEAD_EINPUT;
		(void)lead_fail(err, LEAD_EINPUT, "run %u found its leads itself: it cannot be played again", x->o->run);
	} else if (!replay_kept_any(x)) {
		rc = REPLAY_NO_ANSWERS;
		(void)lead_fail(err, LEAD_EINPUT,
		    "no answer of run %u is kept any more, or ever was: see 'answers: keep' in leadd.yaml", x->o->run);
	} else {
		rc = copy_list(x, row.campaign, row.ended_us, err);
		rc = rc == 0 ? write_run(x, &row, (struct slice){key, sizeof(key)}, err) : rc;
	}
	run_row_fini(&row);
	return rc;
}
