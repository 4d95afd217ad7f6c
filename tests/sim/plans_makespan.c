/*
 * How long a large night takes at the shipped limits, against the least it could: of all services
 * the longest calls x (T + u) / N, plus once the way of a lead through all its stages, retries of
 * the last ones included.
 */
#include "tests/sim/plans_night.h"

#include "lib/store/ledger.h"
#include "lib/store/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICES 32
#define MOST 1.02

struct served {
	uint64_t calls;
	double u_s, took_s; /* sums: first byte to late end; grant to end */
};

struct ledger {
	struct config *config;
	struct names *names;
	struct served list[SERVICES];
};

static bool on_call(void *arg, struct slice key, struct slice value)
{
	struct ledger *l = arg;
	struct call_row c;
	size_t s = 0;

	if (!call_decode(key, value, &c)) {
		die("the ledger", "has a row that cannot be read");
	}
	while (
	    s < l->config->n_services && strcmp(l->config->services[s]->name,
					     names_text(l->names, NAME_SERVICE, c.service)) != 0) {
		s++;
	}
	if (s == l->config->n_services || s == SERVICES) {
		die("the ledger", "names a service that is not counted here");
	}
	if (c.sent_us != 0) {
		l->list[s].calls++;
		l->list[s].u_s += (double)(c.late_us - c.sent_us) / 1e6;
		l->list[s].took_s += (double)(c.end_us - c.granted_us) / 1e6;
	}
	return true;
}

/* Seconds that so many calls take at the narrowest of the sliding windows. */
static double sliding_s(const struct service *def, double calls, double u_s)
{
	double longest = 0;

	for (size_t i = 0; i < def->n_limits; i++) {
		for (size_t w = 0; w < def->limits[i].n_windows; w++) {
			const struct window_spec *spec = &def->limits[i].windows[w];
			double here =
			    calls * ((double)spec->length_us / 1e6 + u_s) / (double)spec->max;

			longest = spec->kind == WINDOW_SLIDING && here > longest ? here : longest;
		}
	}
	return longest;
}

/* The same with the days: what is above so many days' calls must wait for the day after. The night
 * begins at midnight. */
static double least_s(const struct service *def, const struct served *s)
{
	double u_s = s->calls > 0 ? s->u_s / (double)s->calls : 0;
	double longest = sliding_s(def, (double)s->calls, u_s);

	for (size_t i = 0; s->calls > 0 && i < def->n_limits; i++) {
		for (size_t w = 0; w < def->limits[i].n_windows; w++) {
			const struct window_spec *spec = &def->limits[i].windows[w];
			uint64_t days = (s->calls - 1) / spec->max;
			double here = (double)days * US_PER_DAY / 1e6 +
				      sliding_s(def, (double)(s->calls - days * spec->max), u_s);

			longest = spec->kind == WINDOW_DAY && here > longest ? here : longest;
		}
	}
	return longest;
}

/* Rows that nobody has seen before: no two share an address, and none is refused by a free gate. */
static struct buf made_up(size_t n)
{
	static const char *const firsts[] = {
	    "Ann", "Bea", "Carl", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "Jana"};
	static const char *const lasts[] = {
	    "Berg", "Lind", "Moor", "Stone", "Winter", "Young", "Field", "Marsh", "Brook"};
	struct buf b = {0};

	buf_add_text(&b, "first_name,last_name,company,email,title,city\n");
	for (size_t i = 0; i < n; i++) {
		const char *first = firsts[i % 10], *last = lasts[i / 10 % 9];

		buf_printf(&b, "%s,%s,Acme %zu,%s.%s%zu@acme%zu.example.com,Owner,Springfield\n",
		    first, last, i / 3, first, last, i, i / 3);
	}
	return b;
}

bool makespan(
    struct store *store, struct config *config, size_t leads, uint64_t seed, struct now from)
{
	struct ledger l = {.config = config};
	struct buf csv = made_up(leads);
	struct came c = real_night(store, config, &csv, seed, from);
	double bound_s = 0, way_s = 0;
	const char *binding = "";
	struct txn *t = NULL;

	if (names_load(store, &l.names, NULL) != 0 || txn_begin(store, false, &t, NULL) != 0) {
		die("the store", "cannot be read");
	}
	txn_walk(t, TABLE_CALL, key_of(), key_of(), on_call, &l);
	txn_abort(t);
	for (size_t s = 0; s < config->n_services && s < SERVICES; s++) {
		const struct served *v = &l.list[s];
		double here = least_s(config->services[s], v);

		(void)printf("%-12s %6llu calls, u %.3f s: at least %.0f s\n",
		    config->services[s]->name, (unsigned long long)v->calls,
		    v->calls > 0 ? v->u_s / (double)v->calls : 0, here);
		way_s += v->calls > 0 ? v->took_s / (double)v->calls : 0;
		if (here > bound_s) {
			bound_s = here;
			binding = config->services[s]->name;
		}
	}
	(void)printf("%zu leads: %.0f s, at least %.0f s (%s) + %.1f s (one way): ratio %.4f, at "
		     "most %.2f\n",
	    leads, c.took_s, bound_s, binding, way_s, c.took_s / (bound_s + way_s), MOST);
	names_free(l.names);
	buf_free(&csv);
	return c.took_s <= MOST * (bound_s + way_s);
}
