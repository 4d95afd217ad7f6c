/*
 * daemon/http_listen.c: the control sockets: binding, adopting, and when not to accept.
 *
 * Accepting stops at the connection cap and when descriptors run out: then evhttp's listener
 * would be readable for ever and spin. One spare descriptor is kept, so that the operator
 * gets in at least once even then; after that the listener rests until the next sweep.
 */
#include "daemon/http_internal.h"

#include "lib/base/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#define BACKLOG 64
#define BACKLOG_TCP 512 /* a burst of webhooks, each on a connection of its own */

/* libevent hands its error callback evhttp's pointer instead of ours, so ours is looked up here. */
static struct http_listeners listeners = LIST_HEAD_INITIALIZER(listeners);

void http_listen_update(struct http *h)
{
	struct http_listener *l;

	if (h->spare_fd < 0) {
		h->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	LIST_FOREACH(l, &listeners, link)
	{
		if (l->h != h) {
			continue;
		}
		bool room = h->n_conns < h->o.max_connections && (!l->tcp || h->n_tcp < h->o.max_connections - h->o.max_connections / 8);

		if (room && !h->starved) {
			(void)evconnlistener_enable(l->lev);
		} else {
			(void)evconnlistener_disable(l->lev);
		}
	}
}

/* accept() failed for good: EMFILE, ENFILE, ENOBUFS or ENOMEM. */
static void on_error(struct evconnlistener *lev, void *arg)
{
	struct http_listener *l;
	struct http *h;

	(void)arg;
	LIST_FOREACH(l, &listeners, link)
	{
		if (l->lev == lev) {
			break;
		}
	}
	if (l == NULL) {
		return;
	}
	h = l->h;
	if (h->spare_fd >= 0) {
		(void)close(h->spare_fd); /* the connection that waits gets it at the next turn */
		h->spare_fd = -1;
		return;
	}
	h->starved = true;
	(void)evconnlistener_disable(lev);
	http_sweep_arm(h);
}

/* Takes fd when it succeeds. */
static int add(struct http *h, int fd, bool tcp, struct http_listener **ret, struct lead_error *err)
{
	struct http_listener *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	l->h = h;
	l->tcp = tcp;
	l->lev = evconnlistener_new(
	    h->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (l->lev == NULL) {
		free(l);
		return lead_fail(err, LEAD_ENOMEM, "out of memory");
	}
	l->bound = evhttp_bind_listener(tcp ? h->ev_tcp : h->ev, l->lev);
	if (l->bound == NULL) {
		abort(); /* out of memory */
	}
	evconnlistener_set_error_cb(l->lev, on_error);
	LIST_INSERT_HEAD(&listeners, l, link);
	http_listen_update(h);
	*ret = l;
	return 0;
}

/* Removes a socket file that nobody answers on; one in use, or no socket at all, is an error. */
static int remove_stale(const struct sockaddr_un *address, struct lead_error *err)
{
	const char *path = address->sun_path;
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) != 0) {
		return errno == ENOENT ? 0
				       : lead_fail(err, LEAD_EINPUT, "cannot look at %s: %s", path,
					     strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode)) {
		return lead_fail(err, LEAD_EINPUT, "%s exists and is no socket", path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return lead_fail(err, LEAD_EIO, "cannot make a socket: %s", strerror(errno));
	}
	rc = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
	(void)close(fd);
	if (rc != ECONNREFUSED) {
		return lead_fail(err, LEAD_EINPUT, "%s is in use%s%s", path,
		    rc == 0 || rc == EAGAIN ? " by another process" : ": ",
		    rc == 0 || rc == EAGAIN ? "" : strerror(rc));
	}
	if (unlink(path) != 0) {
		return lead_fail(err, LEAD_EINPUT, "cannot remove %s: %s", path, strerror(errno));
	}
	return 0;
}

/* What is wrong with the path is the configuration's mistake; a lack of descriptors or memory may be over at the next try. */
static enum lead_err listen_error(void)
{
	return errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS ? LEAD_EIO : LEAD_EINPUT;
}

/* The rights of the file are set by the mask alone, so that there is no moment without them. */
static int bind_unix(const struct sockaddr_un *address, struct lead_error *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mode_t mask = umask(0117);
	int rc;

	rc = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)address, sizeof(*address));
	umask(mask);
	if (rc == 0) {
		rc = listen(fd, BACKLOG);
	}
	if (rc != 0) {
		rc = lead_fail(err, listen_error(), "cannot listen on %s: %s", address->sun_path,
		    strerror(errno));
		if (fd >= 0) {
			(void)close(fd);
		}
		return rc;
	}
	return fd;
}

