/* See odds.h. Shares are drawn from Dirichlet distributions: counts, and a few answers more for what is not known. */
#include "lib/engine/plan/odds.h"

#include "lib/base/chance.h"
#include "lib/engine/plan/tallies.h"

#include <math.h>

#define DAYS 28
#define LISTS_DIFFER 0.15   /* the next list's shares are others by so much (a sixth up or down), however many answers are known */
#define NIGHTS_DIFFER 0.05  /* and the next night's latencies */
#define SURE 300            /* prices are known no better than from so many answers */
#define FEW 20              /* with fewer latencies or prices the same call elsewhere is asked */
#define DEFAULT_US 800000.0 /* median of a latency nobody has seen; its mean is 1 s */
#define DEFAULT_SPREAD 0.67
#define PRICED \
	(1u << OUTCOME_OK | 1u << OUTCOME_EMPTY | 1u << OUTCOME_PENDING | 1u << OUTCOME_DUPLICATE | 1u << OUTCOME_REFUSAL | 1u << OUTCOME_IN_DOUBT)
/* What tells of the key, not of the call: a plan begins with the keys as they are. */
#define OF_KEYS (1u << OUTCOME_QUOTA | 1u << OUTCOME_AUTH)

struct known {
	struct tally_key key; /* without a day */
	struct tally_row row;
	struct known *next;
};

struct odds_place {
	struct tally_key key;
	const struct service_call *call;
	/* what is known */
	double classes[STAT_CLASSES], ends[2][TALLY_ENDS];
	uint64_t latency[2][TALLY_BUCKETS], n_latency[2];
	struct tally_price prices[STAT_CLASSES];
	/* of this repetition; shares add up to their last one */
	uint64_t shuffle;
	double class_sums[STAT_CLASSES], end_sums[2][TALLY_ENDS], slower[2], price[STAT_CLASSES];
	UT_hash_handle hh;
};

struct odds {
	struct known *known;
	struct odds_place *places;
	struct dice dice;
	uint64_t shuffle;
	uint32_t first_day;
	bool failed;
};

/* --- shares --- */

/* Running sums of shares; weights of 0 stay 0. */
static void draw_shares(struct odds *o, const double *weights, size_t n, double *sums)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += weights[i] > 0 ? chance_gamma(&o->dice, weights[i]) * exp(LISTS_DIFFER * chance_normal(&o->dice)) : 0;
		sums[i] = sum;
	}
}

static size_t pick(struct odds *o, const double *sums, size_t n)
{
	double at = chance_uniform(&o->dice) * sums[n - 1];
	size_t i = 0;

	while (i + 1 < n && sums[i] < at) {
		i++;
	}
	return i;
}

/* --- what is known --- */

static struct known *known_get(struct odds *o, const struct tally_key *k)
{
	struct known *n = o->known;

	while (n != NULL && (n->key.service != k->service || n->key.endpoint != k->endpoint || n->key.place != k->place || n->key.step != k->step ||
				n->key.lookup != k->lookup || n->key.again != k->again)) {
		n = n->next;
	}
	return n;
}

static bool on_tally(void *arg, const struct tally_key *k, const struct tally_row *row)
{
	struct odds *o = arg;
	struct known *n;

	if (k->day < o->first_day) {
		return true;
	}
	n = known_get(o, k);
	if (n == NULL && (n = calloc(1, sizeof(*n))) != NULL) {
		n->key = *k;
		n->next = o->known;
		o->known = n;
	}
	o->failed = n == NULL;
	if (n != NULL) {
		tally_add(&n->row, row);
	}
	return !o->failed;
}

int odds_new(struct store *s, int64_t wall_us, struct odds **ret, struct lead_error *err)
{
	struct odds *o = calloc(1, sizeof(*o));
	uint32_t day = (uint32_t)(wall_us / US_PER_DAY);
	struct txn *t = NULL;
	int rc;

	if (o == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	o->first_day = day > DAYS ? day - DAYS : 0;
	rc = txn_begin(s, false, &t, err);
	if (rc == 0) {
		tally_walk(t, on_tally, o);
		rc = o->failed ? lead_fail(err, LEAD_ENOMEM, "out of memory") : txn_error(t);
		txn_abort(t);
	}
	if (rc != 0) {
		odds_free(o);
		return rc;
	}
	*ret = o;
	return 0;
}

void odds_free(struct odds *o)
{
	struct odds_place *p, *after;

	for (struct known *n = o != NULL ? o->known : NULL, *next; n != NULL; n = next) {
		next = n->next;
		free(n);
	}
	if (o != NULL) {
		HASH_ITER(hh, o->places, p, after) {
			HASH_DEL(o->places, p);
			free(p);
		}
	}
	free(o);
}

void odds_shuffle(struct odds *o, uint64_t seed)
{
	dice_seed(&o->dice, seed);
	o->shuffle++;
}

static bool has_bit(uint32_t bits, size_t i)
{
	return i < 32 && (bits >> i & 1) != 0;
}

static double count(const uint64_t *counts, size_t n, uint32_t without)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += has_bit(without, i) ? 0 : (double)counts[i];
	}
	return sum;
}

