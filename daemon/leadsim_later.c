/*
 * daemon/leadsim_later.c: one request of the world's own.
 *
 *   later_queue_add -> WAITING --timer--> connect, send, read the status line --2xx--> delivered
 *                         ^                             |
 *                         '----- wait, twice as long ---'  5 times, then failed
 *
 * Each is a connection of its own; of the answer only the status counts.
 */
#include "daemon/leadsim_later.h"

#include "daemon/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#define TRIES 5
#define ANSWER_S 30

struct later {
	struct later_queue *queue;
	struct later *prev, *next;
	struct event timer;
	struct bufferevent *connection; /* NULL: waiting */
	struct sockaddr_in to;
	char *request; /* head and body */
	size_t len;
	uint64_t token;
	unsigned tries;
};

struct later_queue {
	struct event_base *base;
	struct world *world;
	struct later *list;
	struct later_counts counts;
};

struct later_queue *later_queue_new(struct event_base *base, struct world *w)
{
	struct later_queue *q = calloc(1, sizeof(*q));

	if (q != NULL) {
		q->base = base;
		q->world = w;
	}
	return q;
}

static void later_free(struct later *l)
{
	struct later_queue *q = l->queue;

	event_del(&l->timer);
	if (l->connection != NULL) {
		bufferevent_free(l->connection);
	}
	*(l->prev != NULL ? &l->prev->next : &q->list) = l->next;
	if (l->next != NULL) {
		l->next->prev = l->prev;
	}
	q->counts.waiting--;
	free(l->request);
	free(l);
}

void later_queue_clear(struct later_queue *q)
{
	while (q->list != NULL) {
		later_free(q->list);
	}
	q->counts = (struct later_counts){0};
}

void later_queue_free(struct later_queue *q)
{
	if (q != NULL) {
		later_queue_clear(q);
		free(q);
	}
}

struct later_counts later_queue_counts(const struct later_queue *q)
{
	return q->counts;
}

static void wait_for(struct later *l, int64_t us)
{
	us = us > 0 ? us : 0;
	event_add(&l->timer, &(struct timeval){us / US_PER_S, us % US_PER_S});
}

/* The only way out of a try. l may be gone afterwards. */
static void later_tried(struct later *l, bool delivered)
{
	struct later_queue *q = l->queue;

	if (l->connection != NULL) {
		bufferevent_free(l->connection);
		l->connection = NULL;
	}
	if (!delivered && ++l->tries < TRIES) {
		wait_for(l, US_PER_S << (l->tries - 1));
		return;
	}
	if (delivered) {
		q->counts.delivered++;
		world_delivered(q->world, l->token, clock_now());
	} else {
		q->counts.failed++;
	}
	later_free(l);
}

static void on_read(struct bufferevent *b, void *arg)
{
	char line[16] = "";

	if (evbuffer_copyout(bufferevent_get_input(b), line, 12) == 12) {
		later_tried(
		    arg, strncmp(line, "HTTP/1.", 7) == 0 && line[8] == ' ' && line[9] == '2');
	}
}

static void on_event(struct bufferevent *b, short what, void *arg)
{
	(void)b;
	if ((what & (BEV_EVENT_ERROR | BEV_EVENT_EOF | BEV_EVENT_TIMEOUT)) != 0) {
		later_tried(arg, false);
	}
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	struct later *l = arg;

	(void)fd;
	(void)what;
	l->connection = bufferevent_socket_new(l->queue->base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (l->connection == NULL) {
		later_tried(l, false);
		return;
	}
	bufferevent_setcb(l->connection, on_read, NULL, on_event, l);
	bufferevent_set_timeouts(
	    l->connection, &(struct timeval){ANSWER_S, 0}, &(struct timeval){ANSWER_S, 0});
	(void)bufferevent_write(l->connection, l->request, l->len);
	(void)bufferevent_enable(l->connection, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(l->connection, (struct sockaddr *)&l->to, sizeof(l->to)) !=
	    0) {
		later_tried(l, false);
	}
}

/* `http://127.0.0.1:8080/path?query`; loopback only. *ret_path: the rest behind the host. */
static bool read_url(const char *url, struct sockaddr_in *ret, const char **ret_path)
{
	char host[64];
	const char *at = url + 7;
	size_t len = strncmp(url, "http://", 7) == 0 ? strcspn(at, "/") : 0;
	char *colon;
	long port;

	if (len == 0 || len >= sizeof(host) || strpbrk(url, " \r\n") != NULL) {
		return false;
	}
	memcpy(host, at, len);
	host[len] = '\0';
	colon = strchr(host, ':');
	port = colon != NULL ? strtol(colon + 1, NULL, 10) : 80;
	if (colon != NULL) {
		*colon = '\0';
	}
	*ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	*ret_path = at[len] == '/' ? at + len : "/";
	return port > 0 && port <= 65535 &&
	       inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
		   &ret->sin_addr) == 1 &&
	       ntohl(ret->sin_addr.s_addr) >> 24 == 127;
}

/* False: out of memory. */
static bool write_request(struct later *l, const struct world_later *from, const char *path)
{
	char head[2048];
	int n = snprintf(head, sizeof(head),
	    "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: "
	    "application/json\r\nContent-Length: %zu\r\n"
	    "User-Agent: leadsim\r\nConnection: close\r\n\r\n",
	    path, ntohs(l->to.sin_port), from->body_len);

	if (n < 0 || (size_t)n >= sizeof(head)) {
		return false;
	}
	l->len = (size_t)n + from->body_len;
	l->request = malloc(l->len);
	if (l->request != NULL) {
		memcpy(l->request, head, (size_t)n);
		memcpy(l->request + n, from->body, from->body_len);
	}
	return l->request != NULL;
}

static void add_one(struct later_queue *q, const struct world_later *from, int64_t arrival_us)
{
	struct later *l = calloc(1, sizeof(*l));
	const char *path;

	if (l == NULL || !read_url(from->url, &l->to, &path) || !write_request(l, from, path)) {
		q->counts.failed++;
		free(l);
		return;
	}
	l->queue = q;
	l->token = from->token;
	evtimer_assign(&l->timer, q->base, on_due, l);
	l->next = q->list;
	if (l->next != NULL) {
		l->next->prev = l;
	}
	q->list = l;
	q->counts.waiting++;
	wait_for(l, arrival_us + from->after_us - clock_boot_us());
}

void later_queue_add(struct later_queue *q, const struct world_plan *p)
{
	for (size_t i = 0; i < p->n_later; i++) {
		add_one(q, &p->later[i], p->arrival_us);
	}
}
