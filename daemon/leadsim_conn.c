/*
 * daemon/leadsim_conn.c: one client's connection.
 *
 *             READING --whole request--> world --> WAITING (the plan's delay)
 *                ^                                    | on_timer
 *                |                                    v
 *                '--- all written: delivered --- SENDING (pieces of a drip: on_timer, too)
 *
 * RESET and CUT end the connection after the delay, HANG stays in WAITING without a timer. A client
 * that goes away is noticed in every state, because reading stays on.
 */
#include "daemon/leadsim_conn.h"

#include "daemon/clock.h"
#include "daemon/leadsim_later.h"
#include "daemon/leadsim_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "lib/sim/scenario.h"

#define HEAD_BYTES_MAX ((size_t)32 << 10)
#define READ_AHEAD_MAX ((size_t)64 << 10) /* pipelined bytes taken while an answer is owed */
#define PAD_BYTES ((size_t)16 << 10)
#define RECENT 64 /* answers of one connection that can still come into doubt */

enum conn_state { CONN_READING, CONN_WAITING, CONN_SENDING };

struct conn {
	struct sim_server *server;
	struct conn *prev, *next;
	int fd;
	enum conn_state state;
	struct event readable, writable, timer;
	struct evbuffer *in, *out;
	struct evbuffer *held; /* the part of a dripped body that is not due yet; NULL: no drip */
	size_t head_bytes, body_bytes; /* of the request being read; head 0: not known yet */
	size_t pad_left;
	enum world_end end;
	size_t drip_bytes;
	int64_t drip_us;
	uint64_t token; /* of the answer under way */
	struct delivered {
		uint64_t token;
		int64_t at_us; /* boot clock */
	} recent[RECENT];      /* a ring */
	size_t n_delivered;
	bool close, paused, continued;
};

static void after(struct event *e, int64_t us)
{
	struct timeval tv = {us / US_PER_S, us % US_PER_S};

	event_add(e, &tv);
}

void sim_conn_free(struct conn *c)
{
	struct sim_server *s = c->server;

	event_del(&c->readable);
	event_del(&c->writable);
	event_del(&c->timer);
	evbuffer_free(c->in);
	evbuffer_free(c->out);
	if (c->held != NULL) {
		evbuffer_free(c->held);
	}
	close(c->fd);
	*(c->prev != NULL ? &c->prev->next : &s->conns) = c->next;
	if (c->next != NULL) {
		c->next->prev = c->prev;
	}
	free(c);
	s->n_conns--;
	sim_conn_left(s);
}

/* The client is gone. Answers it got just before may never have been acted on. */
static void conn_lost(struct conn *c)
{
	int64_t since_us = clock_boot_us() - world_scenario(c->server->o.world)->doubt_us;
	size_t n = c->n_delivered < RECENT ? c->n_delivered : RECENT;

	for (size_t i = 0; i < n; i++) {
		if (c->recent[i].at_us > since_us) {
			world_doubted(c->server->o.world, c->recent[i].token);
		}
	}
	sim_conn_free(c);
}

/* --- sending --- */

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {206, "Partial Content"},
	    {207, "Multi-Status"}, {400, "Bad Request"}, {401, "Unauthorized"},
	    {402, "Payment Required"}, {403, "Forbidden"}, {404, "Not Found"},
	    {405, "Method Not Allowed"}, {409, "Conflict"}, {411, "Length Required"},
	    {413, "Content Too Large"}, {422, "Unprocessable Entity"}, {429, "Too Many Requests"},
	    {500, "Internal Server Error"}, {502, "Bad Gateway"}, {503, "Service Unavailable"}};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].status == status) {
			return reasons[i].text;
		}
	}
	return "Unknown";
}

static void add_head(
    struct conn *c, int status, size_t content_length, const struct world_header *headers, size_t n)
{
	evbuffer_add_printf(c->out, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n", status,
	    reason_of(status), content_length);
	for (size_t i = 0; i < n; i++) {
		evbuffer_add_printf(c->out, "%s: %s\r\n", headers[i].name, headers[i].value);
	}
	if (c->close) {
		evbuffer_add(c->out, "Connection: close\r\n", 19);
	}
	evbuffer_add(c->out, "\r\n", 2);
}

