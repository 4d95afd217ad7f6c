/* lib/lead/name.h: the parts of a person's name as people write it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_TOKENS_MAX 32
#define NAME_BYTES_MAX 500

enum name_kind {
	NAME_WORD,     /* Anna, O'Neil, Meyer-Lind */
	NAME_INITIAL,  /* J. or J.W. */
	NAME_PARTICLE, /* von, de la */
	NAME_TITLE,    /* in front: Dr., Mrs. */
	NAME_SUFFIX,   /* at the end: Jr., III, Ph.D. */
	NAME_ASIDE,    /* in brackets or double quotes: nickname, note */
};

struct name_token {
	const char *text; /* without the punctuation around it; an initial keeps its dots */
	size_t len;
	enum name_kind kind;
	bool comma; /* a comma stands behind it */
};

/*
 * The tokens of a name, in order, borrowed from text. What comes after NAME_TOKENS_MAX is left out;
 * a text of more than NAME_BYTES_MAX is no name and has none.
 */
size_t name_tokens(const char *text, size_t len, struct name_token ret[NAME_TOKENS_MAX]);

/* Case folded, without dots: how tokens are looked up. The length; 0 when it does not fit. */
size_t name_token_word(const struct name_token *t, char *out, size_t room);

/* A part of text; len 0 when the name does not show it. */
struct name_part {
	const char *text;
	size_t len;
};

/*
 * First and last name out of a full one: `Ludwig von Beethoven`, `Diaz, Manny Jr.`, `Dr. Anna "Ann"
 * Lee`. Titles, suffixes and asides are in neither. Particles belong to the last name; names in the
 * middle to none. 98 % of first and of last names of 13,750 people
 * (openstates/people) come out as the source has them: tests/unit/test_record.c.
 */
void name_split(
    const char *text, size_t len, struct name_part *ret_first, struct name_part *ret_last);
