/* lib/base/text.h: small truths about strings. */
#pragma once

#include "lib/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool text_is_utf8(const char *text, size_t len);
/* Bytes (1 to 4) of the UTF-8 character at p, and the character; 0 when it is bad or p == end. */
size_t text_next(const char *p, const char *end, uint32_t *ret);
/* Writes one character (at most U+10FFFF) as UTF-8, 1 to 4 bytes; returns how many. */
size_t text_put_char(uint32_t c, char *out);
/* Simple case folding of Latin, Greek and Cyrillic; the rest stays. The length may change. */
void text_fold(struct buf *out, const char *text, size_t len);
/* ASCII only, in place. */
void text_lower(char *text, size_t len);
bool text_equal_nocase(const char *a, const char *b); /* ASCII */
/* Is the word in the list, which ends with NULL? NULL: an empty one. */
bool text_in(const char *const *list, const char *word, size_t len);
/* Without leading and trailing white space, U+00A0, U+200B and U+FEFF included. */
void text_trim(const char **text, size_t *len);
/* Code points. */
size_t text_length(const char *text, size_t len);
/* Words between white space that hold at least one letter or digit. */
size_t text_words(const char *text, size_t len);
/*
 * The candidate nearest to word (edit distance at most 3 and at most half its
 * length), else NULL. The list ends with NULL.
 */
const char *text_nearest(const char *word, const char *const candidates[]);
/* One line, printable: control bytes, newlines and bad UTF-8 escaped as \xNN; for logs. */
void text_write_safe(struct buf *out, const char *text, size_t len);
/* Percent-encoding of all but unreserved characters (RFC 3986 section 2.3). */
void text_write_percent(struct buf *out, const char *text, size_t len);
/* Percent-decoding; false, and out as it was, for a bad escape or a NUL. plus: `+` is a space. */
bool text_percent_decode(struct buf *out, const char *text, size_t len, bool plus);
