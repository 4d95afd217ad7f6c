/*
 * lib/sim/prose.c: finds the lead in a prompt and writes about it from small pools of sentences.
 *
 * prose_find -> by_label ("Company: Acme") -> else by_word (" at Acme")
 * prose_email -> opener, two middles, closer -> fillers until there are enough words
 */
#include "lib/sim/prose.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/base/json.h"
#include "lib/base/text.h"

#define WORDS_MIN 52 /* two words of room: readers may count "top-up" or "&" in their own way */
#define COMPANY_WORDS 6
#define LABEL_BYTES 24

static const char *const openers[] = {
    "Hi {first}, I came across {company} this week and liked how clearly you say what you do.",
    "Hi {first}, a friend mentioned {company} yesterday, so I spent some time reading about your "
    "work.",
    "Hi {first}, I was looking for people who care about good service and {company} kept coming "
    "up.",
    "Hi {first}, your role at {company} caught my eye while I was reading up on the field.",
};
static const char *const middles[] = {
    "Most teams I speak to lose a day every week copying things from one tool into another.",
    "We build small automations that take this work away without replacing anything you already "
    "use.",
    "One customer cut the time from request to answer by half within a single month.",
    "It usually starts with one boring task that nobody wants and everybody has to do.",
    "There is nothing to install and your people keep working the way they like.",
};
static const char *const fillers[] = {
    "No pressure at all.",
    "Happy to share an example first.",
    "It costs you nothing to look.",
    "I can send two short ideas beforehand.",
    "You would keep full control.",
};
static const char *const closers[] = {
    "Would a ten minute chat next week be worth your time?",
    "Shall I send over a short example made for you?",
    "Open to a quick call on Tuesday or Wednesday?",
};
static const char *const facts[] = {
    "{company} widened its services for local customers in the past year",
    "{company} has been hiring for roles in operations and digital services",
    "A regional paper reported that {company} won a public award for its outreach work",
    "{company} announced a new online portal that shortens waiting times",
    "In a recent interview the leadership of {company} named paperwork as its largest cost",
};

#define COUNT(pool) (sizeof(pool) / sizeof((pool)[0]))

/* --- finding --- */

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (c & 0x80) != 0;
}

/* Copies at most max_words words; cut at a sign that ends a value, and between characters. */
static bool take_value(const char *p, const char *end, unsigned max_words, char *out, size_t size)
{
	size_t len = 0, used, words = 0;
	uint32_t c;

	while (p < end && (*p == ' ' || *p == '"' || *p == '*')) {
		p++;
	}
	while (p < end && strchr("\r\n;|\",()[]{}<>", *p) == NULL) {
		used = text_next(p, end, &c);
		if (used == 0 || c < ' ' || len + used >= size) {
			break;
		}
		if (c == ' ' && ++words >= max_words) {
			break;
		}
		memcpy(out + len, p, used);
		len += used;
		p += used;
	}
	while (len > 0 && strchr(" .:", out[len - 1]) != NULL) {
		len--;
	}
	out[len] = '\0';
	return text_words(out, len) > 0;
}

/* The words right before p, lower-case, `_` as a space: what might be a label. Returns their
 * length. */
static size_t label_before(const char *text, const char *p, char out[LABEL_BYTES])
{
	const char *end, *start;
	size_t len;

	while (p > text && strchr(" \"*", p[-1]) != NULL) {
		p--;
	}
	end = start = p;
	while (start > text && (is_word(start[-1]) || start[-1] == '_' || start[-1] == ' ')) {
		start--;
	}
	while (start < end && *start == ' ') {
		start++;
	}
	len = (size_t)(end - start);
	if (len >= LABEL_BYTES) {
		return 0;
	}
	for (size_t i = 0; i < len; i++) {
		out[i] = start[i] == '_' ? ' ' : (char)tolower((unsigned char)start[i]);
	}
	out[len] = '\0';
	return len;
}

/* `Label: value` or `"label": "value"`: the value of the label that stands first in the list. One
 * pass. */
static bool by_label(const char *text, const char *end, const char *const labels[],
    unsigned max_words, char *out, size_t size)
{
	char label[LABEL_BYTES];
	size_t best = SIZE_MAX, i;
	const char *value = NULL;

	for (const char *p = text; p < end; p++) {
		if ((*p != ':' && *p != '=') || label_before(text, p, label) == 0) {
			continue;
		}
		for (i = 0; i < best && labels[i] != NULL && strcmp(labels[i], label) != 0; i++) {
		}
		if (i < best && labels[i] != NULL && take_value(p + 1, end, max_words, out, size)) {
			best = i;
			value = p + 1;
		}
	}
	return value != NULL && take_value(value, end, max_words, out, size);
}

