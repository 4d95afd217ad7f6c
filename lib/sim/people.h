/*
 * lib/sim/people.h: the people whom Apollo and the scrapers of Apify know: a data set of any
 * size, made from the seed when it is asked for, and a likely record for whoever is not in it.
 *
 * All names, addresses and companies are invented; domains end in `.example`. No two people of the
 * set share an address, and about three of them work for the same company. What is known about
 * somebody (is there an address, is he found at all) depends on seed, name and domain alone, so
 * both services say the same.
 */
#pragma once

#include "lib/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scenario;

#define PERSON_ID 25 /* 24 hex digits, the last 8 the index in the set, and NUL */

struct company {
	size_t index; /* SIZE_MAX: not one of the set */
	char name[96], domain[96], id[PERSON_ID];
	const char *industry, *city, *state, *country;
	unsigned employees, founded;
	int64_t revenue; /* whole units a year */
};

struct person {
	size_t index; /* SIZE_MAX: not one of the set */
	char id[PERSON_ID], first[64], last[96], linkedin[224];
	char email[320]; /* empty: nobody knows one */
	const char *title, *seniority, *email_status;
	const char *city, *state, *country;
	struct company at;
};

/* What a client knows about somebody; NULL or empty: not. */
struct person_known {
	const char *id, *first, *last, *name, *email, *domain, *company, *linkedin;
};

/* Person number i, below the scenario's people.count. */
void people_nth(const struct scenario *s, size_t i, struct person *ret);
/*
 * By id or address of a profile: one of the set. Else by address, or by first and last name with a
 * domain or a company: found or not by the scenario's share. False, and *ret undefined: nobody.
 */
bool people_find(const struct scenario *s, const struct person_known *k, struct person *ret);
/* By domain, else by name. */
bool people_company(
    const struct scenario *s, const char *domain, const char *name, struct company *ret);
/* The same value for two ways to ask for the same person; for what is asked twice. */
uint64_t people_identity(const struct person_known *k);

/* As JSON objects. email false: without the address and its state. */
void people_write(struct buf *out, const struct person *p, bool email);
void people_write_company(struct buf *out, const struct company *c);
