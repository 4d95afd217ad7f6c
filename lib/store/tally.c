/* See tally.h. Most counters are 0: rows hold the others, each behind its place. */
#include "lib/store/tally.h"

#include "lib/store/pack.h"

#include <string.h>

#define KEY_LEN 13 /* the rows per service have 2 */
#define FIRST_OCTAVE 10

static struct key row_key(const struct tally_key *k)
{
	struct key key = key_u16(key_u16(key_u16(key_of(), k->service), k->endpoint), k->place);

	key = key_u8(key_u8(key_u8(key, k->step), k->lookup), k->again);
	return key_u32(key, k->day);
}

static struct tally_key key_decode(const uint8_t *bytes)
{
	return (struct tally_key){.service = key_get_u16(bytes),
	    .endpoint = key_get_u16(bytes + 2),
	    .place = key_get_u16(bytes + 4),
	    .step = bytes[6],
	    .lookup = bytes[7] != 0,
	    .again = bytes[8] != 0,
	    .day = key_get_u32(bytes + 9)};
}

static void pack_counts(struct buf *b, const uint64_t *counts, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		used += counts[i] != 0;
	}
	pack_var(b, used);
	for (size_t i = 0; i < n; i++) {
		if (counts[i] != 0) {
			pack_var(b, i);
			pack_var(b, counts[i]);
		}
	}
}

static void unpack_counts(struct unpack *u, uint64_t *counts, size_t n)
{
	size_t used = (size_t)unpack_var(u);

	for (size_t i = 0; i < used && !u->bad; i++) {
		size_t at = (size_t)unpack_var(u);
		uint64_t count = unpack_var(u);

		if (at < n) {
			counts[at] = count;
		}
	}
}

static bool row_decode(struct slice value, struct tally_row *ret)
{
	struct unpack u = unpack_of(value);

	memset(ret, 0, sizeof(*ret));
	unpack_counts(&u, ret->classes, STAT_CLASSES);
	for (int i = 0; i < 2; i++) {
		unpack_counts(&u, ret->ends[i], TALLY_ENDS);
		unpack_counts(&u, ret->latency[i], TALLY_BUCKETS);
	}
	for (size_t used = (size_t)unpack_var(&u); used > 0 && !u.bad; used--) {
		size_t at = (size_t)unpack_var(&u);
		struct tally_price p;

		p.n = unpack_var(&u);
		p.sum_micro = (int64_t)unpack_var(&u);
		p.sum_squares = unpack_var(&u);
		if (at < STAT_CLASSES) {
			ret->prices[at] = p;
		}
	}
	return !u.bad;
}

bool tally_read(struct txn *t, const struct tally_key *k, struct tally_row *ret)
{
	struct slice value;

	memset(ret, 0, sizeof(*ret));
	return txn_get(t, TABLE_STAT, row_key(k), &value) && row_decode(value, ret);
}

void tally_write(struct txn *t, const struct tally_key *k, const struct tally_row *r)
{
	struct buf *b = txn_buf(t);
	size_t used = 0;

	pack_counts(b, r->classes, STAT_CLASSES);
	for (int i = 0; i < 2; i++) {
		pack_counts(b, r->ends[i], TALLY_ENDS);
		pack_counts(b, r->latency[i], TALLY_BUCKETS);
	}
	for (size_t i = 0; i < STAT_CLASSES; i++) {
		used += r->prices[i].n != 0;
	}
	pack_var(b, used);
	for (size_t i = 0; i < STAT_CLASSES; i++) {
		if (r->prices[i].n != 0) {
			pack_var(b, i);
			pack_var(b, r->prices[i].n);
			pack_var(b, (uint64_t)r->prices[i].sum_micro);
			pack_var(b, r->prices[i].sum_squares);
		}
	}
	txn_put(t, TABLE_STAT, row_key(k), b->data, b->len);
}

struct walk {
	tally_fn f;
	void *arg;
};

static bool on_row(void *arg, struct slice key, struct slice value)
{
	struct walk *w = arg;
	struct tally_key k;
	struct tally_row r;

	if (key.len != KEY_LEN || !row_decode(value, &r)) {
		return true;
	}
	k = key_decode(key.data);
	return w->f(w->arg, &k, &r);
}

void tally_walk(struct txn *t, tally_fn f, void *arg)
{
	struct walk w = {f, arg};

	txn_walk(t, TABLE_STAT, key_of(), key_of(), on_row, &w);
}

void tally_add(struct tally_row *to, const struct tally_row *from)
{
	for (size_t i = 0; i < STAT_CLASSES; i++) {
		to->classes[i] += from->classes[i];
		to->prices[i].n += from->prices[i].n;
		to->prices[i].sum_micro += from->prices[i].sum_micro;
		to->prices[i].sum_squares += from->prices[i].sum_squares;
	}
	for (int k = 0; k < 2; k++) {
		for (size_t i = 0; i < TALLY_ENDS; i++) {
			to->ends[k][i] += from->ends[k][i];
		}
		for (size_t i = 0; i < TALLY_BUCKETS; i++) {
			to->latency[k][i] += from->latency[k][i];
		}
	}
}

/* Octaves begin at 1,024 us; 1218, 1448, 1722 of 1,024 are its quarters. */
size_t tally_bucket(int64_t us)
{
	uint64_t v = us > 0 ? (uint64_t)us : 1;
	unsigned octave = 63 - (unsigned)__builtin_clzll(v);
	uint64_t place;
	size_t bucket;

	if (octave < FIRST_OCTAVE) {
		return 0;
	}
	place = v >> (octave - FIRST_OCTAVE);
	bucket = (octave - FIRST_OCTAVE) * 4 + (place >= 1218) + (place >= 1448) + (place >= 1722);
	return bucket < TALLY_BUCKETS ? bucket : TALLY_BUCKETS - 1;
}

int64_t tally_bucket_us(size_t bucket)
{
	static const int64_t quarters[] = {1024, 1218, 1448, 1722};

	return bucket == 0 ? 0 : quarters[bucket % 4] << (bucket / 4);
}

void tally_count_price(struct tally_price *p, int64_t micro)
{
	uint64_t square = 0;

	p->n++;
	p->sum_micro += micro;
	if (__builtin_mul_overflow((uint64_t)micro, (uint64_t)micro, &square) || __builtin_add_overflow(p->sum_squares, square, &p->sum_squares)) {
		p->sum_squares = UINT64_MAX;
	}
}
