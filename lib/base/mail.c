/* See mail.h. */
#include "lib/base/mail.h"

#include "lib/base/time.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#define LINE 76       /* RFC 2045: of encoded text */
#define WORD_BYTES 42 /* of an encoded word: 56 characters of base64 within 75 */

/* RFC 5322 section 3.3, in UTC; strftime would speak the process's language. */
static void write_date(int64_t wall_us, struct buf *out)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t s = (time_t)(wall_us / US_PER_S);
	struct tm t;

	gmtime_r(&s, &t);
	buf_printf(out, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n", days + 3 * t.tm_wday, t.tm_mday, months + 3 * t.tm_mon,
	    1900 + t.tm_year, t.tm_hour, t.tm_min, t.tm_sec);
}

static bool is_plain(const char *text)
{
	for (; *text != 0; text++) {
		if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f) {
			return false;
		}
	}
	return true;
}

/* At most `most` bytes of it, not cutting a character. */
static size_t piece(const char *text, size_t most)
{
	size_t len = strnlen(text, most + 1);

	if (len <= most) {
		return len;
	}
	for (len = most; len > 1 && ((unsigned char)text[len] & 0xc0) == 0x80; len--) {
	}
	return len;
}

static void write_subject(const char *text, struct buf *out)
{
	char word[64], clean[WORD_BYTES + 1];

	buf_add_text(out, "Subject:");
	if (is_plain(text) && strlen(text) < 900 && strstr(text, "=?") == NULL) {
		buf_printf(out, " %s\r\n", text);
		return;
	}
	for (size_t len; *text != 0; text += len) {
		len = piece(text, WORD_BYTES);
		for (size_t i = 0; i < len; i++) {
			clean[i] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
		}
		sodium_bin2base64(word, sizeof(word), (const unsigned char *)clean, len, sodium_base64_VARIANT_ORIGINAL);
		buf_printf(out, " =?utf-8?B?%s?=\r\n", word);
	}
}

/* Quoted-printable (RFC 2045 section 6.7). */
static void write_text(const char *text, size_t len, struct buf *out)
{
	size_t column = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		bool end = i + 1 == len || text[i + 1] == '\n' || text[i + 1] == '\r';
		bool quote = c == '=' || c >= 0x7f || (c < ' ' && c != '\t') || ((c == ' ' || c == '\t') && end);

		if (c == '\n') {
			buf_add_text(out, "\r\n");
			column = 0;
			continue;
		}
		if (c == '\r' && i + 1 < len && text[i + 1] == '\n') {
			continue;
		}
		if (column + (quote ? 3 : 1) > LINE - 1) {
			buf_add_text(out, "=\r\n");
			column = 0;
		}
		if (quote) {
			buf_printf(out, "=%02X", c);
		} else {
			buf_add_char(out, (char)c);
		}
		column += quote ? 3 : 1;
	}
	if (column > 0) {
		buf_add_text(out, "\r\n");
	}
}

void mail_write(const struct mail *m, struct buf *out)
{
	const char *at = strchr(m->from, '@');

	write_date(m->wall_us, out);
	buf_printf(out, "From: leadd <%s>\r\nTo: <%s>\r\n", m->from, m->to);
	write_subject(m->subject, out);
	buf_printf(out, "Message-ID: <%s%s>\r\n", m->id, at != NULL ? at : "@localhost");
	buf_add_text(out, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
			  "Auto-Submitted: auto-generated\r\n\r\n");
	write_text(m->text, m->text_len, out);
}
