/*
 * lib/base/mail.h: one plain text mail as RFC 5322 wants it. Pure.
 *
 * Every byte that comes out is ASCII, every line ends with CRLF and is short enough; no text that goes in can begin a header of its own.
 */
#pragma once

#include "lib/base/buf.h"

struct mail {
	const char *from, *to;          /* plain addresses */
	const char *id;                 /* of the message: letters and digits; its domain is that of `from` */
	const char *subject;            /* UTF-8 */
	const char *text;               /* UTF-8 with \n or \r\n */
	size_t text_len;
	int64_t wall_us;
};

void mail_write(const struct mail *m, struct buf *out);