static bool is_capital(const char *p, const char *end)
{
	return p < end && (isupper((unsigned char)*p) || (*p & 0x80) != 0);
}

/* End of the run of words with capitals at p; `of`, `and`, `de` may stand between two of them. */
static const char *name_end(const char *p, const char *end)
{
	const char *stop = p, *next;

	for (;;) {
		for (next = p; next < end && !isspace((unsigned char)*next); next++) {
		}
		if (is_capital(p, end)) {
			stop = next;
		} else if (next - p > 3 || next == p) {
			return stop;
		}
		if (next == end || strchr(",.;:?!", next[-1]) != NULL || *next != ' ') {
			return stop;
		}
		p = next + 1;
	}
}

/* The name behind `word`. */
static bool by_word(
    const char *text, const char *end, const char *word, unsigned max_words, char *out, size_t size)
{
	size_t len = strlen(word);

	for (const char *p = text; p + len < end; p++) {
		if (memcmp(p, word, len) == 0 && is_capital(p + len, end) &&
		    take_value(p + len, name_end(p + len, end), max_words, out, size)) {
			return true;
		}
	}
	return false;
}

void prose_find(const char *prompt, size_t len, struct prose_lead *ret)
{
	static const char *const names[] = {"first name", "firstname", "full name", "contact name",
	    "lead name", "contact", "recipient", "prospect", "lead", "person", "name", NULL};
	static const char *const companies[] = {
	    "company name", "company", "organisation", "organization", "employer", NULL};
	const char *end = prompt + len;

	*ret = (struct prose_lead){.first = "there", .company = "your team", .has_company = true};
	if (!by_label(prompt, end, names, 1, ret->first, sizeof(ret->first)) &&
	    !by_word(prompt, end, " to ", 1, ret->first, sizeof(ret->first)) &&
	    !by_word(prompt, end, " about ", 1, ret->first, sizeof(ret->first))) {
		memcpy(ret->first, "there", 6);
	}
	if (!by_label(prompt, end, companies, COMPANY_WORDS, ret->company, sizeof(ret->company)) &&
	    !by_word(prompt, end, " at ", COMPANY_WORDS, ret->company, sizeof(ret->company)) &&
	    !by_word(prompt, end, " of ", COMPANY_WORDS, ret->company, sizeof(ret->company))) {
		memcpy(ret->company, "your team", 10);
		ret->has_company = false;
	}
}

/* --- writing --- */

static void add_sentence(struct buf *out, const char *sentence, const struct prose_lead *lead)
{
	const char *open;

	if (out->len > 0 && out->data[out->len - 1] != '\n') {
		buf_add_char(out, ' ');
	}
	while ((open = strchr(sentence, '{')) != NULL) {
		const char *close = strchr(open, '}');

		buf_add(out, sentence, (size_t)(open - sentence));
		buf_add_text(out, open[1] == 'f' ? lead->first : lead->company);
		sentence = close + 1;
	}
	buf_add_text(out, sentence);
}

void prose_email(struct buf *out, const struct prose_lead *lead, uint64_t draw, enum copy_flaw flaw)
{
	struct prose_lead who = *lead;
	size_t middle = draw / 8 % COUNT(middles), filler = draw / 64 % COUNT(fillers);
	struct buf text = {0};

	if (flaw == COPY_PLACEHOLDER) {
		memcpy(who.first, "[First Name]", 13);
	}
	add_sentence(&text, openers[draw % COUNT(openers)], &who);
	if (flaw != COPY_SHORT) {
		add_sentence(&text, middles[middle], &who);
		add_sentence(&text, middles[(middle + 1) % COUNT(middles)], &who);
	}
	for (size_t i = 2; flaw == COPY_LONG && i < COUNT(middles); i++) {
		add_sentence(&text, middles[(middle + i) % COUNT(middles)], &who);
	}
	add_sentence(&text, closers[draw / 512 % COUNT(closers)], &who);
	while (flaw != COPY_SHORT && text_words(text.data, text.len) < WORDS_MIN && !text.failed) {
		add_sentence(&text, fillers[filler++ % COUNT(fillers)], &who);
	}
	if (flaw == COPY_SIGNED) {
		buf_add_text(&text, "\n\nBest regards,\nAlex");
	}
	buf_add(out, text.data, text.len);
	buf_free(&text);
}

