/*
 * lib/store/names.h: short numbers for names that rows repeat: services, endpoints, keys, campaigns, organisations, versions of prompts.
 *
 * A name keeps its number for the life of the store. Table `name`: kind, number -> text. A new name gets its number in
 * memory at once; it is written in the transaction of the first row that can use it, and again as long as none worked.
 */
#pragma once

#include "lib/store/store.h"

enum name_kind { NAME_SERVICE, NAME_ENDPOINT, NAME_KEY, NAME_OWNER, NAME_PROMPT, NAME_N };

struct names; /* both directions, in memory */

/* Reads the whole table. */
int names_load(struct store *s, struct names **ret, struct lead_error *err) MUST_CHECK;
void names_free(struct names *n);
/* The number of a name, a new one when it is not known; 0 never. 65,535 names a kind at most, then LEAD_EINPUT. */
int names_number(struct names *n, enum name_kind kind, const char *name, uint16_t *ret, struct lead_error *err) MUST_CHECK;
/* 0 when the name is not known. */
uint16_t names_find(const struct names *n, enum name_kind kind, const char *name);
/* Writes the names that no transaction kept yet; names_kept: this one did. */
void names_write(const struct names *n, struct txn *t);
void names_kept(struct names *n);
/* "?" for a number nobody knows. Borrowed for the life of n. */
const char *names_text(const struct names *n, enum name_kind kind, uint16_t number);