/* An answer that no world gave: bad requests and /_sim/. */
static void add_plain(struct conn *c, int status, const void *body, size_t len)
{
	static const struct world_header json = {"Content-Type", "application/json"};

	c->end = WORLD_ANSWER;
	add_head(c, status, len, &json, 1);
	evbuffer_add(c->out, body, len);
}

/* The whole answer has left. */
static void conn_finish(struct conn *c)
{
	if (c->end == WORLD_ANSWER && c->token != 0) {
		struct now now = clock_now();

		world_delivered(c->server->o.world, c->token, now);
		c->recent[c->n_delivered++ % RECENT] = (struct delivered){c->token, now.boot_us};
	}
	c->token = 0;
	if (c->end == WORLD_CUT || c->close) {
		shutdown(c->fd, SHUT_WR);
		sim_conn_free(c);
		return;
	}
	if (c->held != NULL) {
		evbuffer_free(c->held);
		c->held = NULL;
	}
	c->state = CONN_READING;
	if (c->paused) {
		c->paused = false;
		event_add(&c->readable, NULL);
	}
	if (evbuffer_get_length(c->in) > 0) {
		event_active(&c->readable, EV_READ,
		    0); /* the next request may be here already; not from within this one */
	}
}

/* Refills the output from what is held back. False: nothing more will come. */
static bool conn_refill(struct conn *c)
{
	char spaces[PAD_BYTES];
	size_t n;

	if (c->held != NULL && evbuffer_get_length(c->held) > 0) {
		evbuffer_remove_buffer(c->held, c->out, c->drip_bytes);
		return true;
	}
	if (c->pad_left > 0) {
		n = c->pad_left < PAD_BYTES ? c->pad_left : PAD_BYTES;
		memset(spaces, ' ', n);
		evbuffer_add(c->out, spaces, n);
		c->pad_left -= n;
		return true;
	}
	return false;
}

/* Writes what it can. c may be gone afterwards. */
static void conn_send(struct conn *c)
{
	c->state = CONN_SENDING;
	for (;;) {
		while (evbuffer_get_length(c->out) > 0) {
			int n = evbuffer_write(c->out, c->fd);

			if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
				event_add(&c->writable, NULL);
				return;
			}
			if (n <= 0) {
				conn_lost(c);
				return;
			}
		}
		if (c->held != NULL && evbuffer_get_length(c->held) > 0) {
			after(&c->timer, c->drip_us);
			return;
		}
		if (!conn_refill(c)) {
			conn_finish(c);
			return;
		}
	}
}

static void conn_reset(struct conn *c)
{
	struct linger now = {1, 0};

	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	sim_conn_free(c);
}

/* The delay is over, or the next piece of a drip is due. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	if (c->state == CONN_WAITING && c->end == WORLD_RESET) {
		conn_reset(c);
		return;
	}
	if (c->state == CONN_SENDING) {
		(void)conn_refill(c);
	}
	conn_send(c);
}

static void on_sent(evutil_socket_t fd, short what, void *arg)
{
	conn_send(arg);
}

/* c may be gone afterwards. */
static void conn_start(struct conn *c, int64_t delay_us)
{
	c->state = CONN_WAITING;
	if (delay_us > 0) {
		after(&c->timer, delay_us);
	} else if (c->end == WORLD_RESET) {
		conn_reset(c);
	} else {
		conn_send(c);
	}
}

static void carry_out(struct conn *c, const struct world_plan *p)
{
	size_t sent = p->body_len - (p->cut_bytes < p->body_len ? p->cut_bytes : p->body_len);

	c->end = p->end;
	c->token = p->token;
	if (p->end == WORLD_HANG) {
		c->state = CONN_WAITING;
		return;
	}
	if (p->end != WORLD_RESET) {
		add_head(c, p->status, p->body_len + p->pad_bytes, p->headers, p->n_headers);
		c->pad_left = p->pad_bytes;
		c->drip_bytes = p->drip_bytes;
		c->drip_us = p->drip_us;
		c->held = p->drip_bytes > 0 ? evbuffer_new() : NULL;
		evbuffer_add(c->held != NULL ? c->held : c->out, p->body, sent);
	}
	conn_start(c, p->arrival_us + p->delay_us - clock_boot_us());
}

