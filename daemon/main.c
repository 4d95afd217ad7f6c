/*
 * leadd: opens everything in this order and closes it in the other:
 * configuration, store, engine (recovery), fetcher, control server; then READY=1 and the loop.
 * Exit: 0 stopped, 1 failed on the way, 2 wrong options, 78 wrong configuration (EX_CONFIG: systemd does not try again).
 */
#include "daemon/leadd.h"
#include "daemon/workbook.h"

#include <curl/curl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <event2/http.h>

#define EXIT_CONFIG 78
#define MAX_FILES 16384

static const char help[] =
    "leadd - takes sales leads through outside services\n"
    "\n"
    "usage: leadd --config FILE [--check] [--verbose]\n"
    "\n"
    "  -c, --config FILE  the configuration (default /etc/leadd/leadd.yaml)\n"
    "  -n, --check        read everything, print what is wrong or in which order a lead is worked on, and end\n"
    "  -v, --verbose      log every finished run and change; twice: every detail\n"
    "  -V, --version      print the version and end\n"
    "  -h, --help         print this and end\n"
    "\n"
    "leadctl controls it; see leadd(8), leadd.yaml(5).\n";

/* exprs: see reload.c. */
static struct config *load(const char *file, struct expr_pool *exprs)
{
	struct config_options o = {.exprs = exprs};
	struct config *c = NULL;
	struct problems problems;

	problems_init(&problems);
	if (config_load_with(file, 1, &o, &problems, &c) != 0) {
		(void)fprintf(stderr, "leadd: out of memory\n");
	}
	for (struct problem *p = problems.first; p != NULL; p = p->next) {
		(void)fprintf(stderr, "leadd: %s\n", p->text);
	}
	if (problems.count > 0) {
		(void)fprintf(stderr, "leadd: %zu problem%s in the configuration\n", problems.count, problems.count == 1 ? "" : "s");
	}
	problems_fini(&problems);
	return c;
}

static int check(const char *file)
{
	struct config *c = load(file, NULL);
	struct buf out = {0};

	if (c == NULL) {
		return EXIT_CONFIG;
	}
	config_describe(c, &out);
	(void)printf("%s%s: ok, %zu services, %zu pipelines, %zu campaigns\n", out.data != NULL ? out.data : "", file, c->n_services, c->n_pipelines,
	    c->n_campaigns);
	buf_free(&out);
	config_unref(c);
	return 0;
}

static void read_boot_id(char out[64])
{
	const char *told = getenv("LEADD_BOOT_ID"); /* the unit's sandbox hides the file */
	FILE *f = told == NULL ? fopen("/proc/sys/kernel/random/boot_id", "re") : NULL;

	(void)snprintf(out, 64, "%s", told != NULL ? told : "unknown");
	if (f != NULL) {
		if (fgets(out, 64, f) != NULL) {
			out[strcspn(out, "\n")] = 0;
		}
		fclose(f);
	}
}

static int open_engine(struct leadd *l, struct config *c, struct lead_error *err)
{
	struct store_options so = {.dir = c->state_dir, .map_bytes = c->map_bytes, .clock_us = clock_boot_us};
	struct engine_options eo = {.config = c, .effects = loop_effects, .now = clock_now(), .agendas = true};
	char boot_id[64];
	int rc;

	if (mkdir(c->state_dir, 0700) != 0 && access(c->state_dir, W_OK) != 0) {
		return lead_fail(err, LEAD_EINPUT, "state_dir %s cannot be written", c->state_dir);
	}
	rc = store_open(&so, &l->store, err);
	if (rc != 0) {
		return rc;
	}
	read_boot_id(boot_id);
	eo.store = l->store;
	eo.boot_id = boot_id;
	eo.effects.ctx = l;
	if (getrandom(&eo.seed, sizeof(eo.seed), 0) != (ssize_t)sizeof(eo.seed)) {
		return lead_fail(err, LEAD_EBUG, "no random numbers");
	}
	return engine_new(&eo, &l->engine, err);
}

/* The socket systemd passes, else our own at the configured path. */
static int open_control(struct leadd *l, struct lead_error *err)
{
	struct http_options o = {.routes = routes, .app = l, .token = access_token};
	int rc = http_new(l->base, &o, &l->http, err);
	int n = sd_listen_fds(1);

	if (rc != 0) {
		return rc;
	}
	for (int i = 0; i < n; i++) {
		rc = http_listen_fd(l->http, SD_LISTEN_FDS_START + i, err);
		if (rc != 0) {
			return rc;
		}
	}
	rc = n > 0 ? 0 : http_listen_unix(l->http, engine_config(l->engine)->socket, err);
	return rc == 0 ? access_listen(l, err) : rc;
}

