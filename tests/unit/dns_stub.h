/*
 * tests/unit/dns_stub.h: a UDP name server for tests, on the test's own event base.
 *
 * The first label of the name says what happens: `missing` does not exist, `silent` is never
 * answered, `broken` is a server failure; everything else has the address 127.0.0.1 and no IPv6
 * one.
 */
#pragma once

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DNS_HELD 1024
#define DNS_BURST 32

struct dns_stub {
	struct event *read, *later;
	int fd;
	char server[32]; /* `127.0.0.1:port` */
	int queries;
	bool silent, broken; /* whatever the name */
	int delay_ms;        /* then the answers held so far go out */
	size_t n_held;
	struct {
		struct sockaddr_in from;
		uint8_t bytes[512];
		size_t len;
	} held[DNS_HELD];
};

static size_t dns_answer(uint8_t *q, size_t len, bool broken)
{
	static const uint8_t address[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1};
	size_t end = 12;

	while (end < len && q[end] != 0) {
		end += q[end] + 1u;
	}
	end += 5; /* the root label, type, class */
	q[2] = 0x81;
	q[3] = 0x80;
	memset(q + 6, 0, 6); /* no answer, no authority, no additional */
	if (broken || memcmp(q + 13, "broken", 6) == 0) {
		q[3] |= 2;
	} else if (memcmp(q + 13, "missing", 7) == 0) {
		q[3] |= 3;
	} else if (q[end - 3] == 1) {
		q[7] = 1;
		memcpy(q + end, address, sizeof(address));
		return end + sizeof(address);
	}
	return end;
}

static void dns_flush(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval pause = {.tv_usec = 1000};
	struct dns_stub *s = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < DNS_BURST && s->n_held > 0;
	     i++) { /* the asking socket's buffer is small */
		s->n_held--;
		sendto(s->fd, s->held[s->n_held].bytes, s->held[s->n_held].len, 0,
		    (struct sockaddr *)&s->held[s->n_held].from, sizeof(s->held[0].from));
	}
	if (s->n_held > 0) {
		event_add(s->later, &pause);
	}
}

static void dns_read(evutil_socket_t fd, short what, void *arg)
{
	struct dns_stub *s = arg;
	struct timeval wait = {.tv_usec = s->delay_ms * 1000};

	(void)what;
	for (;;) {
		uint8_t *q = s->held[s->n_held].bytes;
		socklen_t len = sizeof(s->held[0].from);
		ssize_t n = recvfrom(
		    fd, q, 400, MSG_DONTWAIT, (struct sockaddr *)&s->held[s->n_held].from, &len);

		if (n < 17) {
			break;
		}
		s->queries++;
		if (!s->silent && memcmp(q + 13, "silent", 6) != 0 && s->n_held < DNS_HELD - 1) {
			s->held[s->n_held].len = dns_answer(q, (size_t)n, s->broken);
			s->n_held++;
		}
	}
	if (s->n_held > 0 && !event_pending(s->later, EV_TIMEOUT, NULL)) {
		event_add(s->later, &wait);
	}
}

static int dns_start(struct dns_stub *s, struct event_base *base)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int bytes = 1 << 20;

	memset(s, 0, sizeof(*s));
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&in, sizeof(in)) != 0 ||
	    getsockname(s->fd, (struct sockaddr *)&in, &len) != 0) {
		return -1;
	}
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	snprintf(s->server, sizeof(s->server), "127.0.0.1:%u", ntohs(in.sin_port));
	s->read = event_new(base, s->fd, EV_READ | EV_PERSIST, dns_read, s);
	s->later = evtimer_new(base, dns_flush, s);
	return event_add(s->read, NULL);
}

static void dns_stop(struct dns_stub *s)
{
	event_free(s->read);
	event_free(s->later);
	close(s->fd);
}
