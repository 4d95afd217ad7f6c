/*
 * The suppression lists: each source counts as many entries as there are of it.
 */
#include "lib/store/check_parts.h"

#include "lib/store/suppress.h"

#include <string.h>

/* Entries of a suppression list that its source counts and that were not met yet. */
struct listed {
	uint16_t org;
	struct suppress_source s;
};

/* Of each organisation the sources come first. */
static bool on_suppress(void *arg, struct slice key, struct slice value)
{
	struct checking *c = arg;
	struct listed l = {.org = key.len >= 2 ? key_get_u16(key.data) : 0}, *more;
	enum suppress_class class;
	struct suppress_row row;

	if (!suppress_decode(key, value, &class, &row, &l.s)) {
		check_tell(c, "an entry of the suppression list of organisation %u cannot be read", l.org);
		return true;
	}
	if (class == SUPPRESS_SOURCES) {
		more = check_grow(c, c->listed, c->n_listed, sizeof(*more));
		if (more == NULL) {
			return false;
		}
		c->listed = more;
		c->listed[c->n_listed++] = l;
		return true;
	}
	c->counts.suppressions++;
	for (size_t i = c->n_listed; i > 0 && c->listed[i - 1].org == l.org; i--) {
		if (strcmp(c->listed[i - 1].s.source, row.source) == 0) {
			c->listed[i - 1].s.entries[row.given]--;
			return true;
		}
	}
	check_tell(c, "an entry of the suppression list of organisation %u is of a source that is not counted", l.org);
	return true;
}

void pass_suppressions(struct checking *c)
{
	txn_walk(c->t, TABLE_SUPPRESS, key_of(), key_of(), on_suppress, c);
	for (size_t i = 0; i < c->n_listed; i++) {
		for (int k = 0; k < SUPPRESS_GIVEN; k++) {
			int64_t off = (int64_t)c->listed[i].s.entries[k];

			if (off != 0) {
				check_tell(c, "the suppression list of organisation %u counts %lld entries %s than there are", c->listed[i].org,
				    (long long)(off > 0 ? off : -off), off > 0 ? "more" : "fewer");
			}
		}
	}
}
