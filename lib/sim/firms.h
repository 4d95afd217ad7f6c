/*
 * lib/sim/firms.h: who lives in the simulated world: companies of a region, and their people.
 *
 * Nothing is kept: everybody follows from the seed and a place. A company's domain tells its place;
 * its people follow from the seed and the domain alone, whoever asks about them.
 */
#pragma once

#include "lib/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define FIRM_TEXT 96

/* Whose companies: `CA`, `AppFolio`, and a city or NULL for all of them. */
struct region {
	const char *state, *pms, *city;
};

/* What a finder may get wrong about a company. */
enum firm_flaw {
	FIRM_GOOD,
	FIRM_PORTAL,  /* its page at a portal is taken for its own domain */
	FIRM_INVALID, /* no domain at all stands where one should */
};

struct firm {
	char name[FIRM_TEXT], domain[FIRM_TEXT], city[FIRM_TEXT];
	unsigned units; /* flats it looks after */
};

struct person {
	char name[FIRM_TEXT];  /* may be no person at all: `Leasing Team` */
	char email[FIRM_TEXT]; /* empty: nobody knows it; may be a role's, or at a portal */
	char linkedin[FIRM_TEXT], phone[24];
	const char *title;
};

/* Company number index of the region; false when it sits in another city. */
bool firm_at(
    uint64_t seed, const struct region *r, unsigned index, enum firm_flaw flaw, struct firm *ret);
/* Person number index of the company with this domain. */
void person_at(uint64_t seed, const char *domain, unsigned index, struct person *ret);
/* One thing that is known about somebody; personal: not about work. */
void anecdote_add(struct buf *out, uint64_t draw, bool personal);

/* 64 bits from the seed, a purpose, a text and a number. */
uint64_t firm_draw(uint64_t seed, const char *purpose, const char *text, uint64_t number);
