/*
 * daemon/leadsim.c: the stand-in for the outside services, as a program: options and signals.
 *
 *   main -> options -> scenario -> world -> server -> loop -> SIGTERM -> report file
 *
 * What a service answers is decided in lib/sim; how the answer travels, in leadsim_http.c;
 * what is asked of leadsim itself, in leadsim_own.c.
 */
#include "daemon/leadsim.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include <event2/event.h>

#include "lib/base/decimal.h"
#include "lib/sim/scenario.h"

#define SCENARIO_BYTES_MAX ((size_t)1 << 20)

static const char usage[] =
    "usage: leadsim [--listen ADDR:PORT] [--scenario FILE] [--seed N] [--limit-factor N]\n"
    "               [--ready-fd FD] [--report FILE] [--any-address]\n"
    "Plays ZeroBounce, Perplexity, OpenAI, Instantly and others, with faults. See leadsim(1).\n";

/* --- starting --- */

static bool read_number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	bool exact;

	return decimal_scaled(text, strlen(text), 0, ret, &exact) && exact && *ret >= min &&
	       *ret <= max;
}

static int bad_option(const char *option, const char *wanted)
{
	fprintf(stderr, "leadsim: --%s: %s is wanted\n", option, wanted);
	return 2;
}

/* 0, or the exit status. */
static int read_options(struct leadsim *s, int argc, char **argv)
{
	static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
	    {"scenario", required_argument, NULL, 's'}, {"seed", required_argument, NULL, 'e'},
	    {"limit-factor", required_argument, NULL, 'f'},
	    {"ready-fd", required_argument, NULL, 'r'}, {"report", required_argument, NULL, 'o'},
	    {"any-address", no_argument, NULL, 'a'}, {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0}};
	int64_t fd = -1;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			s->listen = optarg;
			break;
		case 's':
			s->scenario_file = optarg;
			break;
		case 'e':
			if (!read_number(optarg, 0, INT64_MAX, &s->seed)) {
				return bad_option("seed", "a whole number");
			}
			break;
		case 'f':
			if (!read_number(optarg, 1, 1000000, &s->limit_factor)) {
				return bad_option("limit-factor", "a number from 1 to 1000000");
			}
			break;
		case 'r':
			if (!read_number(optarg, 0, INT32_MAX, &fd)) {
				return bad_option("ready-fd", "an open file descriptor");
			}
			s->ready_fd = (int)fd;
			break;
		case 'o':
			s->report_file = optarg;
			break;
		case 'a':
			s->any_address = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	return 0;
}

/* The whole file; the caller frees. */
static int read_file(const char *name, struct buf *ret, struct lead_error *err)
{
	FILE *f = fopen(name, "re");
	char part[4096];
	size_t n;

	if (f == NULL) {
		return lead_fail(err, LEAD_EINPUT, "%s: %s", name, strerror(errno));
	}
	ret->max = SCENARIO_BYTES_MAX;
	while ((n = fread(part, 1, sizeof(part), f)) > 0) {
		buf_add(ret, part, n);
	}
	if (ferror(f) != 0 || ret->failed) {
		(void)fclose(f);
		return lead_fail(err, LEAD_EINPUT, "%s: cannot be read whole", name);
	}
	(void)fclose(f);
	return 0;
}

static int make_world(struct leadsim *s, struct lead_error *err)
{
	struct scenario scenario;
	struct buf text = {0};
	int rc = 0;

	scenario_default(&scenario);
	if (s->scenario_file != NULL) {
		rc = read_file(s->scenario_file, &text, err);
		if (rc == 0) {
			rc = scenario_parse(s->scenario_file, text.data != NULL ? text.data : "",
			    text.len, false, &scenario, err);
		}
		buf_free(&text);
	}
	if (rc != 0) {
		return rc;
	}
	if (s->seed >= 0) {
		scenario.seed = (uint64_t)s->seed;
	}
	if (s->limit_factor > 0) {
		scenario.limit_factor = (uint64_t)s->limit_factor;
	}
	s->world = world_new(&scenario);
	return s->world != NULL ? 0 : lead_fail(err, LEAD_ENOMEM, "out of memory");
}

static bool is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET6) {
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
	}
	return (ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24) == 127;
}

