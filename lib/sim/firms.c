/* lib/sim/firms.c: companies and people out of small pools of names. */
#include "lib/sim/firms.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/ids.h"
#include "lib/sim/model.h"

#define COUNT(pool) (sizeof(pool) / sizeof((pool)[0]))
#define CITIES 8

static const char *const cities[CITIES] = {"Fairview", "Salem", "Madison", "Georgetown", "Franklin",
    "Clinton", "Arlington", "Springfield"};
static const char *const heads[] = {"Harbor", "Summit", "Cedar", "Bluestone", "Lakeside", "Pioneer",
    "Granite", "Willow", "Sterling", "Redwood", "Beacon", "Northgate", "Copper", "Juniper", "Mesa",
    "Orchard"};
static const char *const middles[] = {
    "Point", "Ridge", "Field", "Creek", "View", "Park", "Gate", "Grove"};
static const char *const kinds[] = {
    "Property Management", "Realty Group", "Residential", "Management Co", "Properties", "Homes"};
static const char *const firsts[] = {"Alice", "Brandon", "Carla", "Derek", "Elena", "Frank",
    "Grace", "Hector", "Irene", "Jamal", "Karen", "Luis", "Monica", "Nathan", "Olivia", "Peter",
    "Renée", "Samuel", "Tara", "Victor", "Wendy", "Zoë"};
static const char *const lasts[] = {"Alvarez", "Bennett", "Cho", "Delgado", "Ellis", "Foster",
    "Grant", "Hughes", "Ito", "Jensen", "Keller", "Lopez", "Moreno", "Novak", "O'Brien", "Patel",
    "Quinn", "Reyes", "Sandoval", "Turner", "Vogel", "Weaver", "Young"};
static const char *const titles[] = {"Owner", "President", "Broker of Record", "Property Manager",
    "Director of Operations", "Regional Manager", "Leasing Director", "Controller"};
static const char *const nobodies[] = {
    "Leasing Team", "Office", "Front Desk", "Maintenance", "Management Office", "Info"};
static const char *const roles[] = {"info", "office", "leasing", "support", "noreply"};
static const char *const portals[] = {
    "appfolio.com", "managebuilding.com", "rentcafe.com", "propertyware.com"};
static const char *const invalids[] = {
    "n/a", "-", "localhost", "http://", "unknown", "no website found", "192.168.4.20", "example"};
static const char *const at_work[] = {"was promoted to lead the regional office last spring",
    "spoke on tenant retention at a state housing conference",
    "moved the whole portfolio to online rent payments within a year",
    "was quoted in a local paper on late repairs", "chairs the local apartment association"};
static const char *const at_home[] = {"runs the city marathon every autumn",
    "coaches a youth soccer team", "restores old motorcycles",
    "volunteers at the county food bank on weekends", "plays trumpet in a community band"};

uint64_t firm_draw(uint64_t seed, const char *purpose, const char *text, uint64_t number)
{
	const uint64_t parts[] = {
	    seed, hash_plain(purpose, strlen(purpose)), hash_plain(text, strlen(text)), number};

	return hash_plain(parts, sizeof(parts));
}

/* Every name is that of one of the CITIES places. */
static unsigned city_slot(const char *name)
{
	char lower[FIRM_TEXT];
	size_t n = strnlen(name, sizeof(lower) - 1);

	for (unsigned i = 0; i < CITIES; i++) {
		if (strcasecmp(cities[i], name) == 0) {
			return i;
		}
	}
	for (size_t i = 0; i < n; i++) {
		lower[i] = (char)tolower((unsigned char)name[i]);
	}
	return (unsigned)(hash_plain(lower, n) % CITIES);
}

/* Letters and digits of the text, lower case. */
static void slug(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text != '\0' && n + 1 < size; text++) {
		if (isalnum((unsigned char)*text)) {
			out[n++] = (char)tolower((unsigned char)*text);
		}
	}
	out[n] = '\0';
}

