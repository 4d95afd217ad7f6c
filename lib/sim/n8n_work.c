/*
 * lib/sim/n8n_work.c: what the workflows find out: companies, people, stories, mailboxes.
 *
 * Language models search the web there, so their lists repeat what they were told to leave out,
 * take a portal's page for a company's own, and are empty now and then. Companies and people are
 * those of firms.h: all webhooks and all rounds speak of the same ones.
 */
#include "lib/sim/webhooks.h"

#include <string.h>

#include <json-c/json.h>

#include "lib/base/text.h"
#include "lib/sim/firms.h"

#define ROUND_MOST 50 /* companies */
#define MAKERS_MOST 12
#define FOUND_MOST 3 /* people of one round of contact discovery */

static int64_t number(struct ask *q, const char *key, int64_t preset, int64_t most)
{
	struct json_object *v = json_object_object_get(q->tree, key);
	int64_t n = v != NULL ? json_object_get_int64(v) : preset;

	return n < 1 ? 1 : n > most ? most : n;
}

static void add_pair(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, ",\"%s\":", name);
	json_add(out, text);
}

/* --- companies --- */

static bool is_excluded(struct ask *q, const char *domain)
{
	struct json_object *list = json_object_object_get(q->tree, "exclude");
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(list, i));

		if (text != NULL && text_equal_nocase(text, domain)) {
			return true;
		}
	}
	return false;
}

static enum firm_flaw flaw_of(struct ask *q, const struct region *r, unsigned index)
{
	uint64_t at = firm_draw(q->s->seed, r->state, r->pms, index) % PPM;

	/* those that stand in the table of known companies are sound */
	if (index < q->s->supabase_rows || at >= q->s->n8n.portal_ppm + q->s->n8n.invalid_ppm) {
		return FIRM_GOOD;
	}
	return at < q->s->n8n.portal_ppm ? FIRM_PORTAL : FIRM_INVALID;
}

static void add_firm(struct buf *out, const struct region *r, const struct firm *f, bool first)
{
	buf_add_text(out, first ? "{\"name\":" : ",{\"name\":");
	json_add(out, f->name);
	add_pair(out, "domain", f->domain);
	buf_add_text(out, ",\"website\":\"https://www.");
	buf_printf(out, "%s\"", f->domain); /* nothing in it needs escaping */
	add_pair(out, "city", f->city);
	add_pair(out, "state", r->state);
	add_pair(out, "pms", r->pms);
	buf_printf(out, ",\"units\":%u}", f->units);
}

/* A walk over the region from a place of this round's own; the step shares no factor with the
 * number. */
static void discover(struct ask *q, struct buf *out)
{
	const struct region r = {
	    webhook_text(q, "state"), webhook_text(q, "pms"), webhook_text(q, "city")};
	unsigned all = (unsigned)q->s->n8n.companies;
	uint64_t roll = ask_roll(q, "round");
	unsigned wanted = (unsigned)(roll %
				     ((uint64_t)number(q, "quantity", ROUND_MOST, ROUND_MOST) + 1)),
		 told = 0, at = (unsigned)(roll >> 16) % all;

	buf_add_text(out, "{\"companies\":[");
	for (unsigned i = 0; i < all && told < wanted; i++, at = (at + 1) % all) {
		struct firm f;

		if (!firm_at(q->s->seed, &r, at, flaw_of(q, &r, at), &f) ||
		    (is_excluded(q, f.domain) &&
			firm_draw(roll, "repeat", f.domain, 0) % PPM >= q->s->n8n.repeat_ppm)) {
			continue;
		}
		add_firm(out, &r, &f, told++ == 0);
	}
	buf_printf(out, "],\"round\":%d}", (int)number(q, "round", 1, 1000));
	q->outcome = told > 0 ? ACCOUNT_OK : ACCOUNT_EMPTY;
	q->again = told > 0 ? AGAIN_NEVER : AGAIN_UNKNOWN;
}

/* --- people --- */

static void add_person(struct ask *q, const char *domain, unsigned i, bool first, struct buf *out)
{
	struct person person;

	person_at(q->s->seed, domain, i, &person);
	buf_add_text(out, first ? "{\"name\":" : ",{\"name\":");
	json_add(out, person.name);
	add_pair(out, "title", person.title);
	add_pair(out, "email", person.email[0] != '\0' ? person.email : NULL);
	add_pair(out, "linkedin", person.linkedin[0] != '\0' ? person.linkedin : NULL);
	add_pair(out, "phone", person.phone);
	buf_add_char(out, '}');
}

