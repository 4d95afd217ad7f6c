/*
 * daemon/leadctl_export.c: results and rejects into files, metrics as they come. A file is written beside its place
 * and gets its name only when the daemon has said that it is whole.
 */
#include "daemon/leadctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct sink {
	int fd;
	uint64_t bytes;
	int failed; /* errno of a write */
};

static bool take(void *arg, const char *bytes, size_t len)
{
	struct sink *s = arg;

	while (len > 0) {
		ssize_t n = write(s->fd, bytes, len);

		if (n < 0 && errno != EINTR) {
			s->failed = errno;
			return false;
		}
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		s->bytes += n > 0 ? (uint64_t)n : 0;
	}
	return true;
}

/* So that libcurl asks at times whether Ctrl-C was pressed. */
static void tick(void *arg)
{
	(void)arg;
}

static int receive(struct ctl *c, const char *path, struct sink *s, const char *place)
{
	const struct api_bytes bytes = {.take = take, .tick = tick, .arg = s};
	struct lead_error err = {0};
	int rc = api_raw(c, "GET", path, &bytes, &err);

	if (ctl_interrupted) {
		print_error("interrupted; %s is not whole", place);
		return CTL_INTERRUPTED;
	}
	if (s->failed != 0) {
		print_error("%s: %s", place, strerror(s->failed));
		return CTL_USAGE;
	}
	if (rc == API_LOST && s->bytes > 0) {
		print_error("the answer was cut after %s: %s", show_bytes(c, s->bytes), err.text);
		return CTL_UNREACHABLE;
	}
	return rc == API_LOST ? api_unreachable(c, &err) : rc;
}

/* On disk, with the rights of any new file, under its name. */
static bool settle(int fd, const char *temp, const char *file)
{
	mode_t mask = umask(0);

	umask(mask);
	return fchmod(fd, 0666 & ~mask) == 0 && fsync(fd) == 0 && rename(temp, file) == 0;
}

static int receive_file(struct ctl *c, const char *path, const char *file)
{
	const char *temp = arena_printf(&c->mem, "%s.XXXXXX", file);
	char *name = temp != NULL ? strdup(temp) : NULL;
	struct sink s = {0};
	int rc;

	if (name == NULL) {
		abort(); /* out of memory */
	}
	s.fd = mkstemp(name);
	if (s.fd < 0) {
		print_error("%s: %s", file, strerror(errno));
		free(name);
		return CTL_USAGE;
	}
	rc = receive(c, path, &s, file);
	if (rc == CTL_OK && !settle(s.fd, name, file)) {
		print_error("%s: %s", file, strerror(errno));
		rc = CTL_USAGE;
	}
	if (rc != CTL_OK) {
		(void)unlink(name);
	} else {
		print_line(c, PLAIN, "%s: %s", file, show_bytes(c, s.bytes));
	}
	(void)close(s.fd);
	free(name);
	return rc;
}

static int receive_anywhere(struct ctl *c, const struct args *a, const char *path)
{
	const char *file = args_text(a, "output");
	struct sink s = {.fd = STDOUT_FILENO};

	ctl_catch_interrupt();
	return file != NULL && strcmp(file, "-") != 0 ? receive_file(c, path, file)
						      : receive(c, path, &s, "standard output");
}

/* What --format says, else the file's name; NULL: they say different things, which was told. */
static const char *format_of(const struct args *a)
{
	static const char *const formats[] = {"csv", "xlsx", "jsonl"};
	const char *file = args_text(a, "output"), *dot = file != NULL ? strrchr(file, '.') : NULL;
	const char *said = args_text(a, "format"), *named = NULL;

	for (size_t i = 0; dot != NULL && i < sizeof(formats) / sizeof(formats[0]); i++) {
		named = strcasecmp(dot + 1, formats[i]) == 0 ? formats[i] : named;
	}
	if (said != NULL && named != NULL && strcmp(said, named) != 0) {
		args_complain(a->command, "--format %s does not go with a file called %s", said, file);
		return NULL;
	}
	return said != NULL ? said : named != NULL ? named : "csv";
}

int cmd_run_export(struct ctl *c, const struct args *a)
{
	const char *format = format_of(a);
	struct buf path = {0};
	uint64_t run;
	int rc;

	if (format == NULL || !args_run(a, 0, &run)) {
		return CTL_USAGE;
	}
	if (strcmp(format, "xlsx") == 0 &&
	    !args_has(a, "output") && isatty(STDOUT_FILENO)) {
		print_error("a workbook is no text for a terminal: give --output FILE");
		return CTL_USAGE;
	}
	buf_printf(&path, "/v1/runs/%" PRIu64 "/export", run);
	api_query(&path, "format", format);
	api_query(&path, "outcome", args_text(a, "outcome"));
	rc = receive_anywhere(c, a, path.data);
	buf_free(&path);
	return rc;
}

int cmd_run_rejects(struct ctl *c, const struct args *a)
{
	char path[64];
	uint64_t run;

	if (!args_run(a, 0, &run)) {
		return CTL_USAGE;
	}
	snprintf(path, sizeof(path), "/v1/runs/%" PRIu64 "/rejects", run);
	return receive_anywhere(c, a, path);
}

int cmd_metrics(struct ctl *c, const struct args *a)
{
	struct sink s = {.fd = STDOUT_FILENO};

	(void)a;
	ctl_catch_interrupt();
	return receive(c, "/v1/metrics", &s, "standard output");
}
