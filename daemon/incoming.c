/*
 * daemon/incoming.c: keeps the headers of the last status line and the body.
 *
 * An interim answer (1xx) is a head of its own; the next status line forgets it. Lines after the
 * body are trailers: counted, not kept.
 */
#include "daemon/incoming.h"

#include <string.h>

#define DEFAULT_BYTES ((size_t)1 << 20)

void incoming_init(struct incoming *in, size_t max_bytes)
{
	*in = (struct incoming){
	    .body = {.max = max_bytes != 0 ? max_bytes : DEFAULT_BYTES},
	    .header = {.max = INCOMING_HEADER_BYTES},
	};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Folded lines and those that are no header are left out. */
static void keep(struct incoming *in, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len), *value, *end = line + len;

	if (colon == NULL || colon == line || is_blank(line[0]) ||
	    memchr(line, '\0', len) != NULL) {
		return;
	}
	if (in->n_headers == INCOMING_HEADERS) {
		in->too_large = "headers past their cap";
		return;
	}
	for (value = colon + 1; value < end && is_blank(*value); value++) {
	}
	while (end > value && is_blank(end[-1])) {
		end--;
	}
	buf_add(&in->header, line, (size_t)(colon - line));
	buf_add_char(&in->header, '\0');
	buf_add(&in->header, value, (size_t)(end - value));
	buf_add_char(&in->header, '\0');
	if (!in->header.failed) {
		in->n_headers++;
	}
}

bool incoming_line(struct incoming *in, const char *line, size_t len)
{
	in->header_bytes += len;
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		buf_reset(&in->header);
		in->n_headers = 0;
		in->headers_end = false;
	} else if (len <= 2) {
		in->headers_end = true;
	} else if (!in->headers_end) {
		keep(in, line, len);
	}
	if (in->header_bytes > INCOMING_HEADER_BYTES || in->header.failed) {
		in->too_large = "headers past their cap";
	}
	return in->too_large == NULL;
}

bool incoming_body(struct incoming *in, const char *bytes, size_t len)
{
	buf_add(&in->body, bytes, len);
	if (in->body.failed) {
		in->too_large = "body past its cap";
	}
	return in->too_large == NULL;
}

size_t incoming_headers(const struct incoming *in, struct http_header *headers)
{
	const char *at = in->header.data;

	for (unsigned i = 0; i < in->n_headers; i++) {
		headers[i].name = at;
		headers[i].value = at + strlen(at) + 1;
		at = headers[i].value + strlen(headers[i].value) + 1;
	}
	return in->n_headers;
}

void incoming_fini(struct incoming *in)
{
	buf_free(&in->header);
	buf_free(&in->body);
}
