/*
 * lib/lead/name.c: a name is cut at white space and commas, each piece is stripped
 * of the punctuation around it and given a kind; splitting then only counts words.
 */
#include "lib/lead/name.h"

#include <string.h>
#include <strings.h>

#include "lib/base/text.h"

static const char *const particles[] = {"af", "al", "av", "bin", "bint", "da", "dal", "de", "del",
    "della", "den", "der", "di", "dit", "do", "dos", "das", "du", "e", "el", "ibn", "la", "las",
    "le", "los", "san", "st", "ten", "ter", "van", "vande", "vander", "vom", "von", "y", "zu",
    "zum", "zur", NULL};
static const char *const titles[] = {"dr", "dra", "frau", "herr", "hon", "lic", "madame", "miss",
    "mlle", "mme", "mr", "mrs", "ms", "mx", "prof", "professor", "rep", "rev", "sen", "sir", "sra",
    NULL};
static const char *const suffixes[] = {"2nd", "3rd", "cpa", "dds", "dvm", "esq", "esquire", "ii",
    "iii", "iv", "jd", "jnr", "jr", "junior", "mba", "md", "phd", "rn", "sr", "v", "vi", NULL};

size_t name_token_word(const struct name_token *t, char *out, size_t room)
{
	struct buf folded = {.max = 1024};
	size_t n = 0;

	text_fold(&folded, t->text, t->len);
	for (size_t i = 0; i < folded.len && n < room; i++) {
		if (folded.data[i] != '.') {
			out[n++] = folded.data[i];
		}
	}
	n = folded.failed || n == room ? 0 : n;
	out[n] = '\0';
	buf_free(&folded);
	return n;
}

static bool is_blank(uint32_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xA0 || (c >= 0x2000 && c <= 0x200B) ||
	       c == 0x202F || c == 0x3000;
}

/* Opens an aside; the character that closes it, 0 for none. */
static uint32_t closer_of(uint32_t c)
{
	switch (c) {
	case '(':
		return ')';
	case '[':
		return ']';
	case '"':
		return '"';
	case 0x201C:
	case 0x201E:
		return 0x201D;
	default:
		return 0;
	}
}

/* Stands around words without being part of them. The dot is not here: it belongs to initials. */
static bool is_wrapping(uint32_t c)
{
	return c == '"' || c == '\'' || c == '`' || c == '(' || c == ')' || c == '[' || c == ']' ||
	       c == ';' || c == 0xB4 || (c >= 0x2018 && c <= 0x201F);
}

/* One letter, or letters each with a dot behind it. */
static bool is_initial(const char *p, const char *end)
{
	uint32_t c;
	size_t n;
	unsigned letters = 0, dots = 0;

	for (; p < end && (n = text_next(p, end, &c)) > 0; p += n) {
		letters += c != '.';
		dots += c == '.';
	}
	return letters == 1 || (letters > 1 && letters <= 4 && dots == letters);
}

/* first: nothing stands before it; front: nothing but titles. */
static enum name_kind kind_of(const struct name_token *t, bool first, bool front)
{
	char word[64];

	if (name_token_word(t, word, sizeof(word)) == 0) {
		return NAME_WORD;
	}
	if (front && text_in(titles, word, strlen(word))) {
		return NAME_TITLE;
	}
	if (!first && text_in(suffixes, word, strlen(word)) &&
	    (strcmp(word, "v") != 0 || t->text[t->len - 1] != '.')) {
		return NAME_SUFFIX; /* `V.` is an initial, `V` the fifth */
	}
	if (is_initial(t->text, t->text + t->len)) {
		return !first && (t->text[0] == 'y' || t->text[0] == 'e') ? NAME_PARTICLE
									  : NAME_INITIAL;
	}
	return !first && text_in(particles, word, strlen(word)) ? NAME_PARTICLE : NAME_WORD;
}

/* Up to the end of the aside that begins at p; NULL when it is not closed. */
static const char *aside_end(const char *p, const char *end)
{
	uint32_t c, closer;
	size_t n = text_next(p, end, &c);

	if (n == 0 || (closer = closer_of(c)) == 0) {
		return NULL;
	}
	for (p += n; p < end && (n = text_next(p, end, &c)) > 0; p += n) {
		if (c == closer) {
			return p + n;
		}
	}
	return NULL;
}

static void strip(struct name_token *t)
{
	const char *p = t->text, *end = p + t->len, *last;
	uint32_t c;
	size_t n;

	while ((n = text_next(p, end, &c)) > 0 && is_wrapping(c)) {
		p += n;
	}
	while (p < end) {
		last = end - 1;
		while (last > p && ((unsigned char)*last & 0xC0) == 0x80) {
			last--;
		}
		if (text_next(last, end, &c) == 0 || !is_wrapping(c)) {
			break;
		}
		end = last;
	}
	t->text = p;
	t->len = (size_t)(end - p);
}