int http_listen_unix(struct http *h, const char *path, struct lead_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct http_listener *l;
	struct stat st;
	int fd, rc;

	if (path[0] == '\0' || strlen(path) >= sizeof(address.sun_path)) {
		return lead_fail(err, LEAD_EINPUT, "socket path %s: at most %zu bytes are possible",
		    path, sizeof(address.sun_path) - 1);
	}
	strcpy(address.sun_path, path);
	rc = remove_stale(&address, err);
	if (rc != 0) {
		return rc;
	}
	fd = bind_unix(&address, err);
	if (fd < 0) {
		return fd;
	}
	rc = add(h, fd, false, &l, err);
	if (rc != 0) {
		(void)close(fd);
		return rc;
	}
	l->path = strdup(path);
	if (l->path != NULL && stat(path, &st) == 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
		h->group = st.st_gid;
	}
	return 0;
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

int http_listen_fd(struct http *h, int fd, struct lead_error *err)
{
	struct sockaddr_un address = {0};
	socklen_t len = sizeof(address) - 1;
	struct http_listener *l;
	struct stat st;
	int flags = fcntl(fd, F_GETFL);
	int rc;

	/* Only there does the kernel name the peer, which is what the rights rest on. */
	if (flags < 0 || option(fd, SO_DOMAIN) != AF_UNIX || option(fd, SO_TYPE) != SOCK_STREAM ||
	    option(fd, SO_ACCEPTCONN) != 1) {
		return lead_fail(err, LEAD_EINPUT,
		    "passed descriptor %d is no listening Unix stream socket", fd);
	}
	/* systemd passes it blocking by default; evhttp's accept loop would then never come back.
	 */
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
		return lead_fail(err, LEAD_EINPUT, "passed descriptor %d: %s", fd, strerror(errno));
	}
	rc = add(h, fd, false, &l, err);
	if (rc == 0 && getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
	    address.sun_path[0] != '\0' && stat(address.sun_path, &st) == 0) {
		h->group = st.st_gid;
	}
	return rc;
}

/* As the kernel wants it. */
static socklen_t socket_address(const struct endpoint *at, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (at->v6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(at->port);
		memcpy(&v6->sin6_addr, at->address, 16);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(at->port);
	memcpy(&v4->sin_addr, at->address, 4);
	return sizeof(*v4);
}

/* A listening socket; the port it got. Below 0 with errno. */
static int bind_tcp(const struct endpoint *at, uint16_t *ret_port)
{
	struct sockaddr_storage address;
	socklen_t len = socket_address(at, &address);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, failed;

	if (fd < 0) {
		return -1;
	}
	/* what is left of a daemon before us must not keep the port; [::]:80 shall not take 0.0.0.0:80 with it */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (at->v6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	}
	if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG_TCP) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
		failed = errno;
		(void)close(fd);
		errno = failed;
		return -1;
	}
	*ret_port = ntohs(at->v6 ? ((struct sockaddr_in6 *)&address)->sin6_port : ((struct sockaddr_in *)&address)->sin_port);
	return fd;
}

int http_listen_tcp(struct http *h, const struct endpoint *at, uint16_t *ret_port, struct lead_error *err)
{
	struct http_listener *l;
	char text[ENDPOINT_TEXT];
	int fd, rc;

	if (h->ev_tcp == NULL) {
		h->ev_tcp = http_ev_new(h);
		if (h->ev_tcp == NULL) {
			return lead_fail(err, LEAD_ENOMEM, "out of memory");
		}
		http_conn_serve(h, h->ev_tcp, true);
	}
	fd = bind_tcp(at, ret_port);
	if (fd < 0) {
		endpoint_write(at, text);
		return lead_fail(err, listen_error(), "cannot listen on %s: %s", text, strerror(errno));
	}
	rc = add(h, fd, true, &l, err);
	if (rc != 0) {
		(void)close(fd);
	}
	return rc;
}

void http_close_listeners(struct http *h)
{
	struct http_listener *l = LIST_FIRST(&listeners), *next;
	struct stat st;

	for (; l != NULL; l = next) {
		next = LIST_NEXT(l, link);
		if (l->h != h) {
			continue;
		}
		LIST_REMOVE(l, link);
		evhttp_del_accept_socket(l->tcp ? h->ev_tcp : h->ev, l->bound);
		/* A newer daemon may have put its own there already. */
		if (l->path != NULL && stat(l->path, &st) == 0 && st.st_dev == l->dev &&
		    st.st_ino == l->ino) {
			(void)unlink(l->path);
		}
		free(l->path);
		free(l);
	}
}
