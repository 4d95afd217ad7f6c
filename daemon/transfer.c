/*
 * daemon/transfer.c: the options and callbacks of one call, and the reading of its end.
 *
 * All that libcurl borrows lies in one block given by the caller: list nodes first, then texts.
 * PREREQ is the line between UNSENT and BROKEN: libcurl calls it on a connected (TLS included)
 * connection before the first byte of the request. It is called again when a reused connection
 * closed without an answer and libcurl wants to send once more: that is refused, since nobody knows
 * what the first request did.
 */
#include "daemon/transfer.h"

#include "daemon/address.h"
#include "daemon/clock.h"
#include "daemon/origin.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PEER_GONE_MS 90000 /* unacknowledged data: then the connection is given up */

/* Ends of every list. No wait for `100 Continue`; no content type that nobody declared. */
static struct curl_slist no_expect = {(char[]){"Expect:"}, NULL};
static struct curl_slist no_type = {(char[]){"Content-Type:"}, &no_expect};

/* --- before --- */

static bool has_body(const struct request *r)
{
	return r->body != NULL || strcmp(r->method, "POST") == 0 || strcmp(r->method, "PUT") == 0 ||
	       strcmp(r->method, "PATCH") == 0;
}

size_t transfer_room(const struct request *r)
{
	size_t room = strlen(r->url) + 2 + strlen(r->method) + 1 + r->body_len;

	for (size_t i = 0; i < r->n_headers; i++) {
		room += sizeof(struct curl_slist) + strlen(r->headers[i].name) + 2 +
			strlen(r->headers[i].value) + 1;
	}
	return room;
}

/* Visible ASCII without the colon: stricter grammars exist, but nothing else breaks a request. */
static bool is_token(const char *text)
{
	const char *p = text;

	while (*p > ' ' && *p < '\x7f' && *p != ':') {
		p++;
	}
	return p != text && *p == '\0';
}

static bool is_value(const char *text)
{
	for (; *text != '\0'; text++) {
		if (((unsigned char)*text < ' ' && *text != '\t') || *text == '\x7f') {
			return false;
		}
	}
	return true;
}

static char *put(char **at, const char *bytes, size_t len)
{
	char *start = *at;

	memcpy(start, bytes, len);
	*at += len;
	return start;
}

/* `Name: value`, or `Name;`, which is how libcurl is told of an empty value. */
static char *put_header(char **at, const struct request_header *h)
{
	char *start = put(at, h->name, strlen(h->name));

	if (h->value[0] == '\0') {
		put(at, ";", 2);
	} else {
		put(at, ": ", 2);
		put(at, h->value, strlen(h->value) + 1);
	}
	return start;
}

/* Path and query, which always begin with a slash. */
static char *put_target(char **at, const char *rest)
{
	char *start = rest[0] == '/' ? *at : put(at, "/", 1);

	put(at, rest, strlen(rest) + 1);
	return start;
}

int transfer_init(struct transfer *t, const struct request *r, struct origin *origin, void *space,
    struct lead_error *err)
{
	struct curl_slist *nodes = space, **link = &t->headers;
	char *at = (char *)(nodes + r->n_headers);
	bool typed = !has_body(r);

	t->origin = origin;
	if (!is_token(r->method)) {
		return lead_fail(err, LEAD_EINPUT, "the method of a request must be one word");
	}
	for (size_t i = 0; i < r->n_headers; i++) {
		const struct request_header *h = &r->headers[i];

		if (!is_token(h->name) || !is_value(h->value)) {
			return lead_fail(err, LEAD_EINPUT,
			    "header %zu of the request holds a byte that no header may hold",
			    i + 1);
		}
		typed = typed || strcasecmp(h->name, "content-type") == 0;
		nodes[i].data = put_header(&at, h);
		*link = &nodes[i];
		link = &nodes[i].next;
	}
	*link = typed ? &no_expect : &no_type;
	t->target = put_target(&at, r->url + origin->length);
	t->method = put(&at, r->method, strlen(r->method) + 1);
	t->body = has_body(r) ? put(&at, r->body != NULL ? r->body : "", r->body_len) : NULL;
	t->body_len = r->body_len;
	t->http2 = r->http2;
	incoming_init(&t->incoming, r->max_answer_bytes);
	return 0;
}

/* --- libcurl's callbacks: they only record --- */

static int on_prereq(void *arg, char *address, char *local, int port, int local_port)
{
	struct transfer *t = arg;

	(void)address;
	(void)local;
	(void)port;
	if (t->smtp != NULL) {
		smtp_begin(t->smtp, local_port);
	}
	if (t->sent_us != 0) {
		t->resent = true;
		return CURL_PREREQFUNC_ABORT;
	}
	if (t->stopped) {
		return CURL_PREREQFUNC_ABORT;
	}
	t->sent_us = clock_boot_us();
	t->events->sent(t);
	return CURL_PREREQFUNC_OK;
}

