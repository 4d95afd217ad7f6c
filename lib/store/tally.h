/*
 * lib/store/tally.h: what became of calls, counted: plan learns from it and never scans the ledger.
 *
 * One row for each place where calls are made and each day, in TABLE_STAT beside the rows per service (ledger.h; their
 * keys are shorter). Counters of a day that is over are never touched again.
 */
#pragma once

#include "lib/store/stat.h"

/* Where: the call of a stage's step. A repeat is counted apart, since what was not known a moment ago is often not known again. */
struct tally_key {
	uint16_t service, endpoint; /* names.h */
	uint16_t place;             /* names.h, NAME_OWNER: `:pipeline/stage` */
	uint8_t step;
	bool lookup;                /* the look-up of a call in doubt */
	bool again;                 /* the item had been called for here before */
	uint32_t day;               /* since 1970, UTC */
};

/* What the pipeline made of an answer that brought something. */
enum tally_end {
	END_PASSED,
	END_UNSEEN,       /* read back, and not as it was pushed */
	END_OWN_REJECT,   /* refused by a gate that the stage lists itself, by the gate's policy */
	END_OWN_HOLD,
	END_OTHER_REJECT, /* by one that another stage lists */
	END_OTHER_HOLD,
	TALLY_ENDS
};

#define TALLY_BUCKETS 80 /* latency, a quarter of an octave each; the first ends at 1.2 ms, the last begins at 15 min */

struct tally_price {
	uint64_t n;
	int64_t sum_micro;
	uint64_t sum_squares;
};

struct tally_row {
	uint64_t classes[STAT_CLASSES];
	uint64_t ends[2][TALLY_ENDS];       /* [1]: pending when it was asked for the last time */
	uint64_t latency[2][TALLY_BUCKETS]; /* from first byte sent to the end; [1]: of failures */
	struct tally_price prices[STAT_CLASSES];
};

bool tally_read(struct txn *t, const struct tally_key *k, struct tally_row *ret); /* zeros and false when new */
void tally_write(struct txn *t, const struct tally_key *k, const struct tally_row *r);
typedef bool (*tally_fn)(void *arg, const struct tally_key *k, const struct tally_row *r);
/* All of them; f returns false to stop and may not write. */
void tally_walk(struct txn *t, tally_fn f, void *arg);
void tally_add(struct tally_row *to, const struct tally_row *from);

size_t tally_bucket(int64_t us);
/* Where the bucket begins, as a latency; of TALLY_BUCKETS: where the last one ends. */
int64_t tally_bucket_us(size_t bucket);
void tally_count_price(struct tally_price *p, int64_t micro);