void prose_subject(struct buf *out, const struct prose_lead *lead, uint64_t draw)
{
	static const char *const subjects[] = {
	    "Quick idea for {company}", "A question about {company}", "{first}, one thought"};

	add_sentence(out, subjects[draw / 4096 % COUNT(subjects)], lead);
}

size_t prose_sources(uint64_t draw)
{
	return 2 + draw / 32 % 2;
}

void prose_facts(struct buf *out, const struct prose_lead *lead, uint64_t draw)
{
	struct buf text = {0};

	for (size_t i = 0; i < prose_sources(draw); i++) {
		add_sentence(&text, facts[(draw + i) % COUNT(facts)], lead);
		buf_printf(&text, " [%zu].", i + 1);
	}
	buf_add(out, text.data, text.len);
	buf_free(&text);
}

/* --- by schema --- */

static bool named(const char *name, const char *const words[])
{
	for (size_t i = 0; name != NULL && words[i] != NULL; i++) {
		if (strstr(name, words[i]) != NULL) {
			return true;
		}
	}
	return false;
}

static void write_text(struct buf *out, const char *name, const struct prose_lead *lead,
    uint64_t draw, const char *text)
{
	static const char *const subject[] = {"subject", "title", "headline", NULL},
				 *const company[] = {"company", "organi", NULL},
				 *const first[] = {"first_name", "name", NULL};
	struct buf b = {0};

	if (named(name, subject)) {
		prose_subject(&b, lead, draw);
	} else if (named(name, company)) {
		buf_add_text(&b, lead->company);
	} else if (named(name, first)) {
		buf_add_text(&b, lead->first);
	} else {
		buf_add_text(&b, text);
	}
	json_write_string(out, b.data != NULL ? b.data : "", b.len);
	buf_free(&b);
}

static void write_schema(struct buf *out, struct json_object *schema, const char *name,
    const struct prose_lead *lead, uint64_t draw, const char *text, unsigned depth);

static void write_object(struct buf *out, struct json_object *schema, const struct prose_lead *lead,
    uint64_t draw, const char *text, unsigned depth)
{
	struct json_object *properties = json_object_object_get(schema, "properties");
	bool first = true;

	buf_add_char(out, '{');
	if (json_object_is_type(properties, json_type_object)) {
		json_object_object_foreach(properties, key, property)
		{
			buf_add_text(out, first ? "" : ",");
			json_write_string(out, key, strlen(key));
			buf_add_char(out, ':');
			write_schema(out, property, key, lead, draw, text, depth + 1);
			first = false;
		}
	}
	buf_add_char(out, '}');
}

/* `type` may be a list such as ["string", "null"]: the first counts. */
static const char *schema_type(struct json_object *schema)
{
	struct json_object *type = json_object_object_get(schema, "type");

	if (json_object_is_type(type, json_type_array)) {
		type = json_object_array_get_idx(type, 0);
	}
	return json_object_is_type(type, json_type_string) ? json_object_get_string(type)
							   : "string";
}

static void write_schema(struct buf *out, struct json_object *schema, const char *name,
    const struct prose_lead *lead, uint64_t draw, const char *text, unsigned depth)
{
	struct json_object *choice;
	const char *type;

	if (depth > 16 || !json_object_is_type(schema, json_type_object)) {
		buf_add_text(out, "null");
		return;
	}
	choice = json_object_object_get(schema, "enum");
	type = schema_type(schema);
	if (json_object_is_type(choice, json_type_array) && json_object_array_length(choice) > 0) {
		buf_add_text(out,
		    json_object_to_json_string_ext(
			json_object_array_get_idx(choice, draw % json_object_array_length(choice)),
			JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	} else if (strcmp(type, "object") == 0) {
		write_object(out, schema, lead, draw, text, depth);
	} else if (strcmp(type, "array") == 0) {
		buf_add_char(out, '[');
		write_schema(out, json_object_object_get(schema, "items"), name, lead, draw, text,
		    depth + 1);
		buf_add_char(out, ']');
	} else if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0) {
		buf_printf(out, "%u", (unsigned)(draw % 10) + 1);
	} else if (strcmp(type, "boolean") == 0) {
		buf_add_text(out, draw % 2 == 0 ? "true" : "false");
	} else if (strcmp(type, "null") == 0) {
		buf_add_text(out, "null");
	} else {
		write_text(out, name, lead, draw, text);
	}
}

void prose_schema(struct buf *out, struct json_object *schema, const struct prose_lead *lead,
    uint64_t draw, const char *text)
{
	write_schema(out, schema, NULL, lead, draw, text, 0);
}
