/*
 * lib/lead/suppression.h: entries of a suppression list, and what of an address stands in one.
 *
 * Entries never show what they were: an address is kept as a keyed hash of the SHA-256 of its lower-case normal form, so that
 * lists of SHA-256 sums meet lists of addresses; a domain as a keyed hash of its registrable domain (public suffix list), which
 * stands for all of its subdomains.
 */
#pragma once

#include "lib/lead/gates.h"
#include "lib/table/csv.h"

/* How an entry was given. Hash and address are one and the same to look up. */
enum suppress_kind { SUPPRESS_ADDRESS, SUPPRESS_HASH, SUPPRESS_DOMAIN, SUPPRESS_KINDS };
const char *suppress_word(enum suppress_kind k); /* address, hash, domain */

struct suppress_id {
	enum suppress_kind kind;
	uint64_t hash;
};

/*
 * An entry as people write it: an address; a domain, also as @example.com, *.example.com; 64 hex digits: the SHA-256 of a lower-case
 * address. NULL, or why it is none, without the text itself. The arena is used for a moment's work.
 */
const char *suppress_entry(const char *text, size_t len, const struct gate_lists *l, const uint8_t key[16], struct arena *a,
    struct suppress_id *ret);
/* What to look up for an address in its normal form (gate_address): itself, and its domain. How many: 0 for a blank one. */
size_t suppress_ids(const struct value *normal, const struct gate_lists *l, const uint8_t key[16], struct suppress_id ret[2]);
/*
 * Which column of a list holds its entries, by the first line. A line of entries tells it itself (an address before a sum before a
 * domain, since a domain beside an address is not meant); a header by a name such as email, sha256 or domain, in that order.
 * -1: nobody can say.
 */
int suppress_column(const struct csv_field *cells, size_t n, const struct gate_lists *l, struct arena *a, bool *ret_header);
