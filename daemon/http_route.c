/*
 * daemon/http_route.c: what evhttp lets through and we do not, and which route a request means.
 *
 * evhttp takes two Content-Length headers, signs in front of numbers, blanks before the colon,
 * several Hosts and absolute addresses. What the list of headers still shows is refused here;
 * what leaves no trace (folded lines, bare LF, NUL) is made harmless by closing the connection
 * after every request with a body. Paths and queries are decoded once, piece by piece.
 */
#include "daemon/http_internal.h"

#include "lib/base/text.h"

#include <string.h>

static bool fault(struct http_fault *ret, int status, const char *code, const char *detail)
{
	*ret = (struct http_fault){status, code, detail};
	return false;
}

/* RFC 9110 section 5.6.2 */
static bool is_token(const char *text)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (const char *p = text; *p != '\0'; p++) {
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');

		if (!letter && !(*p >= '0' && *p <= '9') && strchr(others, *p) == NULL) {
			return false;
		}
	}
	return text[0] != '\0';
}

static bool is_value(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		if ((*p < ' ' && *p != '\t') || *p == 0x7F) {
			return false;
		}
	}
	return true;
}

static size_t count(const struct http_request *r, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_headers; i++) {
		n += text_equal_nocase(r->headers[i].name, name);
	}
	return n;
}

bool http_request_check(struct http_request *r, struct http_fault *ret)
{
	const char *length = http_header(r, "Content-Length");
	const char *coding = http_header(r, "Transfer-Encoding");

	for (size_t i = 0; i < r->n_headers; i++) {
		if (!is_token(r->headers[i].name) || !is_value(r->headers[i].value)) {
			return fault(ret, 400, "bad-header", "a header is not well formed");
		}
	}
	if (count(r, "Content-Length") + count(r, "Transfer-Encoding") > 1) {
		return fault(ret, 400, "bad-length", "the length of the body is given twice");
	}
	if (length != NULL && strspn(length, "0123456789") != strlen(length)) {
		return fault(ret, 400, "bad-length", "Content-Length must be digits");
	}
	if (coding != NULL && !text_equal_nocase(coding, "chunked")) {
		return fault(ret, 400, "bad-length", "Transfer-Encoding can only be chunked");
	}
	if (count(r, "Host") != 1) {
		return fault(ret, 400, "bad-host", "exactly one Host header is needed");
	}
	if (r->uri[0] != '/') {
		return fault(ret, 400, "bad-path", "the address must begin with a slash");
	}
	for (const unsigned char *p = (const unsigned char *)r->uri; *p != '\0'; p++) {
		if (*p <= ' ' || *p >= 0x7F || *p == '#') {
			return fault(
			    ret, 400, "bad-path", "the address holds a byte that must be encoded");
		}
	}
	return true;
}

/* NULL when the piece is badly encoded or decodes to a NUL. */
static const char *decode(struct http_request *r, const char *text, size_t len, bool plus)
{
	struct buf out = {0};
	const char *copy = NULL;

	if (text_percent_decode(&out, text, len, plus) && !out.failed) {
		copy = out.len == 0 ? "" : arena_dup(&r->mem, out.data, out.len);
	}
	buf_free(&out);
	return copy;
}

static bool parse_query(struct http_request *r, const char *p, struct http_fault *ret)
{
	while (*p != '\0') {
		size_t len = strcspn(p, "&"), name = strcspn(p, "=&");
		struct http_pair *pair = &r->query[r->n_query];

		if (r->n_query == HTTP_PAIRS) {
			return fault(ret, 400, "bad-query", "too many parameters");
		}
		pair->name = decode(r, p, name, true);
		pair->value = name == len ? "" : decode(r, p + name + 1, len - name - 1, true);
		if (pair->name == NULL || pair->value == NULL) {
			return fault(ret, 400, "bad-query", "a parameter is badly encoded");
		}
		r->n_query += len > 0;
		p += len + (p[len] == '&');
	}
	return true;
}

/* The segments of the path go into params for now; http_route_find names or drops them. */
bool http_request_parse(struct http_request *r, struct http_fault *ret)
{
	const char *p = r->uri, *end = p + strcspn(p, "?");

	while (p < end) {
		size_t len = strcspn(p + 1, "/?");

		if (r->n_params == HTTP_SEGMENTS) {
			return fault(ret, 404, "not-found", "there is nothing at this path");
		}
		r->params[r->n_params].value = decode(r, p + 1, len, false);
		if (r->params[r->n_params++].value == NULL) {
			return fault(ret, 400, "bad-path", "the path is badly encoded");
		}
		p += 1 + len;
	}
	return *end == '\0' || parse_query(r, end + 1, ret);
}

/* Whether the pattern fits the decoded segments; names gets {name} or NULL for each. */
static bool fits(struct http_request *r, const char *pattern, const char *names[HTTP_SEGMENTS])
{
	size_t i;

	for (i = 0; *pattern == '/'; i++) {
		size_t len = strcspn(pattern + 1, "/");
		const char *want = pattern + 1, *have = i < r->n_params ? r->params[i].value : NULL;

		if (have == NULL) {
			return false;
		}
		names[i] = NULL;
		if (*want == '{') {
			names[i] = arena_dup(&r->mem, want + 1, len - 2);
			if (*have == '\0') {
				return false;
			}
		} else if (strlen(have) != len || memcmp(have, want, len) != 0) {
			return false;
		}
		pattern += 1 + len;
	}
	return i == r->n_params;
}

#define NAMES 24

bool http_name_known(struct http_request *r, const char *names, const char *what, const char *name,
    struct http_fault *ret)
{
	const char *list[NAMES + 1] = {NULL}, *nearest;
	size_t n = 0;

	for (const char *p = names; *p != '\0' && n < NAMES; n++) {
		size_t len = strcspn(p, " ");

		list[n] = arena_dup(&r->mem, p, len);
		if (strcmp(list[n], name) == 0) {
			return true;
		}
		p += len + strspn(p + len, " ");
	}
	nearest = text_nearest(name, list);
	return fault(ret, 400, what[0] == 'p' ? "unknown-parameter" : "unknown-field",
	    nearest != NULL ? arena_printf(&r->mem, "there is no %s '%.60s'; is '%s' meant?", what,
				  name, nearest)
	    : n > 0 ? arena_printf(&r->mem, "there is no %s '%.60s', only: %s", what, name, names)
		    : arena_printf(&r->mem, "there is no %s '%.60s' here", what, name));
}

bool http_route_find(struct http_request *r, const char *method, struct http_fault *ret)
{
	const char *names[HTTP_SEGMENTS];

	for (const struct route *route = r->h->o.routes; route->method != NULL; route++) {
		if (!fits(r, route->pattern, names)) {
			continue;
		}
		if (strcmp(route->method, method) == 0) {
			r->route = route;
			r->allow = NULL;
			for (size_t i = 0; i < r->n_params; i++) {
				r->params[i].name = names[i] != NULL ? names[i] : "";
			}
			return true;
		}
		r->allow = r->allow == NULL
			       ? route->method
			       : arena_printf(&r->mem, "%s, %s", r->allow, route->method);
	}
	return r->allow != NULL ? fault(ret, 405, "method-not-allowed",
				      "this path has no such method; see Allow")
				: fault(ret, 404, "not-found", "there is nothing at this path");
}