uint64_t odds_known(const struct odds *o, uint16_t service)
{
	uint64_t sum = 0;

	for (const struct known *n = o->known; n != NULL; n = n->next) {
		sum += n->key.service == service ? (uint64_t)count(n->row.classes, STAT_CLASSES, 0) : 0;
	}
	return sum;
}

/* --- a place: first asked --- */

/* Counts as weights, and `more` answers shared out like `like` (which adds up to 1). */
static void weigh(const uint64_t *counts, size_t n, uint32_t without, const double *like, double more, double *ret)
{
	for (size_t i = 0; i < n; i++) {
		ret[i] = has_bit(without, i) ? 0 : (double)counts[i] + more * like[i];
	}
}

static void to_shares(double *weights, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += weights[i];
	}
	for (size_t i = 0; i < n && sum > 0; i++) {
		weights[i] /= sum;
	}
}

/* The same call wherever it was made. */
static void everywhere(const struct odds *o, const struct tally_key *k, struct tally_row *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (const struct known *n = o->known; n != NULL; n = n->next) {
		if (n->key.service == k->service && n->key.endpoint == k->endpoint && n->key.lookup == k->lookup) {
			tally_add(ret, &n->row);
		}
	}
}

static void learn_classes(struct odds_place *p, const struct tally_row *own, const struct tally_row *first, const struct tally_row *all)
{
	static const double declared[STAT_CLASSES] = {
	    [OUTCOME_OK] = 0.94, [OUTCOME_EMPTY] = 0.02, [OUTCOME_TRANSIENT] = 0.02, [OUTCOME_REFUSAL] = 0.01, [OUTCOME_PERMANENT] = 0.01};
	double like[STAT_CLASSES], n = count(own->classes, STAT_CLASSES, OF_KEYS), others;

	weigh(all->classes, STAT_CLASSES, OF_KEYS, declared, 4, like);
	to_shares(like, STAT_CLASSES);
	others = count(all->classes, STAT_CLASSES, OF_KEYS);
	if (first != NULL) {
		double from[STAT_CLASSES];

		memcpy(from, like, sizeof(from));
		weigh(first->classes, STAT_CLASSES, OF_KEYS, from, 2, like);
		to_shares(like, STAT_CLASSES);
	}
	weigh(own->classes, STAT_CLASSES, OF_KEYS, like, 2 + (others < 18 ? others : 18) / (1 + n / FEW), p->classes);
}

static void learn_ends(struct odds_place *p, const struct tally_row *own, const struct tally_row *first, uint32_t ends)
{
	for (int kind = 0; kind < 2; kind++) {
		double like[TALLY_ENDS], from[TALLY_ENDS];

		for (size_t i = 0; i < TALLY_ENDS; i++) {
			from[i] = !has_bit(ends, i) ? 0 : i == END_PASSED ? 1 : 0.05;
		}
		to_shares(from, TALLY_ENDS);
		memcpy(like, from, sizeof(like));
		if (first != NULL) {
			weigh(first->ends[kind], TALLY_ENDS, ~ends, from, 1, like);
			to_shares(like, TALLY_ENDS);
		}
		weigh(own->ends[kind], TALLY_ENDS, ~ends, like, 1, p->ends[kind]);
	}
}

static void learn_numbers(struct odds_place *p, const struct tally_row *here, const struct tally_row *all)
{
	for (int kind = 0; kind < 2; kind++) {
		const struct tally_row *from = count(here->latency[kind], TALLY_BUCKETS, 0) >= FEW ? here : all;

		memcpy(p->latency[kind], from->latency[kind], sizeof(p->latency[kind]));
		p->n_latency[kind] = (uint64_t)count(from->latency[kind], TALLY_BUCKETS, 0);
	}
	for (size_t i = 0; i < STAT_CLASSES; i++) {
		p->prices[i] = here->prices[i].n >= FEW ? here->prices[i] : all->prices[i];
	}
}

struct odds_place *odds_place(struct odds *o, const struct tally_key *place, const struct service_call *call, uint32_t ends)
{
	static const struct tally_row nothing;
	struct tally_row all, here = nothing;
	struct odds_place *p = NULL;
	struct known *own, *first, *again;
	struct tally_key k;