/* `127.0.0.1:0`, `[::1]:8080`; numbers only. (libevent's own reader refuses port 0.) */
static bool read_address(const char *text, struct sockaddr_storage *ret, int *ret_len)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	const char *colon = strrchr(text, ':');
	char host[64];
	int64_t port;
	size_t len = colon != NULL ? (size_t)(colon - text) : 0;
	bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';

	if (len == 0 || len >= sizeof(host) || !read_number(colon + 1, 0, 65535, &port)) {
		return false;
	}
	memcpy(host, text + bracketed, len - 2 * (size_t)bracketed);
	host[len - 2 * (size_t)bracketed] = '\0';
	memset(ret, 0, sizeof(*ret));
	if (bracketed && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		*ret_len = sizeof(*v6);
		return true;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	*ret_len = sizeof(*v4);
	return !bracketed && inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

static int start_server(struct leadsim *s, struct lead_error *err)
{
	const struct sim_options o = {
	    .world = s->world, .later = s->later, .own = leadsim_own, .arg = s};
	struct sockaddr_storage address;
	int len;

	if (!read_address(s->listen, &address, &len)) {
		return lead_fail(err, LEAD_EINPUT,
		    "--listen: ADDR:PORT is wanted, such as 127.0.0.1:8080 or [::1]:0");
	}
	if (!s->any_address && !is_loopback(&address)) {
		return lead_fail(err, LEAD_EINPUT,
		    "--listen: only loopback addresses without --any-address (nothing here is "
		    "meant for others)");
	}
	return sim_server_new(s->base, &o, (struct sockaddr *)&address, len, &s->server, err);
}

/* Tells the port: on stdout for people, on the ready descriptor for programs. */
static void tell_ready(struct leadsim *s)
{
	int host = (int)(strrchr(s->listen, ':') != NULL ? strrchr(s->listen, ':') - s->listen
							 : (ptrdiff_t)strlen(s->listen));
	char url[160];
	int len = snprintf(
	    url, sizeof(url), "http://%.*s:%u\n", host, s->listen, sim_server_port(s->server));

	printf("leadsim: listening on %s", url);
	(void)fflush(stdout);
	if (s->ready_fd >= 0) {
		(void)!write(s->ready_fd, url, (size_t)len);
		close(s->ready_fd);
	}
}

/* --- ending --- */

static void on_stop(evutil_socket_t signal, short what, void *arg)
{
	event_base_loopbreak(((struct leadsim *)arg)->base);
}

static int write_report(struct leadsim *s)
{
	const struct world_report_options o = {0};
	struct buf text = {.max = (size_t)1 << 31};
	FILE *f = fopen(s->report_file, "we");
	bool ok;

	world_report(s->world, &o, &text);
	buf_add_char(&text, '\n');
	ok = f != NULL && !text.failed && fwrite(text.data, 1, text.len, f) == text.len;
	ok = (f == NULL || fclose(f) == 0) && ok;
	buf_free(&text);
	if (!ok) {
		fprintf(stderr, "leadsim: %s: the report cannot be written: %s\n", s->report_file,
		    strerror(errno));
	}
	return ok ? 0 : 1;
}

static int run(struct leadsim *s)
{
	struct event *term = evsignal_new(s->base, SIGTERM, on_stop, s),
		     *interrupt = evsignal_new(s->base, SIGINT, on_stop, s);
	int rc = 1;

	if (term != NULL && interrupt != NULL && event_add(term, NULL) == 0 &&
	    event_add(interrupt, NULL) == 0) {
		tell_ready(s);
		(void)event_base_dispatch(s->base);
		rc = s->report_file != NULL ? write_report(s) : 0;
	}
	if (term != NULL) {
		event_free(term);
	}
	if (interrupt != NULL) {
		event_free(interrupt);
	}
	return rc;
}

/* One descriptor per connection: as many as we may have. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct leadsim s = {
	    .listen = "127.0.0.1:7780", .seed = -1, .limit_factor = -1, .ready_fd = -1};
	struct lead_error err;
	int rc = read_options(&s, argc, argv);

	if (rc != 0) {
		return rc;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	s.base = event_base_new();
	rc = s.base != NULL ? make_world(&s, &err) : lead_fail(&err, LEAD_ENOMEM, "out of memory");
	if (rc == 0) {
		s.later = later_queue_new(s.base, s.world);
		rc = s.later != NULL ? 0 : lead_fail(&err, LEAD_ENOMEM, "out of memory");
	}
	if (rc == 0) {
		rc = start_server(&s, &err);
	}
	if (rc != 0) {
		fprintf(stderr, "leadsim: %s\n", err.text);
		rc = rc == LEAD_EINPUT ? 2 : 1;
	} else {
		rc = run(&s);
	}
	sim_server_free(s.server);
	later_queue_free(s.later);
	world_free(s.world);
	if (s.base != NULL) {
		event_base_free(s.base);
	}
	return rc;
}