static size_t on_header(char *line, size_t size, size_t len, void *arg)
{
	struct transfer *t = arg;

	(void)size;
	if (t->first_byte_us == 0) {
		t->first_byte_us = clock_boot_us();
		t->events->first_byte(t);
	}
	return incoming_line(&t->incoming, line, len) ? len : 0;
}

/* Gets decoded bytes: the length that a compressed answer announces says nothing about them. */
static size_t on_body(char *bytes, size_t size, size_t len, void *arg)
{
	struct transfer *t = arg;

	(void)size;
	return incoming_body(&t->incoming, bytes, len) ? len : 0;
}

static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *t = arg;
	int fd, gone_ms = PEER_GONE_MS;

	(void)purpose;
	if (!t->allow_private && !address_is_public(&a->addr)) {
		t->refused =
		    true; /* judged here because this address, not the name, will be used */
		return CURL_SOCKET_BAD;
	}
	fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	if (fd < 0) {
		t->starved = true;
		return CURL_SOCKET_BAD;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone_ms, sizeof(gone_ms));
	if (t->smtp != NULL) {
		smtp_socket(t->smtp, fd);
	}
	return fd;
}

/* --- options --- */

static CURLcode set_method(const struct transfer *t, CURL *easy)
{
	CURLcode rc;

	if (t->body != NULL) {
		rc = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body_len);
		if (rc == CURLE_OK) {
			rc = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, t->body);
		}
		if (rc != CURLE_OK || strcmp(t->method, "POST") == 0) {
			return rc;
		}
	} else if (strcmp(t->method, "GET") == 0) {
		return CURLE_OK;
	} else if (strcmp(t->method, "HEAD") == 0) {
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	}
	return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, t->method);
}

CURLcode transfer_options(struct transfer *t, CURL *easy, long connect_ms)
{
	long version = t->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
	CURLcode rc = CURLE_OK;

#define SET(option, value) rc = rc == CURLE_OK ? curl_easy_setopt(easy, option, value) : rc
	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_CURLU, t->origin->url);
	SET(CURLOPT_REQUEST_TARGET, t->target);
	SET(CURLOPT_HTTPHEADER, t->headers);
	SET(CURLOPT_HTTP_VERSION, version);
	SET(CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
	SET(CURLOPT_PREREQFUNCTION, on_prereq);
	SET(CURLOPT_PREREQDATA, t);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
	SET(CURLOPT_OPENSOCKETDATA, t);
	if (!t->origin->no_lookup) {
		SET(CURLOPT_RESOLVE, &t->origin->resolve);
	}
#undef SET
	if (rc == CURLE_OK) {
		rc = t->smtp != NULL ? smtp_options(t, easy) : set_method(t, easy);
	}
	return rc;
}

/* --- after --- */

static const char *connect_phrase(CURL *easy)
{
	long number = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
	switch (number) {
	case ECONNREFUSED:
		return "connection refused";
	case ENETUNREACH:
	case EHOSTUNREACH:
		return "host unreachable";
	default:
		return "cannot connect";
	}
}

static const char *phrase_of(const struct transfer *t, CURL *easy, CURLcode result)
{
	if (t->resent) {
		return "connection closed, resend refused";
	}
	if (t->refused && t->sent_us == 0) {
		return "address not allowed";
	}
	if (t->starved && t->sent_us == 0) {
		return "no socket free";
	}
	switch (result) {
	case CURLE_COULDNT_CONNECT:
		return connect_phrase(easy);
	case CURLE_OPERATION_TIMEDOUT:
		return "connect deadline";
	case CURLE_SSL_CONNECT_ERROR:
		return "TLS handshake failed";
	case CURLE_PEER_FAILED_VERIFICATION:
		return "certificate not trusted";
	case CURLE_GOT_NOTHING:
		return "closed without an answer";
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return "connection reset";
	case CURLE_PARTIAL_FILE:
		return "answer cut short";
	default:
		return curl_easy_strerror(result); /* fixed texts */
	}
}

void transfer_verdict(
    const struct transfer *t, CURL *easy, CURLcode result, struct http_answer *ret)
{
	long status = 0;

	if (t->smtp != NULL && smtp_verdict(t->smtp, easy, result, ret)) {
		return;
	}
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	ret->status = (int)status;
	if (t->incoming.too_large != NULL) {
		ret->transport = TRANSPORT_TOO_LARGE;
		ret->why = t->incoming.too_large;
	} else if (result == CURLE_OK) {
		ret->transport = TRANSPORT_ANSWERED;
	} else {
		ret->transport = t->sent_us != 0 ? TRANSPORT_BROKEN : TRANSPORT_UNSENT;
		ret->why = phrase_of(t, easy, result);
	}
}