	HASH_FIND(hh, o->places, place, sizeof(*place), p);
	if (p != NULL || (p = calloc(1, sizeof(*p))) == NULL) {
		return p;
	}
	memcpy(&p->key, place, sizeof(p->key));
	p->call = call;
	k = *place;
	k.again = false;
	first = known_get(o, &k);
	k.again = true;
	again = known_get(o, &k);
	own = place->again ? again : first;
	everywhere(o, place, &all);
	if (first != NULL) {
		tally_add(&here, &first->row);
	}
	if (again != NULL) {
		tally_add(&here, &again->row);
	}
	learn_classes(p, own != NULL ? &own->row : &nothing, place->again && first != NULL ? &first->row : NULL, &all);
	learn_ends(p, own != NULL ? &own->row : &nothing, place->again && first != NULL ? &first->row : NULL, ends);
	learn_numbers(p, &here, &all);
	HASH_ADD(hh, o->places, key, sizeof(p->key), p);
	return p;
}

/* --- a repetition --- */

static double deviation(const struct tally_price *p)
{
	double mean = (double)p->sum_micro / (double)p->n, square = (double)p->sum_squares / (double)p->n - mean * mean;

	return square > 0 ? sqrt(square) : 0;
}

static double sure(uint64_t n)
{
	return (double)(n < SURE ? n : SURE);
}

static void shuffle(struct odds *o, struct odds_place *p)
{
	p->shuffle = o->shuffle;
	draw_shares(o, p->classes, STAT_CLASSES, p->class_sums);
	for (int kind = 0; kind < 2; kind++) {
		draw_shares(o, p->ends[kind], TALLY_ENDS, p->end_sums[kind]);
		p->slower[kind] = exp((0.8 / sqrt((double)p->n_latency[kind] + 1) + NIGHTS_DIFFER) * chance_normal(&o->dice));
	}
	for (size_t i = 0; i < STAT_CLASSES; i++) {
		const struct tally_price *known = &p->prices[i];

		if (known->n > 0) {
			double mean = (double)known->sum_micro / (double)known->n + deviation(known) / sqrt(sure(known->n)) * chance_normal(&o->dice);

			p->price[i] = mean > 0 ? mean : 0;
		} else {
			p->price[i] = has_bit(PRICED, i) ? (double)p->call->price_micro : 0;
		}
	}
}

static int64_t draw_us(struct odds *o, const struct odds_place *p, bool failed)
{
	int kind = failed && p->n_latency[1] > 0;
	uint64_t at, sum = 0;
	int64_t from_us, to_us;
	size_t i = 0;

	if (p->n_latency[kind] == 0) {
		return (int64_t)(DEFAULT_US * exp(DEFAULT_SPREAD * chance_normal(&o->dice)) * p->slower[kind]);
	}
	at = dice_below(&o->dice, p->n_latency[kind]);
	while (i + 1 < TALLY_BUCKETS && (sum += p->latency[kind][i]) <= at) {
		i++;
	}
	from_us = tally_bucket_us(i);
	to_us = tally_bucket_us(i + 1);
	return (int64_t)(((double)from_us + (double)(to_us - from_us) * chance_uniform(&o->dice)) * p->slower[kind]);
}

/* One of two prices, so that mean and spread are right: the mean less and more the spread, or nothing and something. */
static int64_t draw_price(struct odds *o, const struct odds_place *p, size_t class)
{
	double mean = p->price[class], spread = p->prices[class].n > 1 ? deviation(&p->prices[class]) : 0, price = mean;

	if (spread > 0 && spread <= mean) {
		price = chance_uniform(&o->dice) < 0.5 ? mean - spread : mean + spread;
	} else if (spread > 0 && mean > 0) {
		double nothing = spread * spread / (spread * spread + mean * mean);

		price = chance_uniform(&o->dice) < nothing ? 0 : mean / (1 - nothing);
	}
	return price < (double)p->call->price_micro ? (int64_t)(price + 0.5) : p->call->price_micro;
}

void odds_draw(struct odds *o, struct odds_place *p, struct foretold *ret, int64_t *ret_us)
{
	if (p->shuffle != o->shuffle) {
		shuffle(o, p);
	}
	ret->outcome = (enum outcome_class)pick(o, p->class_sums, STAT_CLASSES);
	ret->end = (enum tally_end)pick(o, p->end_sums[ret->outcome == OUTCOME_PENDING], TALLY_ENDS);
	ret->price_micro = draw_price(o, p, ret->outcome);
	*ret_us = draw_us(o, p, ret->outcome == OUTCOME_TRANSIENT || ret->outcome == OUTCOME_IN_DOUBT || ret->outcome == OUTCOME_UNSENT);
}