/* One whole request lies at the beginning of the input. */
static void conn_answer(struct conn *c)
{
	size_t whole = c->head_bytes + c->body_bytes;
	struct now now = clock_now(); /* the arrival */
	char *head = (char *)evbuffer_pullup(c->in, (ssize_t)whole);
	struct world_plan plan;
	struct sim_reply reply = {.status = 200, .body = {.max = (size_t)1 << 31}};
	struct sim_request q;

	c->continued = false;
	if (head == NULL || memchr(head, '\0', c->head_bytes) != NULL || !sim_parse(head, &q)) {
		c->close = true;
		add_plain(c, 400, "{\"error\":\"bad request\"}", 23);
		conn_start(c, 0);
		return;
	}
	c->close = q.close;
	q.r.body = head + c->head_bytes;
	q.r.body_len = c->body_bytes;
	c->head_bytes = c->body_bytes = 0;
	if (strncmp(q.r.path, "/_sim/", 6) == 0) {
		c->server->o.own(c->server->o.arg, &q.r, &reply);
		evbuffer_drain(c->in, whole);
		add_plain(c, reply.body.failed ? 500 : reply.status, reply.body.data,
		    reply.body.failed ? 0 : reply.body.len);
		buf_free(&reply.body);
		conn_start(c, 0);
		return;
	}
	world_handle(c->server->o.world, &q.r, now, &plan);
	later_queue_add(c->server->o.later, &plan);
	evbuffer_drain(c->in, whole);
	carry_out(c, &plan);
}

static void refuse_request(struct conn *c, int status, const char *text)
{
	c->close = true;
	add_plain(c, status, text, strlen(text));
	conn_start(c, 0);
}

/* Whether a whole request is there; a request that cannot be is answered. c may be gone when it is
 * not. */
static bool conn_ready(struct conn *c)
{
	struct evbuffer_ptr end;
	size_t length = evbuffer_get_length(c->in);
	bool expect;

	if (c->head_bytes == 0) {
		end = evbuffer_search(c->in, "\r\n\r\n", 4, NULL);
		if (end.pos < 0 && length <= HEAD_BYTES_MAX) {
			return false;
		}
		if (end.pos < 0 || (size_t)end.pos > HEAD_BYTES_MAX) {
			refuse_request(c, 400, "{\"error\":\"the head is too large\"}");
			return false;
		}
		c->head_bytes = (size_t)end.pos + 4;
		c->body_bytes =
		    sim_body_bytes((const char *)evbuffer_pullup(c->in, (ssize_t)c->head_bytes),
			c->head_bytes, &expect);
		if (c->body_bytes == SIZE_MAX) {
			refuse_request(c, 411,
			    "{\"error\":\"a body needs one Content-Length of at most 1 MiB\"}");
			return false;
		}
		if (expect && !c->continued) {
			c->continued = true;
			(void)!write(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		}
	}
	return length >= c->head_bytes + c->body_bytes;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	int n = evbuffer_read(c->in, fd, (int)READ_AHEAD_MAX);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		conn_lost(c);
		return;
	}
	if (c->state == CONN_READING) {
		if (conn_ready(c)) {
			conn_answer(c);
		}
	} else if (evbuffer_get_length(c->in) > READ_AHEAD_MAX) {
		c->paused = true;
		event_del(&c->readable);
	}
}

bool sim_conn_new(struct sim_server *s, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	int yes = 1;

	if (c != NULL) {
		c->in = evbuffer_new();
		c->out = evbuffer_new();
	}
	if (c == NULL || c->in == NULL || c->out == NULL) {
		if (c != NULL && c->in != NULL) {
			evbuffer_free(c->in);
		}
		free(c);
		close(fd);
		return false;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	c->server = s;
	c->fd = fd;
	event_assign(&c->readable, s->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->writable, s->base, fd, EV_WRITE, on_sent, c);
	evtimer_assign(&c->timer, s->base, on_timer, c);
	event_add(&c->readable, NULL);
	c->next = s->conns;
	if (c->next != NULL) {
		c->next->prev = c;
	}
	s->conns = c;
	s->n_conns++;
	return true;
}
