/*
 * lib/sim/prose.c: writes about a lead from small pools of sentences.
 *
 * prose_email -> opener, two middles, closer -> fillers until there are enough words
 */
#include "lib/sim/prose.h"

#include <string.h>

#include "lib/base/text.h"

#define WORDS_MIN 52 /* two words of room: readers may count "top-up" or "&" in their own way */

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
