/*
 * tests/bench/server.c: the service that the bench calls: as fast as one thread of plain epoll
 * gets, so that what is measured is the caller.
 *
 *   bench_server [port]      prints the port it listens on (127.0.0.1), then serves until killed
 *
 *   POST /N/...  answered with 1.2 KB of JSON after N milliseconds (0: at once)
 *   GET  /count  {"calls":answered,"open":in flight,"most":most in flight since the last GET}
 *
 * All answers are one text; only the number in its id differs. Equal latencies end in the order of
 * their arrival, so the waiting requests of one latency are a list, and there are few latencies.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_BYTES 16384
#define LATENCIES 4
#define EVENTS 256
#define ID_DIGITS 16

struct peer {
	int fd;
	bool waiting; /* in a latency's list */
	bool gone;    /* hung up meanwhile */
	size_t len;
	int64_t due_ms;
	struct peer *next; /* in its latency's list */
	char in[REQUEST_BYTES];
};

struct latency {
	int64_t ms;
	struct peer *first, **end; /* due soonest first */
};

static struct {
	int epoll, listener;
	struct latency latencies[LATENCIES];
	size_t n_latencies;
	uint64_t calls, open, most;
	char answer[8192];
	size_t answer_len;
	char *id; /* in the answer */
} server;

static const char body[] =
    "{\"id\":\"0000000000000000\",\"model\":\"bench-1\",\"status\":\"valid\",\"score\":87,"
    "\"person\":{\"first_name\":\"Ada\",\"title\":\"Head of Sales\"},"
    "\"company\":{\"name\":\"Nordlicht Logistik GmbH\",\"domain\":\"nordlicht.example\","
    "\"size\":240,\"city\":\"L\\u00fcbeck\"},\"choices\":[{\"finish_reason\":\"stop\",\"message\":"
    "{\"role\":\"assistant\",\"content\":"
    "\"Hello Ada,\\n\\nNordlicht has opened two cold stores on the coast this year, and your "
    "page says \\\"we answer within the hour\\\". Keeping that promise with twice the shipments "
    "is what our planning desk was made for: it reads the orders as they come, sees which of "
    "them will be late, and tells the customer before he asks.\\n\\nThree haulers of your size "
    "use it. The first of them cut its calls about late deliveries by a third in the first "
    "quarter; the second has moved two people from the telephone to planning.\\n\\nWould a "
    "quarter of an hour on Thursday or Friday morning suit you? If you would rather look first, "
    "there is a page with figures and names.\\n\\nKind regards\\nRobin\"}}],"
    "\"usage\":{\"prompt_tokens\":412,\"completion_tokens\":188,\"cost\":0.0042}}";

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void make_answer(void)
{
	server.answer_len = (size_t)snprintf(server.answer, sizeof(server.answer),
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: 5f0c7127\r\n"
	    "X-RateLimit-Remaining: 99\r\nContent-Length: %zu\r\n\r\n%s",
	    sizeof(body) - 1, body);
	server.id = strstr(server.answer, "0000000000000000");
}

static void hang_up(struct peer *p)
{
	if (p->waiting) {
		epoll_ctl(server.epoll, EPOLL_CTL_DEL, p->fd, NULL);
		p->gone = true; /* ends when its answer is due */
		return;
	}
	close(p->fd);
	free(p);
}

