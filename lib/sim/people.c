/*
 * lib/sim/people.c: people and companies by number, or by what a client knows of them.
 *
 *   number -> spread over the names by the seed -> name -> company -> domain -> address
 *
 * A name stands for its number: every number has a first and a last name of its own (double names
 * beyond the first 4096), so addresses made of both do not repeat.
 */
#include "lib/sim/people_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ids.h"
#include "lib/base/text.h"

#define NAMES 64
#define OUTSIDE UINT32_MAX /* index part of an id that is not in the set */

static const char *const firsts[NAMES] = {"Ada", "Adam", "Alma", "Amir", "Anna", "Aron", "Ben",
    "Bianca", "Boris", "Carla", "Carlos", "Celia", "Clara", "Daniel", "Dora", "Edgar", "Elena",
    "Elias", "Emma", "Erik", "Eva", "Felix", "Flora", "Frank", "Greta", "Hanna", "Hugo", "Ida",
    "Igor", "Ines", "Iris", "Ivan", "Jakob", "Jana", "Joel", "Julia", "Karl", "Karin", "Lara",
    "Leon", "Lisa", "Lucas", "Maja", "Marco", "Maria", "Milo", "Mina", "Nadia", "Nils", "Nora",
    "Oskar", "Paula", "Pavel", "Petra", "Ralf", "Rosa", "Ruben", "Sara", "Simon", "Sofia", "Tara",
    "Theo", "Vera", "Viktor"};
static const char *const lasts[NAMES] = {"Abel", "Adler", "Bach", "Baker", "Barros", "Becker",
    "Bell", "Berg", "Blum", "Brandt", "Burns", "Castro", "Cohen", "Costa", "Cruz", "Dahl", "Diaz",
    "Ebert", "Ekman", "Faber", "Falk", "Ferreira", "Fischer", "Fox", "Garcia", "Gibson", "Gomez",
    "Graf", "Haas", "Hahn", "Hansen", "Hill", "Holm", "Jensen", "Kaya", "Keller", "Khan", "Klein",
    "Kovac", "Lang", "Larsen", "Lopez", "Lund", "Marin", "Meyer", "Moreno", "Nagy", "Novak",
    "Olsen", "Ortiz", "Pereira", "Popov", "Quist", "Reyes", "Roth", "Sato", "Silva", "Stein",
    "Suzuki", "Torres", "Vogel", "Weber", "Wolf", "Young"};
static const struct {
	const char *title, *seniority;
} roles[] = {{"Chief Executive Officer", "c_suite"}, {"Chief Technology Officer", "c_suite"},
    {"VP of Sales", "vp"}, {"VP of Marketing", "vp"}, {"Head of Operations", "head"},
    {"Director of Engineering", "director"}, {"Director of Procurement", "director"},
    {"Marketing Manager", "manager"}, {"Sales Manager", "manager"}, {"Founder", "founder"},
    {"Owner", "owner"}, {"Property Manager", "manager"}};

uint64_t people_draw(const struct scenario *s, const char *what, uint64_t a, uint64_t b)
{
	const uint64_t parts[] = {s->seed, hash_plain(what, strlen(what)), a, b};

	return hash_many(parts, PEOPLE_COUNT(parts));
}

/* Lower case; ends at out's size. */
void people_lower(char *out, size_t size, const char *text)
{
	size_t len = strnlen(text, size - 1);

	memcpy(out, text, len);
	out[len] = '\0';
	text_lower(out, len);
}

uint64_t people_hash(const char *text)
{
	char lower[320];

	people_lower(lower, sizeof(lower), text != NULL ? text : "");
	return hash_plain(lower, strlen(lower));
}

void people_id(char out[PERSON_ID], uint64_t draw, size_t index)
{
	(void)snprintf(out, PERSON_ID, "%016llx%08x", (unsigned long long)draw,
	    index < OUTSIDE ? (unsigned)index : OUTSIDE);
}

/* All but names and company, which decide it. */
static void complete(const struct scenario *s, struct person *p)
{
	static const char *const states[] = {
	    "verified", "verified", "verified", "verified", "unverified", "likely to engage"};
	static const char joints[] = {'.', '.', '_', '-'};
	uint64_t domain = people_hash(p->at.domain),
		 names = people_hash(p->first) ^ (people_hash(p->last) * 3),
		 draw = people_draw(s, "person", names, domain);
	size_t role = draw / 32 % PEOPLE_COUNT(roles);

	p->title = roles[role].title;
	p->seniority = roles[role].seniority;
	p->city = p->at.city;
	p->state = p->at.state;
	p->country = p->at.country;
	p->email[0] = '\0';
	p->email_status = "unavailable";
	if (people_draw(s, "no-email", names, domain) % PPM >= s->people.no_email_ppm) {
		(void)snprintf(p->email, sizeof(p->email), "%s%c%s@%s", p->first,
		    joints[domain % 4], p->last, p->at.domain);
		text_lower(p->email, strlen(p->email));
		p->email_status = states[draw / 64 % PEOPLE_COUNT(states)];
	}
	people_id(p->id, draw, p->index);
	(void)snprintf(p->linkedin, sizeof(p->linkedin), "http://www.linkedin.com/in/%s-%s-%s",
	    p->first, p->last, p->id + 12);
	text_lower(p->linkedin, strlen(p->linkedin));
}

