/*
 * daemon/origin.c: a bounded table of origins by their text.
 *
 * The rest of a URL (path and query) is only looked at for bytes that no URL holds;
 * libcurl takes it as it is.
 */
#include "daemon/origin.h"

#include "lib/base/buf.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ORIGINS 1024

/* Length of `scheme://authority`, 0 when the text is no URL we send. */
static size_t origin_length(const char *url)
{
	static const char *const schemes[] = {"https://", "http://", "smtps://", "smtp://"};
	size_t scheme = 0, len;

	for (size_t i = 0; scheme == 0 && i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i]);

		scheme = strncasecmp(url, schemes[i], n) == 0 ? n : 0;
	}
	len = scheme + strcspn(url + scheme, "/?");
	if (scheme == 0 || len == scheme || memchr(url, '@', len) != NULL) {
		return 0; /* user names in a URL end up in logs: keys belong into headers */
	}
	for (const char *p = url; *p != '\0'; p++) {
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == '#' ||
		    *p == '\\') {
			return 0;
		}
	}
	return len;
}

/* RFC 6761 section 6.3: localhost and what ends in it is this machine, whatever a name server says.
 */
static bool needs_no_lookup(const char *host)
{
	size_t len = strlen(host);
	struct in_addr in;

	return host[0] == '[' || inet_pton(AF_INET, host, &in) == 1 ||
	       strcasecmp(host, "localhost") == 0 ||
	       (len > 10 && strcasecmp(host + len - 10, ".localhost") == 0);
}

static bool origin_parse(struct origin *o)
{
	char *port = NULL;
	bool ok;

	o->url = curl_url();
	ok = o->url != NULL && curl_url_set(o->url, CURLUPART_URL, o->text, 0) == CURLUE_OK &&
	     curl_url_get(o->url, CURLUPART_HOST, &o->host, 0) == CURLUE_OK &&
	     curl_url_get(o->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
	if (ok) {
		o->port = (unsigned)strtoul(port, NULL, 10);
		o->no_lookup = needs_no_lookup(o->host);
	}
	curl_free(port);
	return ok && o->port != 0;
}

static void origin_free(struct origin *o)
{
	curl_url_cleanup(o->url);
	curl_free(o->host);
	free(o->resolve.data);
	free(o);
}

/* Makes room: the origin seen first that nobody holds goes. */
static void forget_one(struct origins *os)
{
	struct origin *o, *next;

	HASH_ITER(hh, os->table, o, next)
	{
		if (o->users == 0) {
			HASH_DEL(os->table, o);
			origin_free(o);
			return;
		}
	}
}

int origin_get(struct origins *os, const char *url, struct origin **ret, struct lead_error *err)
{
	size_t len = origin_length(url);
	struct origin *o = NULL;

	if (len == 0) {
		return lead_fail(err, LEAD_EINPUT, "not an http or https URL");
	}
	HASH_FIND(hh, os->table, url, len, o);
	if (o == NULL) {
		o = calloc(1, sizeof(*o) + len + 1);
		if (o == NULL) {
			return lead_fail(err, LEAD_ENOMEM, "out of memory");
		}
		memcpy(o->text, url, len);
		o->length = len;
		if (!origin_parse(o)) {
			origin_free(o);
			return lead_fail(err, LEAD_EINPUT, "not a URL with a host and a port");
		}
		if (HASH_COUNT(os->table) >= MAX_ORIGINS) {
			forget_one(os);
		}
		HASH_ADD_KEYPTR(hh, os->table, o->text, len, o);
	}
	o->users++;
	*ret = o;
	return 0;
}

void origin_release(struct origin *o)
{
	o->users--;
}

int origin_set_addresses(struct origin *o, const struct resolved *r)
{
	struct buf line = {0};

	if (o->version == r->version) {
		return 0;
	}
	/* `+`: libcurl may forget it again, so that a crawl of many hosts does not pile them up */
	buf_printf(&line, "+%s:%u:%s", o->host, o->port, r->addresses);
	if (line.failed) {
		return LEAD_ENOMEM;
	}
	free(o->resolve.data);
	o->resolve.data = buf_take(&line);
	o->version = r->version;
	return 0;
}

unsigned origin_shard(const struct origin *o)
{
	unsigned least = 0;

	for (unsigned i = 0; i < MULTI_SHARDS; i++) {
		if (o->calls[i] < MULTI_SHARE) {
			return i;
		}
		least = o->calls[i] < o->calls[least] ? i : least;
	}
	return least;
}

void origins_forget(struct origins *os)
{
	struct origin *o, *next;

	HASH_ITER(hh, os->table, o, next)
	{
		if (o->users == 0) {
			HASH_DEL(os->table, o);
			origin_free(o);
		}
	}
}
