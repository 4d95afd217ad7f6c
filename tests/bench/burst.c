/*
 * tests/bench/burst.c: many webhooks at once, each on a connection of its own, and how long each waited for its answer.
 *
 *   burst --port N --intake NAME --secret TEXT [--count 2000] [--clients 50] [--prefix TEXT] [--campaign NAME] [--bare DIR] [--told FILE]
 *
 * `clients` workers connect, send one signed webhook, read the answer to its end and begin again until `count` were sent. With
 * --bare, before and after that and on the same disk: how long the store takes to commit 50 such rows appended, and nothing else. With
 * --told, each event that was answered with 202 is noted there before the next is sent: its id and its task. A line of JSON
 * at the end. Exit 0: each was answered with 202; 3: some were not.
 */
#include "lib/base/buf.h"
#include "lib/base/signature.h"
#include "lib/base/time.h"
#include "lib/store/inbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#define BARE_ROWS 50
#define BARE_COMMITS 100 /* before, and as many after */

struct burst {
	struct event_base *base;
	const char *intake, *secret, *prefix, *campaign;
	struct sockaddr_in to;
	unsigned count, clients, begun, ended, accepted, refused, broken;
	int64_t *took_us;
	FILE *told;
};

struct client {
	struct burst *b;
	struct event *ev;
	int fd;
	unsigned number;
	int64_t from_us;
	struct buf request, answer;
	size_t sent;
};

