/* daemon/leadsim_http.c: the listening side of leadsim's server; connections are in leadsim_conn.c.
 */
#include "daemon/leadsim_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include <event2/event.h>
#include <event2/listener.h>

#define CONNECTIONS_MAX 10000

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
    int len, void *arg)
{
	struct sim_server *s = arg;

	if (sim_conn_new(s, fd) && s->n_conns == CONNECTIONS_MAX) {
		evconnlistener_disable(listener);
	}
}

void sim_conn_left(struct sim_server *s)
{
	if (s->n_conns == CONNECTIONS_MAX - 1) {
		evconnlistener_enable(s->listener);
	}
}

/* Out of descriptors: without a pause libevent would ask again at once, for ever. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct sim_server *s = arg;

	evconnlistener_disable(listener);
	event_add(&s->accept_again, &(struct timeval){0, 100000});
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
	struct sim_server *s = arg;

	if (s->n_conns < CONNECTIONS_MAX) {
		evconnlistener_enable(s->listener);
	}
}

int sim_server_new(struct event_base *base, const struct sim_options *o,
    const struct sockaddr *address, int address_len, struct sim_server **ret,
    struct lead_error *err)
{
	struct sim_server *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	s->base = base;
	s->o = *o;
	evtimer_assign(&s->accept_again, base, on_accept_again, s);
	s->listener = evconnlistener_new_bind(base, on_accept, s,
	    LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 1024, address,
	    address_len);
	if (s->listener == NULL) {
		free(s);
		return lead_fail(err, LEAD_EIO, "cannot listen: %s", strerror(errno));
	}
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	*ret = s;
	return 0;
}

uint16_t sim_server_port(const struct sim_server *s)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&address, &len) !=
	    0) {
		return 0;
	}
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
						   : ((struct sockaddr_in *)&address)->sin_port);
}

size_t sim_server_connections(const struct sim_server *s)
{
	return s->n_conns;
}

void sim_server_free(struct sim_server *s)
{
	if (s != NULL) {
		while (s->conns != NULL) {
			sim_conn_free(s->conns);
		}
		event_del(&s->accept_again);
		evconnlistener_free(s->listener);
		free(s);
	}
}
