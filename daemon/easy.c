/*
 * daemon/easy.c: a pool of easy handles and the one table of fixed options.
 *
 * A handle is reset when it comes back and gets the whole table when it goes out, so no
 * call can inherit anything from another. What is missing here on purpose: redirects, cookies,
 * alt-svc, HSTS and PIPEWAIT (all off by default), and CURLOPT_TIMEOUT: calls have deadlines
 * of their own, which also run while a name is looked up.
 */
#include "daemon/easy.h"

#include "daemon/multi.h"

#include <stdlib.h>
#include <string.h>

/* Below the keep-alive time of any provider, so that reuse rarely meets a closed connection. */
#define IDLE_S 20
#define PROBE_S 30

static const struct {
	CURLoption option;
	long value;
} numbers[] = {
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_QUICK_EXIT, 1},
    {CURLOPT_NETRC, CURL_NETRC_IGNORED},
    {CURLOPT_FOLLOWLOCATION, 0}, /* custom headers would follow to other hosts */
    {CURLOPT_MAXREDIRS, 0},
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},
    {CURLOPT_MAXAGE_CONN, IDLE_S},
    {CURLOPT_TCP_KEEPALIVE, 1},
    {CURLOPT_TCP_KEEPIDLE, PROBE_S},
    {CURLOPT_TCP_KEEPINTVL, PROBE_S},
    {CURLOPT_DNS_CACHE_TIMEOUT, 60}, /* of what CURLOPT_RESOLVE brings: given anew with each call */
    {CURLOPT_BUFFERSIZE, 8192},
    {CURLOPT_UPLOAD_BUFFERSIZE, 16384},
};

static const struct {
	CURLoption option;
	const char *value;
} texts[] = {
    {CURLOPT_CAPATH, NULL}, /* else the parsed CA file is not kept: 50 ms for each connection */
    {CURLOPT_PROXY, ""},    /* none, whatever the environment says */
    {CURLOPT_NOPROXY, ""},
    {CURLOPT_PROTOCOLS_STR, "http,https"},
    {CURLOPT_REDIR_PROTOCOLS_STR, "https"},
    {CURLOPT_ACCEPT_ENCODING, "gzip"},
    {CURLOPT_USERAGENT, "leadd"},
};

static CURLcode set_fixed(struct easy_pool *p, CURL *easy)
{
	CURLcode rc = CURLE_OK;

	for (size_t i = 0; rc == CURLE_OK && i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		rc = curl_easy_setopt(easy, numbers[i].option, numbers[i].value);
	}
	for (size_t i = 0; rc == CURLE_OK && i < sizeof(texts) / sizeof(texts[0]); i++) {
		rc = curl_easy_setopt(easy, texts[i].option, texts[i].value);
	}
	if (rc == CURLE_OK && p->ca_file != NULL) {
		rc = curl_easy_setopt(easy, CURLOPT_CAINFO, p->ca_file);
	}
	if (rc == CURLE_OK) {
		rc = curl_easy_setopt(easy, CURLOPT_SHARE, p->share);
	}
	if (rc == CURLE_OK) {
		rc = curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, multi_close_socket);
	}
	return rc == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, p->multi) : rc;
}

int easy_pool_init(
    struct easy_pool *p, const char *ca_file, struct multi *multi, struct lead_error *err)
{
	CURL *first;

	p->multi = multi;
	p->share = curl_share_init(); /* one thread: needs no lock functions */
	p->ca_file = ca_file != NULL ? strdup(ca_file) : NULL;
	if (p->share == NULL || (ca_file != NULL && p->ca_file == NULL)) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	if (curl_share_setopt(p->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) !=
	    CURLSHE_OK) {
		return lead_fail(err, LEAD_EREMOTE, "libcurl cannot share TLS sessions");
	}
	first = easy_take(p); /* a libcurl that lacks an option is found out now */
	if (first == NULL) {
		return lead_fail(err, LEAD_EREMOTE, "libcurl %s lacks an option that is needed",
		    curl_version_info(CURLVERSION_NOW)->version);
	}
	easy_give(p, first);
	return 0;
}

CURL *easy_take(struct easy_pool *p)
{
	CURL *easy;

	/* libcurl 7.88 leaves the buffers of an HTTP/2 stream that shared its connection in the
	 * handle, where a reset forgets their size, and then refuses CURLOPT_BUFFERSIZE: such a
	 * handle has had its day */
	while (p->n_idle > 0) {
		easy = p->idle[--p->n_idle];
		if (set_fixed(p, easy) == CURLE_OK) {
			return easy;
		}
		curl_easy_cleanup(easy);
	}
	easy = curl_easy_init();
	if (easy != NULL && set_fixed(p, easy) != CURLE_OK) {
		curl_easy_cleanup(easy);
		return NULL;
	}
	return easy;
}

void easy_give(struct easy_pool *p, CURL *easy)
{
	if (easy == NULL) {
		return;
	}
	if (p->n_idle == EASY_IDLE) {
		curl_easy_cleanup(easy);
		return;
	}
	curl_easy_reset(easy);
	p->idle[p->n_idle++] = easy;
}

void easy_pool_fini(struct easy_pool *p)
{
	while (p->n_idle > 0) {
		curl_easy_cleanup(p->idle[--p->n_idle]);
	}
	curl_share_cleanup(p->share);
	free(p->ca_file);
}
