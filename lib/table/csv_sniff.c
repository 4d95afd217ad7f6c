/*
 * lib/table/csv_sniff.c: what kind of file is this?
 *
 * The encoding is judged by all bytes: each slice only adds to counters. The
 * delimiter is judged by the first line, whose bytes are kept, because only at
 * the end it is known how to read them.
 */
#include "lib/table/csv.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"

#define HEAD_BYTES ((size_t)64 << 10) /* longest first line that is looked at */

struct csv_sniff {
	unsigned char head[HEAD_BYTES];
	size_t head_len;
	uint64_t bytes;
	uint64_t nuls[2]; /* at even and at odd places */
	uint64_t good, bad; /* UTF-8 characters beyond ASCII, and bytes that are none */
	char tail[4]; /* the beginning of a UTF-8 character that the next slice ends */
	size_t tail_len;
	bool undefined; /* a byte that windows-1252 lacks */
};

static const char *const words[] = {
    [CSV_UTF8] = "utf-8",
    [CSV_UTF8_BOM] = "utf-8-bom",
    [CSV_UTF16LE] = "utf-16le",
    [CSV_UTF16BE] = "utf-16be",
    [CSV_WINDOWS1252] = "windows-1252",
    [CSV_LATIN1] = "latin1",
    [CSV_MIXED] = "mixed",
};

const char *csv_encoding_word(enum csv_encoding e)
{
	return words[e];
}

bool csv_encoding_parse(const char *word, enum csv_encoding *ret)
{
	static const struct {
		const char *word;
		enum csv_encoding encoding;
	} others[] = {{"utf8", CSV_UTF8}, {"utf8-bom", CSV_UTF8_BOM}, {"utf-8-sig", CSV_UTF8_BOM},
	    {"utf16le", CSV_UTF16LE}, {"utf16be", CSV_UTF16BE}, {"cp1252", CSV_WINDOWS1252},
	    {"iso-8859-1", CSV_LATIN1}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (text_equal_nocase(word, words[i])) {
			*ret = (enum csv_encoding)i;
			return true;
		}
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (text_equal_nocase(word, others[i].word)) {
			*ret = others[i].encoding;
			return true;
		}
	}
	return false;
}

struct csv_sniff *csv_sniff_new(void)
{
	return calloc(1, sizeof(struct csv_sniff));
}

void csv_sniff_free(struct csv_sniff *s)
{
	free(s);
}

/* How many bytes a UTF-8 character that begins so should have; 0 for none. */
static size_t utf8_length(unsigned char first)
{
	return first < 0x80   ? 1
	       : first < 0xC2 ? 0
	       : first < 0xE0 ? 2
	       : first < 0xF0 ? 3
	       : first < 0xF5 ? 4
			      : 0;
}

static void count_utf8(struct csv_sniff *s, const char *p, const char *end)
{
	uint32_t c;
	size_t n;

	for (; p < end; p += n) {
		n = text_next(p, end, &c);
		s->good += n > 1;
		s->bad += n == 0;
		n = n > 0 ? n : 1;
	}
}

static void check_utf8(struct csv_sniff *s, const char *p, const char *end)
{
	const char *last;

	while (s->tail_len > 0 && p < end) {
		bool more = ((unsigned char)*p & 0xC0) == 0x80 && s->tail_len < sizeof(s->tail);

		if (more) {
			s->tail[s->tail_len++] = *p++;
		}
		if (!more || s->tail_len == utf8_length((unsigned char)s->tail[0])) {
			count_utf8(s, s->tail, s->tail + s->tail_len);
			s->tail_len = 0;
		}
	}
	/* what the end of the slice may have cut: the last lead byte and what follows it */
	last = end;
	while (last > p && end - last < 3 && ((unsigned char)last[-1] & 0xC0) == 0x80) {
		last--;
	}
	if (last > p && utf8_length((unsigned char)last[-1]) > (size_t)(end - last) + 1) {
		last--;
		s->tail_len = (size_t)(end - last);
		memcpy(s->tail, last, s->tail_len);
		end = last;
	}
	count_utf8(s, p, end);
}