/* `Mona Das`: particles stand before something. */
static void last_is_no_particle(struct name_token *tokens, size_t n)
{
	while (n > 0 && (tokens[n - 1].kind == NAME_SUFFIX || tokens[n - 1].kind == NAME_ASIDE)) {
		n--;
	}
	if (n > 0 && tokens[n - 1].kind == NAME_PARTICLE) {
		tokens[n - 1].kind = NAME_WORD;
	}
}

/* Cuts the token that begins at p, an aside or up to white space or a comma; returns its end. */
static const char *cut(const char *p, const char *end, struct name_token *ret)
{
	const char *q = aside_end(p, end);
	uint32_t c;
	size_t n;

	ret->kind = q != NULL ? NAME_ASIDE : NAME_WORD;
	if (q == NULL) {
		q = p;
		while (q < end && (n = text_next(q, end, &c)) > 0 && !is_blank(c) && c != ',') {
			q += n;
		}
	}
	ret->text = p;
	ret->len = (size_t)(q - p);
	ret->comma = false;
	strip(ret);
	return q;
}

size_t name_tokens(const char *text, size_t len, struct name_token ret[NAME_TOKENS_MAX])
{
	struct name_token whole = {.text = text, .len = len};
	const char *p, *end;
	size_t n = 0, step;
	uint32_t c;

	text_trim(&whole.text, &whole.len);
	if (whole.len > NAME_BYTES_MAX) {
		return 0;
	}
	if (aside_end(whole.text, whole.text + whole.len) == whole.text + whole.len) {
		strip(&whole); /* what stands in quotes as a whole is no aside */
	}
	p = whole.text;
	end = whole.text + whole.len;
	while (p < end && n < NAME_TOKENS_MAX) {
		struct name_token *t = &ret[n];
		bool first = n == 0, front = first || ret[n - 1].kind == NAME_TITLE, bracket;

		step = text_next(p, end, &c);
		if (step == 0 || is_blank(c) || c == ',') {
			if (step > 0 && c == ',' && n > 0) {
				ret[n - 1].comma = true;
			}
			p += step > 0 ? step : 1;
			continue;
		}
		bracket = c == '(' || c == '[';
		p = cut(p, end, t);
		if (t->len == 0) {
			continue;
		}
		/* `"Coach" Williams`: a nickname in front is the first name */
		if (t->kind != NAME_ASIDE || (first && !bracket)) {
			t->kind = kind_of(t, first, front);
		}
		n++;
	}
	last_is_no_particle(ret, n);
	return n;
}

/* From the first of these tokens to the end of the last. */
static struct name_part span(const struct name_token *const *words, size_t from, size_t to)
{
	if (from >= to) {
		return (struct name_part){0};
	}
	return (struct name_part){.text = words[from]->text,
	    .len = (size_t)(words[to - 1]->text + words[to - 1]->len - words[from]->text)};
}

/* Index of the word that the last name begins with; n is at least 2. */
static size_t last_begins(const struct name_token *const *words, size_t n)
{
	size_t last = n - 1;

	for (size_t i = n - 2; i > 0; i--) {
		if (words[i]->kind == NAME_INITIAL) {
			return i + 1; /* `Luis R. Vega Ramos` */
		}
	}
	while (last > 1 && words[last - 1]->kind == NAME_PARTICLE) {
		last--;
	}
	/* `Ortiz y Pino`: the particle joins two names */
	if (last > 1 && words[last]->kind == NAME_PARTICLE && words[last]->len == 1) {
		last--;
	}
	return last;
}

void name_split(
    const char *text, size_t len, struct name_part *ret_first, struct name_part *ret_last)
{
	struct name_token tokens[NAME_TOKENS_MAX];
	const struct name_token *words[NAME_TOKENS_MAX];
	size_t n = 0, comma = 0, first, last, all = name_tokens(text, len, tokens);
	bool title = false;

	for (size_t i = 0; i < all; i++) {
		if (tokens[i].kind == NAME_TITLE) {
			title = true;
		} else if (tokens[i].kind != NAME_SUFFIX && tokens[i].kind != NAME_ASIDE) {
			words[n++] = &tokens[i];
			comma = tokens[i].comma && comma == 0 ? n : comma;
		}
	}
	*ret_first = *ret_last = (struct name_part){0};
	if (n == 0) {
		return;
	}
	if (comma > 0 && comma < n) { /* `Last, First` */
		*ret_last = span(words, 0, comma);
		*ret_first = span(words, comma, comma + 1);
		return;
	}
	if (words[0]->kind == NAME_PARTICLE) { /* `Dr. von Braun` */
		*ret_last = span(words, 0, n);
		return;
	}
	if (n == 1) { /* `Dr. Lee` is not called Lee by friends */
		*(title ? ret_last : ret_first) = span(words, 0, 1);
		return;
	}
	last = last_begins(words, n);
	*ret_last = span(words, last, n);
	/* `J. Robert Oppenheimer` goes by Robert */
	first = words[0]->kind == NAME_INITIAL && last > 1 && words[1]->kind == NAME_WORD ? 1 : 0;
	*ret_first = span(words, first, first + 1);
}