static int open_all(struct leadd *l, struct config *c, struct lead_error *err)
{
	int rc = open_engine(l, c, err);

	rc = rc == 0 ? upload_dir(l, err) : rc;
	if (rc == 0) {
		replay_clear(l);
		tidy_start(l);
	}
	rc = rc == 0 ? loop_start(l, err) : rc;
	return rc == 0 ? open_control(l, err) : rc;
}

static void close_all(struct leadd *l)
{
	reload_stop(l);
	watch_stop(l);
	results_stop(l);
	reckon_stop(l);
	child_stop(l);
	workbook_stop(l);
	workbook_export_stop(l);
	previews_stop(l);
	if (l->fetch != NULL) {
		loop_stop(l);
	}
	suppress_stop(l);
	tidy_stop(l);
	engine_free(l->engine);
	http_free(l->http);
	free(l->listening);
	store_close(l->store);
	expr_pool_free(l->exprs);
	if (l->base != NULL) {
		event_base_free(l->base);
	}
	libevent_global_shutdown();
	curl_global_cleanup();
}

/* Every call in flight is a socket: a shell's soft limit of 1,024 is too small for them. */
static void raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max < MAX_FILES ? files.rlim_max : MAX_FILES;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static struct event_base *new_base(void)
{
	struct event_config *ec = event_config_new();
	struct event_base *base = NULL;
	struct timeval most = {.tv_usec = 10 * 1000};

	if (ec != NULL) {
		/* look for new events at least every 10 ms or 64 callbacks, however busy one kind is */
		event_config_set_max_dispatch_interval(ec, &most, 64, 0);
		base = event_base_new_with_config(ec);
		event_config_free(ec);
	}
	return base;
}

static int serve(const char *file)
{
	struct leadd l = {.config_file = file, .started_wall_us = clock_now().wall_us, .exprs = expr_pool_new()};
	struct config *c = load(file, l.exprs);
	struct lead_error err;
	int rc;

	if (c == NULL) {
		expr_pool_free(l.exprs);
		return EXIT_CONFIG;
	}
	expr_pool_defer(l.exprs);
	sd_notify(0, "EXTEND_TIMEOUT_USEC=300000000\nSTATUS=reading the store");
	signal(SIGPIPE, SIG_IGN);
	raise_files();
	curl_global_init(CURL_GLOBAL_DEFAULT);
	l.base = new_base();
	rc = l.base != NULL ? open_all(&l, c, &err) : lead_fail(&err, LEAD_ENOMEM, "cannot make an event loop");
	config_unref(c);
	if (rc != 0) {
		log_line(LOG_ERR_, "%s", err.text);
		close_all(&l);
		return rc == LEAD_EINPUT ? EXIT_CONFIG : 1;
	}
	log_line(LOG_NOTE_, "leadd %s: %zu services, %zu open calls to settle, control socket %s", LEADD_VERSION, engine_config(l.engine)->n_services,
	    engine_in_flight(l.engine), engine_config(l.engine)->socket);
	sd_notify(0, "READY=1\nSTATUS=at work");
	event_base_dispatch(l.base);
	log_line(LOG_NOTE_, "stopped");
	close_all(&l);
	return l.exit_code;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'n'},
	    {"verbose", no_argument, NULL, 'v'}, {"version", no_argument, NULL, 'V'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *file = "/etc/leadd/leadd.yaml";
	enum log_level level = LOG_NOTE_;
	bool only_check = false;
	int option, rc = child_main(argc, argv);

	if (rc >= 0) {
		return rc;
	}
	while ((option = getopt_long(argc, argv, "c:nvVh", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 'n':
			only_check = true;
			break;
		case 'v':
			level = level < LOG_DEBUG_ ? level + 1 : level;
			break;
		case 'V':
			(void)printf("leadd %s\n", LEADD_VERSION);
			return 0;
		case 'h':
			(void)fputs(help, stdout);
			return 0;
		default:
			(void)fprintf(stderr, "Try 'leadd --help'.\n");
			return 2;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "leadd: '%s' is not understood. Try 'leadd --help'.\n", argv[optind]);
		return 2;
	}
	log_open(level);
	return only_check ? check(file) : serve(file);
}
