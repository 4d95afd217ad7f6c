/*
 * daemon/call.h: one call of daemon/fetch and what all of them share. Internal to fetch.
 *
 *   STARTING -> RESOLVING -> STARTING -> RUNNING -> ENDED -> delivered
 *      '---- address known ----'            |         ^
 *      '--- deadline, cancel, no address ---'---------'
 *
 * STARTING and ENDED calls stand in lists that one zero-delay event works off (fetch.c). Only there
 * handles enter and leave libcurl and results go out; everything else, libcurl's callbacks
 * included, moves calls between the lists.
 */
#pragma once

#include "daemon/easy.h"
#include "daemon/fetch.h"
#include "daemon/multi.h"
#include "daemon/origin.h"
#include "daemon/resolve.h"
#include "daemon/transfer.h"

#include <event2/event_struct.h>
#include <sys/queue.h>
#include <uthash.h>

enum call_state { CALL_STARTING, CALL_RESOLVING, CALL_RUNNING, CALL_ENDED };

struct call {
	struct transfer transfer;
	UT_hash_handle hh;
	TAILQ_ENTRY(call) link; /* STARTING, ENDED */
	struct resolve_wait wait;
	struct event deadline;
	struct fetch *fetch;
	uint64_t id;
	enum call_state state;
	bool resolved;
	int64_t connect_at_us, total_at_us;
	struct http_answer answer; /* ENDED: transport, why, status */
	CURL *easy;                /* since RUNNING */
	struct shard *shard;
	unsigned shard_index;
};

TAILQ_HEAD(call_list, call);

struct fetch {
	struct event_base *base;
	struct fetch_events events;
	unsigned max_in_flight;
	bool allow_private, forget, draining_soon;
	struct event *drain;
	struct call_list starting, ended;
	struct call *calls; /* all of them, by id */
	struct resolver *resolver;
	struct multi *multi;
	struct easy_pool easies;
	struct origins origins;
	struct http_header headers[INCOMING_HEADERS];
};

/* Copies the request, sets the deadlines; the call is in no list yet. */
int call_new(struct fetch *f, uint64_t id, const struct request *r, struct call **ret,
    struct lead_error *err) MUST_CHECK;
void call_enter_starting(struct call *c);
/* The only way out of a call, from whatever callback found the end of it. The first end counts. */
void call_end(struct call *c, enum transport transport, const char *why);
/* Takes a STARTING call to the resolver, into libcurl, or to its end. */
void call_go(struct call *c);
/* Out of libcurl and the table, to the owner, and freed. It must be in no list. */
void call_deliver(struct call *c);
/* The same without the owner, from any state. */
void call_free(struct call *c);
/* For multi_options. */
void call_on_finished(void *fetch, CURL *easy, CURLcode result);
/* Runs the drain in the loop's next turn. */
void fetch_drain_soon(struct fetch *f);
