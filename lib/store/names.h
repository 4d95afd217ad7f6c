/*
 * lib/store/names.h: short numbers for names that rows repeat: services, endpoints, keys, organisations.
 *
 * A name keeps its number for the life of the store. Table `name`: kind, text -> number (u32).
 */
#pragma once

#include "lib/store/store.h"

enum name_kind { NAME_SERVICE, NAME_ENDPOINT, NAME_KEY, NAME_OWNER, NAME_N };

struct names; /* both directions, in memory */

/* Reads the whole table. */
int names_load(struct store *s, struct names **ret, struct lead_error *err) MUST_CHECK;
void names_free(struct names *n);
/* The number of a name, given one within the transaction when it is new; 0 never. 65,535 names a kind at most, then LEAD_EINPUT. */
int names_number(struct names *n, struct txn *t, enum name_kind kind, const char *name, uint16_t *ret, struct lead_error *err) MUST_CHECK;
/* "?" for a number nobody knows. Borrowed for the life of n. */
const char *names_text(const struct names *n, enum name_kind kind, uint16_t number);
