/* lib/sim/people_inner.h: between the files that make people and companies. */
#pragma once

#include "lib/sim/model.h"
#include "lib/sim/people.h"

#define PEOPLE_COUNT(list) (sizeof(list) / sizeof((list)[0]))

uint64_t people_draw(const struct scenario *s, const char *what, uint64_t a, uint64_t b);
/* A copy in lower case, cut at size. */
void people_lower(char *out, size_t size, const char *text);
uint64_t people_hash(const char *text); /* in any case; NULL as "" */
void people_id(char out[PERSON_ID], uint64_t draw, size_t index);
size_t company_count(const struct scenario *s);
void company_nth(const struct scenario *s, size_t i, struct company *ret);
/* The one of the set with this domain, else one that is made of domain and name; one of them may be
 * NULL or empty. */
void company_make(
    const struct scenario *s, const char *domain, const char *name, struct company *ret);
