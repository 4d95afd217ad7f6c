/*
 * lib/sim/company.c: companies: by number, by domain, by name.
 *
 * A number stands for a place, a trade and a turn, and so does the domain: it leads back to the
 * number, and whoever asks by the domain gets the same company.
 */
#include "lib/sim/people_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/text.h"

#define PEOPLE_PER_COMPANY 3
#define NAMES (32 * 32)

static const char *const places[32] = {"Harbor", "Cedar", "Granite", "Maple", "Summit", "River",
    "Orchard", "Beacon", "Juniper", "Meadow", "Copper", "Willow", "Aspen", "Falcon", "Prairie",
    "Lantern", "Amber", "Birch", "Canyon", "Delta", "Ember", "Fern", "Grove", "Heron", "Indigo",
    "Jasper", "Keystone", "Laurel", "Mesa", "North", "Oak", "Pine"};
static const char *const trades[32] = {"Logistics", "Analytics", "Realty", "Foods", "Systems",
    "Health", "Energy", "Media", "Robotics", "Capital", "Textiles", "Labs", "Security", "Travel",
    "Design", "Motors", "Optics", "Paper", "Printing", "Software", "Steel", "Studios", "Supply",
    "Telecom", "Tools", "Trading", "Transport", "Water", "Works", "Homes", "Legal", "Learning"};
static const char *const industries[] = {"information technology & services", "real estate",
    "logistics & supply chain", "hospital & health care", "marketing & advertising",
    "financial services", "construction", "consumer goods", "education management", "machinery"};
static const struct {
	const char *city, *state, *country;
} towns[] = {{"Austin", "Texas", "United States"}, {"Denver", "Colorado", "United States"},
    {"Sacramento", "California", "United States"}, {"San Diego", "California", "United States"},
    {"Boston", "Massachusetts", "United States"}, {"Chicago", "Illinois", "United States"},
    {"Toronto", "Ontario", "Canada"}, {"London", "England", "United Kingdom"},
    {"Berlin", "Berlin", "Germany"}, {"Amsterdam", "North Holland", "Netherlands"}};

size_t company_count(const struct scenario *s)
{
	return s->people.count / PEOPLE_PER_COMPANY + 1;
}

/* All but name and domain, which decide it. */
static void furnish(const struct scenario *s, struct company *c)
{
	uint64_t draw = people_draw(s, "company", people_hash(c->domain), 0);
	size_t town = draw % PEOPLE_COUNT(towns);

	people_id(c->id, draw, c->index);
	c->industry = industries[draw / 16 % PEOPLE_COUNT(industries)];
	c->city = towns[town].city;
	c->state = towns[town].state;
	c->country = towns[town].country;
	c->employees = 1 + (unsigned)(draw >> 20 & 0xff) * (1 + (unsigned)(draw >> 30 & 0xf));
	c->founded = 1960 + (unsigned)(draw >> 40) % 62;
	c->revenue = (int64_t)c->employees * 120000;
}

void company_nth(const struct scenario *s, size_t i, struct company *ret)
{
	size_t turn = i / NAMES, at = (i * 387 + s->seed % NAMES) % NAMES;
	const char *place = places[at % PEOPLE_COUNT(places)],
		   *trade = trades[at / PEOPLE_COUNT(places)];
	char number[24] = "";

	ret->index = i;
	if (turn > 0) {
		(void)snprintf(number, sizeof(number), "%zu", turn + 1);
	}
	(void)snprintf(
	    ret->name, sizeof(ret->name), "%s %s%s%s", place, trade, turn > 0 ? " " : "", number);
	(void)snprintf(ret->domain, sizeof(ret->domain), "%s%s%s" COMPANY_TAIL, place, trade, number);
	text_lower(ret->domain, strlen(ret->domain));
	furnish(s, ret);
}

/* From a domain alone: its first label, with a capital. */
static void name_of_domain(struct company *c)
{
	size_t len = strcspn(c->domain, ".");

	len = len < sizeof(c->name) ? len : sizeof(c->name) - 1;
	memcpy(c->name, c->domain, len);
	c->name[len] = '\0';
	if (c->name[0] >= 'a' && c->name[0] <= 'z') {
		c->name[0] = (char)(c->name[0] - 'a' + 'A');
	}
}

static void domain_of_name(struct company *c)
{
	size_t n = 0;

	for (const char *p = c->name; *p != '\0' && n < sizeof(c->domain) - sizeof(COMPANY_TAIL); p++) {
		char ch = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;

		if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')) {
			c->domain[n++] = ch;
		}
	}
	memcpy(c->domain + n, COMPANY_TAIL, sizeof(COMPANY_TAIL));
}

/* The text behind a word in any case; NULL when it begins otherwise. */
static const char *behind(const char *text, const char *word)
{
	return strncasecmp(text, word, strlen(word)) == 0 ? text + strlen(word) : NULL;
}

/* company_nth backwards: which number has this domain. */
static bool number_of(const struct scenario *s, const char *domain, size_t *ret)
{
	for (size_t at = 0; at < NAMES; at++) {
		const char *rest = behind(domain, places[at % PEOPLE_COUNT(places)]);
		char *end;
		size_t turn;

		rest = rest != NULL ? behind(rest, trades[at / PEOPLE_COUNT(places)]) : NULL;
		if (rest == NULL) {
			continue;
		}
		turn = strtoul(rest, &end, 10);
		turn -= turn > 0;
		for (size_t i = turn * NAMES; i < (turn + 1) * NAMES && i < company_count(s); i++) {
			if ((i * 387 + s->seed % NAMES) % NAMES == at) {
				*ret = i;
				return strcasecmp(end, COMPANY_TAIL) == 0;
			}
		}
	}
	return false;
}

void company_make(
    const struct scenario *s, const char *domain, const char *name, struct company *ret)
{
	size_t i;

	if (domain != NULL && number_of(s, domain, &i)) {
		company_nth(s, i, ret);
		if (text_equal_nocase(domain, ret->domain)) {
			return;
		}
	}
	*ret = (struct company){.index = SIZE_MAX};
	if (domain != NULL && *domain != '\0') {
		people_lower(ret->domain, sizeof(ret->domain), domain);
	}
	if (name != NULL && *name != '\0') {
		(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	} else {
		name_of_domain(ret);
	}
	if (ret->domain[0] == '\0') {
		domain_of_name(ret);
	}
	furnish(s, ret);
}

bool people_company(
    const struct scenario *s, const char *domain, const char *name, struct company *ret)
{
	if ((domain == NULL || *domain == '\0') && (name == NULL || *name == '\0')) {
		return false;
	}
	company_make(s, domain, name, ret);
	return people_draw(s, "company-found", people_hash(ret->domain), 0) % PPM >=
	       s->people.not_found_ppm;
}