static void add_anecdotes(struct buf *out, uint64_t draw, unsigned n, bool personal)
{
	for (unsigned i = 0; i < n; i++) {
		buf_add_text(out, i > 0 ? ",\"" : "\"");
		anecdote_add(out, draw + i, personal);
		buf_add_char(out, '"');
	}
}

static void enrich_company(struct ask *q, struct buf *out)
{
	const char *domain = webhook_text(q, "domain");
	uint64_t draw = firm_draw(q->s->seed, "makers", domain, 0);
	/* most have few */
	unsigned n =
	    draw % PPM < q->s->n8n.no_makers_ppm
		? 0
		: 1 + (unsigned)(draw >> 24) % 4 * ((unsigned)(draw >> 32) % 4 + 1) % MAKERS_MOST;

	buf_add_text(out, "{\"company\":{\"name\":");
	json_add(out, webhook_text(q, "name"));
	add_pair(out, "domain", domain);
	buf_printf(out, ",\"units\":%u},\"decision_makers\":[", 20 + (unsigned)(draw >> 40) % 4000);
	for (unsigned i = 0; i < n; i++) {
		add_person(q, domain, i, i == 0, out);
	}
	buf_add_text(out, "],\"anecdotes\":[");
	add_anecdotes(out, draw >> 8, (unsigned)(draw >> 48) % 4, false);
	buf_add_text(out, "]}");
}

/* People behind the decision makers; a round may tell one of the round before again. */
static void discover_contacts(struct ask *q, struct buf *out)
{
	const char *domain = webhook_text(q, "domain");
	unsigned round = (unsigned)number(q, "round", 1, 1000), n;

	n = (unsigned)(firm_draw(q->s->seed, "contacts", domain, round) % (FOUND_MOST + 1));
	buf_add_text(out, "{\"contacts\":[");
	for (unsigned i = 0; i < n; i++) {
		add_person(
		    q, domain, MAKERS_MOST + (round - 1) * (FOUND_MOST - 1) + i, i == 0, out);
	}
	buf_add_text(out, "]}");
	q->outcome = n > 0 ? ACCOUNT_OK : ACCOUNT_EMPTY;
}

/* How many stories of one kind this try brings. */
static unsigned stories(struct ask *q, const char *kind)
{
	uint64_t roll = ask_roll(q, kind);

	return roll % PPM < q->s->n8n.no_anecdotes_ppm ? 0 : 1 + (unsigned)(roll >> 32) % 3;
}

static void enrich_contact(struct ask *q, struct buf *out)
{
	unsigned work = stories(q, "professional"), home = stories(q, "personal");
	uint64_t draw = ask_draw(q, "stories");

	buf_add_text(out, "{\"name\":");
	json_add(out, webhook_text(q, "name"));
	buf_add_text(out, ",\"professional_anecdotes\":[");
	add_anecdotes(out, draw, work, false);
	buf_add_text(out, "],\"personal_anecdotes\":[");
	add_anecdotes(out, draw, home, true);
	buf_printf(
	    out, "],\"sources\":[\"https://news.example.org/%04x\"]}", (unsigned)(draw & 0xffff));
	if (work == 0 || home == 0) {
		q->outcome = ACCOUNT_EMPTY;
		q->again = AGAIN_UNKNOWN;
	}
}

static void verify_email(struct ask *q, struct buf *out)
{
	static const unsigned scores[VERDICT_N] = {97, 4, 60, 50, 10, 1, 5};
	const char *email = webhook_text(q, "email");
	enum verdict v =
	    (enum verdict)draw_share(ask_draw(q, "verdict"), q->s->n8n.verdict_ppm, VERDICT_N);

	v = strchr(email, '@') != NULL ? v : VERDICT_INVALID;
	buf_add_text(out, "{\"email\":");
	json_add(out, email);
	add_pair(out, "status", verdict_words[v]);
	buf_printf(out, ",\"score\":%u}", scores[v]);
	q->again = v == VERDICT_UNKNOWN ? AGAIN_UNKNOWN : AGAIN_NEVER;
}

void webhook_work(struct ask *q, struct buf *out)
{
	switch (q->endpoint) {
	case EP_DISCOVER:
		discover(q, out);
		break;
	case EP_ENRICH_COMPANY:
		enrich_company(q, out);
		break;
	case EP_DISCOVER_CONTACTS:
		discover_contacts(q, out);
		break;
	case EP_ENRICH_CONTACT:
		enrich_contact(q, out);
		break;
	default:
		verify_email(q, out);
		break;
	}
}
