/*
 * daemon/leadsim_http.h: a small HTTP/1.1 server that can break its answers exactly.
 *
 * Own sockets instead of evhttp or bufferevents: a reset, a cut, a drip and a whole answer must
 * differ to the byte, and the moment a request was complete must be known. One thread, keep-alive,
 * pipelining, bodies with Content-Length up to 1 MiB.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/sim/world.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct later_queue;
struct sim_server;
struct sockaddr;

/* The answer to a request below /_sim/. */
struct sim_reply {
	int status;
	struct buf body; /* JSON; freed by the server */
};

struct sim_options {
	struct world *world; /* outlives the server */
	struct later_queue *later; /* outlives it, too */
	/* Fills *reply. */
	void (*own)(void *arg, const struct world_request *r, struct sim_reply *reply);
	void *arg;
};

/* Binds and listens. LEAD_EIO: it cannot, err says why. */
int sim_server_new(struct event_base *base, const struct sim_options *o,
    const struct sockaddr *address, int address_len, struct sim_server **ret,
    struct lead_error *err) MUST_CHECK;
/* The port it listens on. */
uint16_t sim_server_port(const struct sim_server *s);
size_t sim_server_connections(const struct sim_server *s);
void sim_server_free(struct sim_server *s); /* NULL is fine */
