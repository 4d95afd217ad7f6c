/*
 * tests/unit/fetch_harness.h: one daemon/fetch on a loop with a web server and a name server of our
 * own, and a record of everything it says about each call.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/clock.h"
#include "daemon/fetch.h"
#include "tests/unit/dns_stub.h"
#include "tests/unit/web_stub.h"

#include <signal.h>
#include <stdlib.h>

#define MAX_CALLS 2100

struct result {
	int sent, first, done;
	enum transport transport;
	char why[64];
	int status;
	char *body;
	size_t body_len;
	size_t n_headers;
	char header[64]; /* value of the one named in `wanted` */
	int64_t sent_us, first_us;
	int64_t answer_sent_us, answer_first_us, end_us;
};

static struct event_base *loop;
static struct web_stub web;
static struct dns_stub dns;
static struct fetch *fetch;
static struct result results[MAX_CALLS];
static int ended;
static const char *wanted;
static bool inside; /* a function of fetch.h */
static void (*also_on_sent)(uint64_t id);
static void (*also_on_done)(uint64_t id);

/* --- what comes back --- */

static void on_sent(void *arg, uint64_t id, int64_t boot_us)
{
	(void)arg;
	assert_false(inside);
	results[id].sent++;
	results[id].sent_us = boot_us;
	if (also_on_sent != NULL) {
		also_on_sent(id);
	}
}

static void on_first_byte(void *arg, uint64_t id, int64_t boot_us)
{
	(void)arg;
	assert_int_equal(results[id].done, 0);
	results[id].first++;
	results[id].first_us = boot_us;
}

static void on_done(void *arg, uint64_t id, const struct http_answer *a, char *body)
{
	struct result *r = &results[id];

	assert_ptr_equal(arg, results);
	assert_false(inside);
	assert_ptr_equal(body, a->body);
	r->done++;
	r->transport = a->transport;
	snprintf(r->why, sizeof(r->why), "%s", a->why != NULL ? a->why : "");
	r->status = a->status;
	free(r->body);
	r->body = body;
	r->body_len = a->body_len;
	r->n_headers = a->n_headers;
	for (size_t i = 0; wanted != NULL && i < a->n_headers; i++) {
		if (strcasecmp(a->headers[i].name, wanted) == 0) {
			snprintf(r->header, sizeof(r->header), "=%s", a->headers[i].value);
		}
	}
	r->answer_sent_us = a->sent_us;
	r->answer_first_us = a->first_byte_us;
	r->end_us = a->end_us;
	ended++;
	if (also_on_done != NULL) {
		also_on_done(id);
	}
}

/* --- set-up --- */

static void open_fetch(const struct fetch_options *o)
{
	struct fetch_events events = {
	    .sent = on_sent, .first_byte = on_first_byte, .done = on_done, .arg = results};
	struct lead_error err;

	fetch_free(fetch);
	fetch = NULL;
	if (fetch_new(loop, o, &events, &fetch, &err) != 0) {
		fail_msg("%s", err.text);
	}
}

static int setup(void **state)
{
	struct fetch_options o = {.allow_private = true};

	(void)state;
	loop = event_base_new();
	assert_int_equal(web_start(&web, loop), 0);
	assert_int_equal(dns_start(&dns, loop), 0);
	o.dns_servers = dns.server;
	open_fetch(&o);
	ended = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fetch_free(fetch);
	fetch = NULL;
	dns_stop(&dns);
	web_stop(&web);
	event_base_free(loop);
	for (int i = 0; i < MAX_CALLS; i++) {
		free(results[i].body);
	}
	memset(results, 0, sizeof(results));
	also_on_sent = NULL;
	also_on_done = NULL;
	wanted = NULL;
	return 0;
}

static const char *url_of(const char *host, const char *path)
{
	static char urls[4][128];
	static unsigned turn;
	char *url = urls[turn++ % 4];

	snprintf(url, sizeof(urls[0]), "http://%s:%u%s", host, web.port, path);
	return url;
}

static int start(uint64_t id, const struct request *r, struct lead_error *err)
{
	int rc;

	inside = true;
	rc = fetch_start(fetch, id, r, err);
	inside = false;
	return rc;
}

static void get(uint64_t id, const char *url)
{
	struct request r = {
	    .method = "GET", .url = url, .connect_us = 5 * US_PER_S, .total_us = 10 * US_PER_S};
	struct lead_error err;

	if (start(id, &r, &err) != 0) {
		fail_msg("%s", err.text);
	}
}

static void wait_all(int n)
{
	int64_t end = clock_boot_us() + 60 * US_PER_S;

	while (ended < n && clock_boot_us() < end) {
		event_base_loop(loop, EVLOOP_ONCE);
	}
	assert_int_equal(ended, n);
	ended = 0;
}

static void spin_ms(int ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_base_loopexit(loop, &wait);
	event_base_dispatch(loop);
}

static inline const struct result *get_now(uint64_t id, const char *path)
{
	get(id, url_of("127.0.0.1", path));
	wait_all(1);
	assert_int_equal(results[id].done, 1);
	return &results[id];
}

static void assert_end(uint64_t id, enum transport transport, const char *why)
{
	const struct result *r = &results[id];

	if (r->done != 1 || r->transport != transport || strcmp(r->why, why) != 0) {
		fail_msg(
		    "call %d: done %d, transport %d, `%s`", (int)id, r->done, r->transport, r->why);
	}
	if (transport != TRANSPORT_ANSWERED) {
		assert_null(r->body);
	}
	assert_int_equal(r->sent, transport != TRANSPORT_UNSENT);
	assert_int_equal(r->answer_sent_us != 0, r->sent);
	assert_int_equal(r->answer_first_us != 0, r->first);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