void csv_sniff_feed(struct csv_sniff *s, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	size_t room = HEAD_BYTES - s->head_len;

	if (room > 0) {
		room = room < len ? room : len;
		memcpy(s->head + s->head_len, p, room);
		s->head_len += room;
	}
	for (const unsigned char *nul = p; (nul = memchr(nul, 0, len - (size_t)(nul - p))) != NULL;
	     nul++) {
		s->nuls[(s->bytes + (size_t)(nul - p)) & 1]++;
	}
	s->bytes += len;
	check_utf8(s, bytes, (const char *)bytes + len);
	for (size_t i = 0; !s->undefined && i < len; i++) {
		s->undefined =
		    p[i] == 0x81 || p[i] == 0x8D || p[i] == 0x8F || p[i] == 0x90 || p[i] == 0x9D;
	}
}

static enum csv_encoding encoding_of(const struct csv_sniff *s)
{
	const unsigned char *h = s->head;
	uint64_t pairs = s->bytes / 2, bad = s->bad + s->tail_len;

	if (s->head_len >= 3 && memcmp(h, "\xEF\xBB\xBF", 3) == 0) {
		return bad == 0 ? CSV_UTF8_BOM : CSV_MIXED;
	}
	if (s->head_len >= 2 && h[0] == 0xFF && h[1] == 0xFE) {
		return CSV_UTF16LE;
	}
	if (s->head_len >= 2 && h[0] == 0xFE && h[1] == 0xFF) {
		return CSV_UTF16BE;
	}
	/* Without a mark: every tenth character at least is ASCII, and hardly any ends in 00. */
	if (s->nuls[1] > 0 && s->nuls[1] >= pairs / 10 && s->nuls[0] <= s->nuls[1] / 10) {
		return CSV_UTF16LE;
	}
	if (s->nuls[0] > 0 && s->nuls[0] >= pairs / 10 && s->nuls[1] <= s->nuls[0] / 10) {
		return CSV_UTF16BE;
	}
	if (bad == 0) {
		return CSV_UTF8;
	}
	if (s->good >= bad) {
		return CSV_MIXED;
	}
	return s->undefined ? CSV_LATIN1 : CSV_WINDOWS1252;
}

/* Unit i of the head: a byte, or a UTF-16 code unit. */
static unsigned unit_at(const struct csv_sniff *s, enum csv_encoding e, size_t i)
{
	const unsigned char *p = s->head;

	if (e == CSV_UTF16LE) {
		return p[2 * i] | (unsigned)p[2 * i + 1] << 8;
	}
	if (e == CSV_UTF16BE) {
		return (unsigned)p[2 * i] << 8 | p[2 * i + 1];
	}
	return p[i];
}

static char delimiter_of(const struct csv_sniff *s, enum csv_encoding e)
{
	static const char choices[] = {',', ';', '\t', '|'};
	size_t units = e == CSV_UTF16LE || e == CSV_UTF16BE ? s->head_len / 2 : s->head_len;
	size_t counts[4] = {0}, best = 0;
	bool quoted = false, begun = false;

	for (size_t i = 0; i < units; i++) {
		unsigned c = unit_at(s, e, i);

		if ((c == '\r' || c == '\n') && !quoted) {
			if (begun) {
				break;
			}
			continue; /* blank lines before the header */
		}
		begun = true;
		quoted ^= c == '"';
		for (size_t k = 0; k < 4 && !quoted; k++) {
			counts[k] += c == (unsigned char)choices[k];
		}
	}
	for (size_t k = 1; k < 4; k++) {
		if (counts[k] > counts[best]) {
			best = k;
		}
	}
	return choices[best];
}

void csv_sniff_result(
    const struct csv_sniff *s, enum csv_encoding *ret_encoding, char *ret_delimiter)
{
	*ret_encoding = encoding_of(s);
	*ret_delimiter = delimiter_of(s, *ret_encoding);
}