void people_nth(const struct scenario *s, size_t i, struct person *ret)
{
	const size_t names = NAMES * NAMES;
	size_t turn = i / names, at = (i * 1237 + s->seed * 31 % names) % names;
	const char *last = lasts[at / NAMES];

	ret->index = i;
	(void)snprintf(ret->first, sizeof(ret->first), "%s", firsts[at % NAMES]);
	if (turn == 0) {
		(void)snprintf(ret->last, sizeof(ret->last), "%s", last);
	} else if (turn <= NAMES) {
		(void)snprintf(ret->last, sizeof(ret->last), "%s-%s", last, lasts[turn - 1]);
	} else {
		(void)snprintf(ret->last, sizeof(ret->last), "%s-%s-%s", last,
		    lasts[(turn - 1) % NAMES], lasts[(turn - 1) / NAMES % NAMES]);
	}
	company_nth(s, i % company_count(s), &ret->at);
	complete(s, ret);
}

/* The index that the last 8 hex digits name, when the set has it. */
static bool index_of(const struct scenario *s, const char *text, size_t *ret)
{
	size_t len = text != NULL ? strlen(text) : 0;
	char *end;

	if (len < 8) {
		return false;
	}
	*ret = strtoul(text + len - 8, &end, 16);
	return *end == '\0' && *ret < s->people.count;
}

static void capital(char *name)
{
	if (*name >= 'a' && *name <= 'z') {
		*name = (char)(*name - 'a' + 'A');
	}
}

/* `ann.smith` as two names; a single one is the first. */
static void split_names(const char *text, size_t len, const char *joints, struct person *p)
{
	size_t first = 0, rest;

	while (first < len && strchr(joints, text[first]) == NULL) {
		first++;
	}
	for (rest = first; rest < len && strchr(joints, text[rest]) != NULL; rest++) {
	}
	(void)snprintf(p->first, sizeof(p->first), "%.*s", (int)(first < 60 ? first : 60), text);
	(void)snprintf(p->last, sizeof(p->last), "%.*s", (int)(len - rest < 90 ? len - rest : 90),
	    text + rest);
	capital(p->first);
	capital(p->last);
}

static const char *given(const char *text)
{
	return text != NULL && *text != '\0' ? text : NULL;
}

/* Names and company from what is known; false when that is not enough. */
static bool gather(const struct scenario *s, const struct person_known *k, struct person *p)
{
	const char *at = given(k->email) != NULL ? strchr(k->email, '@') : NULL,
		   *domain = given(k->domain), *company = given(k->company);

	*p = (struct person){.index = SIZE_MAX};
	if (given(k->first) != NULL && given(k->last) != NULL) {
		(void)snprintf(p->first, sizeof(p->first), "%s", k->first);
		(void)snprintf(p->last, sizeof(p->last), "%s", k->last);
	} else if (given(k->name) != NULL) {
		split_names(k->name, strlen(k->name), " ", p);
	} else if (at != NULL) {
		split_names(k->email, (size_t)(at - k->email), "._-", p);
	}
	if (p->first[0] == '\0' ||
	    (at == NULL && (p->last[0] == '\0' || (domain == NULL && company == NULL)))) {
		return false;
	}
	company_make(s, domain != NULL || at == NULL ? domain : at + 1, company, &p->at);
	return true;
}

static const char *without_scheme(const char *url)
{
	const char *colon = strstr(url, "://");

	return colon != NULL ? colon + 3 : url;
}

/* One of the set, by what holds its number. */
static bool find_numbered(
    const struct scenario *s, const struct person_known *k, struct person *ret)
{
	size_t i;

	if (index_of(s, k->id, &i)) {
		people_nth(s, i, ret);
		if (strcmp(ret->id, k->id) == 0) {
			return true;
		}
	}
	if (index_of(s, k->linkedin, &i)) {
		people_nth(s, i, ret);
		return text_equal_nocase(
		    without_scheme(ret->linkedin), without_scheme(k->linkedin));
	}
	return false;
}

bool people_find(const struct scenario *s, const struct person_known *k, struct person *ret)
{
	uint64_t names;

	if (find_numbered(s, k, ret)) {
		return true;
	}
	if (!gather(s, k, ret)) {
		return false;
	}
	complete(s, ret);
	names = people_hash(ret->first) ^ (people_hash(ret->last) * 3);
	if (k->email != NULL && *k->email != '\0' && ret->email[0] != '\0') {
		(void)snprintf(ret->email, sizeof(ret->email), "%s", k->email);
	}
	return people_draw(s, "found", names, people_hash(ret->at.domain)) % PPM >=
	       s->people.not_found_ppm;
}

uint64_t people_identity(const struct person_known *k)
{
	const char *const known[] = {
	    k->id, k->linkedin, k->email, k->first, k->last, k->name, k->domain, k->company};
	uint64_t parts[PEOPLE_COUNT(known)] = {0};

	for (size_t i = 0; i < PEOPLE_COUNT(known); i++) {
		parts[i] = people_hash(known[i]);
		if (i < 3 && known[i] != NULL && *known[i] != '\0') {
			return hash_many(&parts[i], 1); /* enough by itself */
		}
	}
	return hash_many(parts + 3, PEOPLE_COUNT(known) - 3);
}