static int64_t clock_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static void die(const char *what)
{
	(void)fprintf(stderr, "burst: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- one webhook --- */

static void write_event(const struct burst *b, unsigned n, struct buf *out)
{
	buf_printf(out,
	    "{\"subscription_id\":\"whsub_1\",\"event\":{\"id\":\"ev_%s_%u\",\"object_type\":\"task.lead\",\"object_id\":\"task_%u\",\"action\":\"created\","
	    "\"lead_id\":\"lead_%u\",\"organization_id\":\"orga_1\",\"user_id\":\"user_1\",\"request_id\":null,\"api_key_id\":null,"
	    "\"date_created\":\"2026-11-02T10:00:00.000000\",\"date_updated\":\"2026-11-02T10:00:00.000000\",\"changed_fields\":[],\"previous_data\":{},"
	    "\"meta\":{\"request_path\":\"/api/v1/task/\",\"request_method\":\"POST\"},"
	    "\"data\":{\"id\":\"task_%u\",\"_type\":\"lead\",\"text\":\"Instantly: %s\",\"lead_id\":\"lead_%u\",\"lead_name\":\"Test Company %u\","
	    "\"contact_id\":null,\"assigned_to\":\"user_1\",\"is_complete\":false,\"date\":\"2026-11-03\",\"email\":\"lead-%s-%u@example-%u.test\","
	    "\"first_name\":\"TestLead\",\"last_name\":\"Number %u\",\"date_created\":\"2026-11-02T10:00:00.000000+00:00\"}}}",
	    b->prefix, n, n, n, n, b->campaign, n, n, b->prefix, n, n % 97, n);
}

static void write_request(const struct burst *b, unsigned n, struct buf *out)
{
	char signature[SIGNATURE_TEXT];
	struct buf body = {0};

	write_event(b, n, &body);
	signature_write(b->secret, strlen(b->secret), body.data, body.len, (int64_t)time(NULL) * US_PER_S, signature);
	buf_reset(out);
	buf_printf(out,
	    "POST /v1/intake/%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nStripe-Signature: %s\r\nContent-Length: %zu\r\n"
	    "Connection: close\r\n\r\n",
	    b->intake, signature, body.len);
	buf_add(out, body.data, body.len);
	buf_free(&body);
	if (out->failed) {
		die("memory");
	}
}

static void begin(struct client *c);

static void end(struct client *c)
{
	struct burst *b = c->b;
	const char *task;

	b->took_us[b->ended++] = clock_us() - c->from_us;
	buf_add_char(&c->answer, 0);
	if (c->answer.len > 12 && strncmp(c->answer.data, "HTTP/1.1 202", 12) == 0 && (task = strstr(c->answer.data, "\"task\":\"")) != NULL) {
		b->accepted++;
		if (b->told != NULL) {
			(void)fprintf(b->told, "ev_%s_%u %.16s\n", b->prefix, c->number, task + 8);
			(void)fflush(b->told);
		}
	} else {
		*(c->answer.len > 12 ? &b->refused : &b->broken) += 1;
	}
	event_free(c->ev);
	(void)close(c->fd);
	begin(c);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	char part[4096];
	ssize_t n;

	if ((what & EV_WRITE) != 0) {
		n = send(fd, c->request.data + c->sent, c->request.len - c->sent, MSG_NOSIGNAL);
		if (n < 0) {
			if (errno != EAGAIN) {
				end(c);
			}
			return;
		}
		c->sent += (size_t)n;
		if (c->sent == c->request.len) {
			event_del(c->ev);
			event_assign(c->ev, c->b->base, fd, EV_READ | EV_PERSIST, on_ready, c);
			event_add(c->ev, NULL);
		}
		return;
	}
	n = recv(fd, part, sizeof(part), 0);
	if (n > 0) {
		buf_add(&c->answer, part, (size_t)n);
	} else if (n == 0 || errno != EAGAIN) {
		end(c);
	}
}

static void begin(struct client *c)
{
	struct burst *b = c->b;

	if (b->begun == b->count) {
		if (b->ended == b->count) {
			event_base_loopbreak(b->base);
		}
		return;
	}
	c->number = b->begun++;
	write_request(b, c->number, &c->request);
	buf_reset(&c->answer);
	c->sent = 0;
	c->from_us = clock_us();
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || (connect(c->fd, (struct sockaddr *)&b->to, sizeof(b->to)) != 0 && errno != EINPROGRESS)) {
		die("connect");
	}
	c->ev = event_new(b->base, c->fd, EV_WRITE | EV_PERSIST, on_ready, c);
	event_add(c->ev, NULL);
}

static int64_t run(struct burst *b)
{
	struct client *clients = calloc(b->clients, sizeof(*clients));
	int64_t from_us = clock_us();

	b->took_us = calloc(b->count, sizeof(*b->took_us));
	b->base = event_base_new();
	if (clients == NULL || b->took_us == NULL || b->base == NULL) {
		die("memory");
	}
	for (unsigned i = 0; i < b->clients; i++) {
		clients[i].b = b;
		begin(&clients[i]);
	}
	(void)event_base_dispatch(b->base);
	from_us = clock_us() - from_us;
	for (unsigned i = 0; i < b->clients; i++) {
		buf_free(&clients[i].request);
		buf_free(&clients[i].answer);
	}
	free(clients);
	event_base_free(b->base);
	return from_us;
}

/* --- the bare commit --- */

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static double quantile_ms(int64_t *list, unsigned n, double q)
{
	qsort(list, n, sizeof(*list), by_value);
	return n == 0 ? 0 : (double)list[(unsigned)((double)(n - 1) * q)] / 1000;
}

/* BARE_COMMITS of them, into a store of its own. */
static void bare(const struct burst *b, const char *dir, int64_t took_us[BARE_COMMITS])
{
	struct store_options o = {.dir = dir, .map_bytes = (size_t)1 << 30};
	struct lead_error err = {0};
	struct store *s = NULL;
	struct buf body = {0};
	uint64_t id = 0;

	(void)mkdir(dir, 0700);
	if (store_open(&o, &s, &err) != 0) {
		(void)fprintf(stderr, "burst: %s\n", err.text);
		exit(1);
	}
	for (unsigned i = 0; i < BARE_COMMITS; i++) {
		struct txn *t = NULL;
		int64_t from_us = clock_us();
		int rc = txn_begin(s, true, &t, &err);

		for (unsigned k = 0; rc == 0 && k < BARE_ROWS; k++) {
			struct inbox_event ev = {.id = ++id, .intake = "bare"};

			buf_reset(&body);
			write_event(b, (unsigned)id, &body);
			ev.body = (struct slice){(const uint8_t *)body.data, body.len};
			inbox_append(t, &ev);
		}
		if (rc != 0 || txn_commit(t, &err) != 0) {
			(void)fprintf(stderr, "burst: %s\n", err.text);
			exit(1);
		}
		took_us[i] = clock_us() - from_us;
	}
	store_close(s);
	buf_free(&body);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"port", required_argument, NULL, 'p'}, {"intake", required_argument, NULL, 'i'},
	    {"secret", required_argument, NULL, 's'}, {"count", required_argument, NULL, 'n'}, {"clients", required_argument, NULL, 'c'},
	    {"prefix", required_argument, NULL, 'x'}, {"campaign", required_argument, NULL, 'm'}, {"bare", required_argument, NULL, 'b'},
	    {"told", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
	struct burst b = {.count = 2000, .clients = 50, .prefix = "a", .campaign = "Spring", .intake = "close", .secret = "",
	    .to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
	const char *dir = NULL;
	int64_t wall_us, bare_us[2 * BARE_COMMITS];
	struct buf out = {0};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			b.to.sin_port = htons((uint16_t)atoi(optarg));
			break;
		case 'i':
			b.intake = optarg;
			break;
		case 's':
			b.secret = optarg;
			break;
		case 'n':
			b.count = (unsigned)atoi(optarg);
			break;
		case 'c':
			b.clients = (unsigned)atoi(optarg);
			break;
		case 'x':
			b.prefix = optarg;
			break;
		case 'm':
			b.campaign = optarg;
			break;
		case 'b':
			dir = optarg;
			break;
		case 't':
			b.told = fopen(optarg, "ae");
			if (b.told == NULL) {
				die(optarg);
			}
			break;
		default:
			return 2;
		}
	}
	if (b.to.sin_port == 0 || b.secret[0] == 0 || b.count == 0 || b.clients == 0) {
		(void)fprintf(stderr, "burst: --port and --secret are needed\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (dir != NULL) {
		bare(&b, dir, bare_us);
	}
	wall_us = run(&b);
	if (dir != NULL) {
		bare(&b, dir, bare_us + BARE_COMMITS);
		buf_printf(&out, ",\"bare_p50_ms\":%.3f,\"bare_p99_ms\":%.3f,\"bare_max_ms\":%.3f", quantile_ms(bare_us, 2 * BARE_COMMITS, 0.5),
		    quantile_ms(bare_us, 2 * BARE_COMMITS, 0.99), quantile_ms(bare_us, 2 * BARE_COMMITS, 1));
	}
	(void)printf("{\"count\":%u,\"clients\":%u,\"accepted\":%u,\"refused\":%u,\"broken\":%u,\"wall_ms\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
		     "\"max_ms\":%.3f%s}\n",
	    b.count, b.clients, b.accepted, b.refused, b.broken, (double)wall_us / 1000, quantile_ms(b.took_us, b.ended, 0.5),
	    quantile_ms(b.took_us, b.ended, 0.99), quantile_ms(b.took_us, b.ended, 1), out.data != NULL ? out.data : "");
	buf_free(&out);
	free(b.took_us);
	if (b.told != NULL) {
		(void)fclose(b.told);
	}
	return b.accepted == b.count ? 0 : 3;
}
