/*
 * lib/engine/plan/odds.h: what a call will say, how long it takes and what it costs: drawn from what calls before it did.
 *
 * Known are the tallies of the last four weeks (lib/store/tally.h), nothing else. Where there are few, what is known of
 * the same call elsewhere helps, then what is declared. How well a rate is known is part of the draw: odds_shuffle picks
 * every rate anew from what it may be, so that repetitions differ by as much as nobody can know.
 */
#pragma once

#include "lib/engine/plan/foretell.h"

struct odds;
struct odds_place;

/* Reads the store's tallies. LEAD_ENOMEM, LEAD_EIO. */
int odds_new(struct store *s, int64_t wall_us, struct odds **ret, struct lead_error *err) MUST_CHECK;
void odds_free(struct odds *o);
/* Another repetition: all draws follow from the seed. */
void odds_shuffle(struct odds *o, uint64_t seed);
/* How many answers of that service are known. */
uint64_t odds_known(const struct odds *o, uint16_t service);
/* For the calls of one place. ends: bit per enum tally_end that can come of it. NULL: out of memory. */
struct odds_place *odds_place(struct odds *o, const struct tally_key *place, const struct service_call *call, uint32_t ends);
/* The next answer. *ret_us: from sending to the end. */
void odds_draw(struct odds *o, struct odds_place *p, struct foretold *ret, int64_t *ret_us);
