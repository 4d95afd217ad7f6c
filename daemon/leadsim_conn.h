/* daemon/leadsim_conn.h: between the two halves of leadsim's server: listening and connections. */
#pragma once

#include "daemon/leadsim_http.h"

#include <event2/event_struct.h>

struct evconnlistener;
struct conn;

struct sim_server {
	struct event_base *base;
	struct sim_options o;
	struct evconnlistener *listener;
	struct event accept_again;
	struct conn *conns; /* newest first */
	size_t n_conns;
};

/* Takes fd (non-blocking) and reads from it. False: out of memory, fd is closed. */
bool sim_conn_new(struct sim_server *s, int fd);
void sim_conn_free(struct conn *c);
/* A connection has ended: there may be room for another. */
void sim_conn_left(struct sim_server *s);