/* An answer fits into any socket buffer: a short write means that the peer is gone. */
static void send_all(struct peer *p, const char *bytes, size_t len)
{
	if (send(p->fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len) {
		shutdown(p->fd, SHUT_RDWR); /* the next read ends it */
	}
}

static void answer(struct peer *p)
{
	uint64_t n = ++server.calls;

	for (int i = ID_DIGITS - 1; i >= 0; i--, n /= 10) {
		server.id[i] = (char)('0' + n % 10);
	}
	server.open--;
	send_all(p, server.answer, server.answer_len);
}

static void tell_count(struct peer *p)
{
	char text[256], json[128];
	int len = snprintf(json, sizeof(json), "{\"calls\":%llu,\"open\":%llu,\"most\":%llu}",
	    (unsigned long long)server.calls, (unsigned long long)server.open,
	    (unsigned long long)server.most);

	server.most = server.open;
	len = snprintf(
	    text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len, json);
	send_all(p, text, (size_t)len);
}

static struct latency *latency_of(int64_t ms)
{
	for (size_t i = 0; i < server.n_latencies; i++) {
		if (server.latencies[i].ms == ms) {
			return &server.latencies[i];
		}
	}
	if (server.n_latencies == LATENCIES) {
		fprintf(stderr, "more than %d latencies\n", LATENCIES);
		exit(1);
	}
	server.latencies[server.n_latencies].ms = ms;
	server.latencies[server.n_latencies].end = &server.latencies[server.n_latencies].first;
	return &server.latencies[server.n_latencies++];
}

static void take_call(struct peer *p)
{
	int64_t ms = strtol(p->in + 6, NULL, 10); /* behind `POST /` */
	struct latency *l;

	server.open++;
	server.most = server.open > server.most ? server.open : server.most;
	if (ms == 0) {
		answer(p);
		return;
	}
	l = latency_of(ms);
	p->due_ms = now_ms() + ms;
	p->waiting = true;
	p->next = NULL;
	*l->end = p;
	l->end = &p->next;
}

/* Bytes of the first whole request in the buffer, 0 while there is none. */
static size_t whole_request(struct peer *p)
{
	char *end, *length;
	size_t head, len;

	p->in[p->len] = 0;
	end = strstr(p->in, "\r\n\r\n");
	if (end == NULL) {
		return 0;
	}
	head = (size_t)(end - p->in) + 4;
	*end = 0;
	length = strcasestr(p->in, "\r\nContent-Length:");
	len = head + (length != NULL ? strtoul(length + 17, NULL, 10) : 0);
	*end = '\r';
	return len <= p->len ? len : 0;
}

static void on_readable(struct peer *p)
{
	ssize_t n = recv(p->fd, p->in + p->len, sizeof(p->in) - 1 - p->len, MSG_DONTWAIT);
	size_t used;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0) {
		hang_up(p);
		return;
	}
	p->len += (size_t)n;
	while (!p->waiting && (used = whole_request(p)) > 0) {
		if (p->in[0] == 'P') {
			take_call(p);
		} else {
			tell_count(p);
		}
		p->len -= used;
		memmove(p->in, p->in + used, p->len);
	}
}

static void on_connection(void)
{
	int fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC), yes = 1;
	struct peer *p = fd >= 0 ? calloc(1, sizeof(*p)) : NULL;
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};

	if (p == NULL) {
		die("accept");
	}
	p->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
		die("epoll_ctl");
	}
}

/* Answers what is due. Milliseconds until the next one, -1 when none waits. */
static int answer_due(void)
{
	int64_t now = now_ms(), next = INT64_MAX;

	for (size_t i = 0; i < server.n_latencies; i++) {
		struct latency *l = &server.latencies[i];

		while (l->first != NULL && l->first->due_ms <= now) {
			struct peer *p = l->first;

			l->first = p->next;
			l->end = l->first != NULL ? l->end : &l->first;
			p->waiting = false;
			answer(p);
			if (p->gone) {
				hang_up(p);
			}
		}
		if (l->first != NULL && l->first->due_ms < next) {
			next = l->first->due_ms;
		}
	}
	return next == INT64_MAX ? -1 : (int)(next - now);
}

static void listen_on(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event e = {.events = EPOLLIN};
	socklen_t len = sizeof(a);
	int yes = 1;

	server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	setsockopt(server.listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(server.listener, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(server.listener, 4096) != 0 ||
	    getsockname(server.listener, (struct sockaddr *)&a, &len) != 0 ||
	    epoll_ctl(server.epoll, EPOLL_CTL_ADD, server.listener, &e) != 0) {
		die("listen");
	}
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct rlimit files = {.rlim_cur = 4096, .rlim_max = 4096};
	struct epoll_event events[EVENTS];
	int wait_ms = -1;

	signal(SIGPIPE, SIG_IGN);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	make_answer();
	listen_on(argc > 1 ? atoi(argv[1]) : 0);
	for (;;) {
		int n = epoll_wait(server.epoll, events, EVENTS, wait_ms);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL) {
				on_connection();
			} else {
				on_readable(events[i].data.ptr);
			}
		}
		wait_ms = answer_due();
	}
}
