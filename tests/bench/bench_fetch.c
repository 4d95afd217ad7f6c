/*
 * tests/bench/bench_fetch.c: CPU time of daemon/fetch per call, against a server in another
 * process.
 *
 *   bench_fetch [in flight [calls [hosts [delay ms]]]]
 *
 * The server is one child: it answers each POST with 2 KiB of JSON after the delay. `hosts` are
 * ports of 127.0.0.1. Prints user and system CPU, memory and threads of this process alone.
 */
#include "daemon/clock.h"
#include "daemon/fetch.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_HOSTS 64
#define ANSWER_BYTES 2048

static struct event_base *loop;
static int delay_ms;

/* --- the server --- */

struct peer {
	int fd;
	struct event *read, *later;
	size_t len;
	char in[8192];
};

static void reply(evutil_socket_t fd, short what, void *arg)
{
	static char answer[ANSWER_BYTES + 256];
	static size_t len;
	struct peer *p = arg;

	(void)fd;
	(void)what;
	if (len == 0) {
		len = (size_t)sprintf(answer,
		    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: "
		    "0123456789abcdef\r\n"
		    "X-RateLimit-Remaining: 99\r\nContent-Length: %d\r\n\r\n",
		    ANSWER_BYTES);
		memset(answer + len, ' ', ANSWER_BYTES);
		memcpy(answer + len, "{}", 2);
		len += ANSWER_BYTES;
	}
	if (write(p->fd, answer, len) != (ssize_t)len) {
		_exit(1);
	}
}

static void on_request(evutil_socket_t fd, short what, void *arg)
{
	struct peer *p = arg;
	struct timeval wait = {.tv_usec = delay_ms * 1000};
	ssize_t n = read(fd, p->in + p->len, sizeof(p->in) - 1 - p->len);
	char *body, *length;

	(void)what;
	if (n <= 0) {
		event_free(p->read);
		event_free(p->later);
		close(fd);
		free(p);
		return;
	}
	p->len += (size_t)n;
	p->in[p->len] = '\0';
	body = strstr(p->in, "\r\n\r\n");
	length = strstr(p->in, "Content-Length: ");
	if (body == NULL || (length != NULL && p->len < (size_t)(body + 4 - p->in) +
							    strtoul(length + 16, NULL, 10))) {
		return;
	}
	p->len = 0;
	if (delay_ms == 0) {
		reply(fd, 0, p);
	} else {
		event_add(p->later, &wait);
	}
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	int in;

	(void)what;
	(void)arg;
	while ((in = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct peer *p = calloc(1, sizeof(*p));

		p->fd = in;
		p->later = evtimer_new(loop, reply, p);
		p->read = event_new(loop, in, EV_READ | EV_PERSIST, on_request, p);
		event_add(p->read, NULL);
	}
}

static pid_t serve(int hosts, uint16_t *ports)
{
	int listeners[MAX_HOSTS];
	pid_t child;

	for (int i = 0; i < hosts; i++) {
		struct sockaddr_in in = {
		    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t len = sizeof(in);

		listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (bind(listeners[i], (struct sockaddr *)&in, sizeof(in)) != 0 ||
		    listen(listeners[i], 4096) != 0) {
			perror("listen");
			exit(1);
		}
		getsockname(listeners[i], (struct sockaddr *)&in, &len);
		ports[i] = ntohs(in.sin_port);
	}
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		loop = event_base_new();
		for (int i = 0; i < hosts; i++) {
			event_add(event_new(loop, listeners[i], EV_READ | EV_PERSIST, on_connection,
				      NULL),
			    NULL);
		}
		event_base_dispatch(loop);
		_exit(0);
	}
	for (int i = 0; i < hosts; i++) {
		close(listeners[i]);
	}
	return child;
}

/* --- the calls --- */

static struct fetch *fetch;
static uint64_t started, ended, failed, want, warm;
static int n_hosts;
static uint16_t ports[MAX_HOSTS];
static double cpu_warm;
static int64_t wall_warm;

static double cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void start_one(void)
{
	static char body[1024];
	char url[128];
	struct request r = {
	    .method = "POST",
	    .url = url,
	    .headers = {{"Content-Type", "application/json"},
		{"Authorization", "Bearer 0123456789abcdef"}, {"X-Request-Id", "0123456789abcdef"}},
	    .n_headers = 3,
	    .body = body,
	    .body_len = sizeof(body),
	    .connect_us = 10000000,
	    .total_us = 60000000,
	};
	struct lead_error err;

	memset(body, 'x', sizeof(body));
	snprintf(
	    url, sizeof(url), "http://127.0.0.1:%u/v1/check", ports[started % (uint64_t)n_hosts]);
	if (getenv("BENCH_NAME") != NULL) {
		snprintf(url, sizeof(url), "http://localhost:%u/v1/check",
		    ports[started % (uint64_t)n_hosts]);
	}
	if (fetch_start(fetch, ++started, &r, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
}

static void on_note(void *arg, uint64_t id, int64_t boot_us)
{
	(void)arg;
	(void)id;
	(void)boot_us;
}

static void on_done(void *arg, uint64_t id, const struct http_answer *a, char *body)
{
	(void)arg;
	(void)id;
	failed += a->transport != TRANSPORT_ANSWERED || a->body_len != ANSWER_BYTES;
	free(body);
	if (++ended == warm) {
		cpu_warm = cpu_us();
		wall_warm = clock_boot_us();
	}
	if (started < want) {
		start_one();
	} else if (ended == want) {
		event_base_loopbreak(loop);
	}
}

static void print_status(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "VmRSS", 5) == 0 || strncmp(line, "VmHWM", 5) == 0 ||
		    strncmp(line, "Threads", 7) == 0) {
			printf("  %s", line);
		}
	}
	fclose(f);
}

int main(int argc, char **argv)
{
	unsigned in_flight = argc > 1 ? (unsigned)atoi(argv[1]) : 64;
	struct fetch_options o = {.allow_private = true, .max_in_flight = 10000};
	struct fetch_events events = {.sent = on_note, .first_byte = on_note, .done = on_done};
	struct rlimit files = {.rlim_cur = 20000, .rlim_max = 20000};
	struct lead_error err;
	double per_call;
	pid_t child;

	want = argc > 2 ? strtoull(argv[2], NULL, 10) : 20000;
	n_hosts = argc > 3 ? atoi(argv[3]) : 1;
	delay_ms = argc > 4 ? atoi(argv[4]) : (in_flight >= 512 ? 50 : 5);
	warm = want / 5;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	child = serve(n_hosts, ports);
	loop = event_base_new();
	if (fetch_new(loop, &o, &events, &fetch, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	for (unsigned i = 0; i < in_flight; i++) {
		start_one();
	}
	event_base_dispatch(loop);
	per_call = (cpu_us() - cpu_warm) / (double)(want - warm);
	printf("%u in flight, %d hosts: %.1f us CPU per call, %.0f calls/s, %llu failed\n",
	    in_flight, n_hosts, per_call,
	    (double)(want - warm) * 1e6 / (double)(clock_boot_us() - wall_warm),
	    (unsigned long long)failed);
	print_status();
	fetch_free(fetch);
	event_base_free(loop);
	kill(child, SIGKILL);
	return failed != 0;
}