bool firm_at(
    uint64_t seed, const struct region *r, unsigned index, enum firm_flaw flaw, struct firm *ret)
{
	char place[2 * FIRM_TEXT], state[24], pms[24];
	uint64_t draw;
	unsigned slot;

	slug(r->state, state, sizeof(state));
	slug(r->pms, pms, sizeof(pms));
	(void)snprintf(place, sizeof(place), "%s/%s", state, pms);
	draw = firm_draw(seed, "firm", place, index);
	slot = (unsigned)(draw >> 40) % CITIES;
	if (r->city != NULL && city_slot(r->city) != slot) {
		return false;
	}
	(void)snprintf(
	    ret->city, sizeof(ret->city), "%s", r->city != NULL ? r->city : cities[slot]);
	(void)snprintf(ret->name, sizeof(ret->name), "%s%s %s", heads[draw % COUNT(heads)],
	    middles[draw / 16 % COUNT(middles)], kinds[draw / 128 % COUNT(kinds)]);
	(void)snprintf(ret->domain, sizeof(ret->domain), "%s%s%u-%.8s-%.12s.com",
	    heads[draw % COUNT(heads)], middles[draw / 16 % COUNT(middles)], index, state, pms);
	for (char *p = ret->domain; *p != '\0'; p++) {
		*p = (char)tolower((unsigned char)*p);
	}
	if (flaw == FIRM_PORTAL) {
		slug(ret->name, state, sizeof(state));
		(void)snprintf(ret->domain, sizeof(ret->domain), "%s.%s", state,
		    portals[draw / 1000 % COUNT(portals)]);
	} else if (flaw == FIRM_INVALID) {
		(void)snprintf(ret->domain, sizeof(ret->domain), "%s",
		    invalids[draw / 1000 % COUNT(invalids)]);
	}
	ret->units = 20 + (unsigned)(draw >> 20) % 4000;
	return true;
}

static void address(
    uint64_t draw, const char *domain, const char *first, const char *last, struct person *ret)
{
	char a[24], b[24];

	slug(first, a, sizeof(a));
	slug(last, b, sizeof(b));
	switch (draw % 20) {
	case 0:
	case 1:
		ret->email[0] = '\0';
		break;
	case 2:
	case 3:
		(void)snprintf(ret->email, sizeof(ret->email), "%s@%s",
		    roles[draw / 20 % COUNT(roles)], domain);
		break;
	case 4:
		(void)snprintf(ret->email, sizeof(ret->email), "%s.%s@%s", a, b,
		    portals[draw / 20 % COUNT(portals)]);
		break;
	default:
		(void)snprintf(ret->email, sizeof(ret->email), "%s.%s@%s", a, b, domain);
		break;
	}
}

void person_at(uint64_t seed, const char *domain, unsigned index, struct person *ret)
{
	uint64_t draw = firm_draw(seed, "person", domain, index);
	/* no two of one company share a name: both pools are walked, and their sizes share no
	 * factor */
	uint64_t walk = firm_draw(seed, "people", domain, 0) + index;
	const char *first = firsts[walk % COUNT(firsts)], *last = lasts[walk % COUNT(lasts)];
	char a[24], b[24];

	*ret = (struct person){.title = titles[draw / 7 % COUNT(titles)]};
	(void)snprintf(ret->name, sizeof(ret->name), "%s %s", first, last);
	address(draw >> 8, domain, first, last, ret);
	if (draw >> 32 & 1) {
		slug(first, a, sizeof(a));
		slug(last, b, sizeof(b));
		(void)snprintf(ret->linkedin, sizeof(ret->linkedin),
		    "https://linkedin.example/in/%s-%s-%04x", a, b,
		    (unsigned)(draw >> 36 & 0xffff));
	}
	(void)snprintf(
	    ret->phone, sizeof(ret->phone), "+1 555 01%02u", (unsigned)(draw >> 33) % 100);
	if (draw >> 48 & 1 && draw / 3 % 6 == 0) {
		(void)snprintf(
		    ret->name, sizeof(ret->name), "%s", nobodies[draw / 18 % COUNT(nobodies)]);
	}
}

void anecdote_add(struct buf *out, uint64_t draw, bool personal)
{
	buf_add_text(
	    out, personal ? at_home[draw % COUNT(at_home)] : at_work[draw % COUNT(at_work)]);
}
