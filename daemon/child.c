/*
 * Work that leaves the loop: our own binary again with another first argument, an empty environment and no more than
 * stdin, stdout and stderr, and two files for those that are given some. Its end comes by SIGCHLD, what it has to say by a pipe of at most 64 KiB.
 *
 *   leadd --copy DIR FILE      compacts the store into FILE (backup)
 *   leadd --probe HOST PORT    is there anybody (doctor)
 *   leadd --replay …           a run again, see replay.h
 *   leadd --plan FILE DIR JSON makes a plan (plans.c)
 *   leadd --preview FILE DIR JSON  shows what would be asked (previews.c)
 *   leadd --xlsx-to-csv [SHEET] reads a workbook in a sandbox; leadd --csv-to-xlsx DIR writes one (workbook_child.c)
 *   leadd --store-check DIR    does the store agree with itself (store check); a line per problem, then the counts as JSON
 */
#include "daemon/leadd.h"
#include "daemon/replay.h"
#include "daemon/workbook.h"
#include "lib/store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_OUTPUT (64 * 1024)
#define PROBE_S 5

struct child {
	pid_t pid;
	int out;
	child_done_fn done;
	void *arg;
	struct child *next;
};

int child_start(struct leadd *l, const char *const args[], child_done_fn done, void *arg, struct lead_error *err)
{
	return child_start_with(l, args, NULL, done, arg, err);
}

/* Copies out of the way of the numbers that they get in the child. */
static bool move_up(const int fds[2], int ret[2])
{
	for (int i = 0; i < 2; i++) {
		ret[i] = fds != NULL ? fcntl(fds[i], F_DUPFD_CLOEXEC, 10) : -1;
		if (fds != NULL && ret[i] < 0) {
			if (i > 0) {
				close(ret[0]);
			}
			return false;
		}
	}
	return true;
}

static int spawn(const char *const args[], int out, const int fds[2], pid_t *ret)
{
	static char *const environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	int last = 2, rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, out, 2);
	for (int i = 0; i < 2 && fds[i] >= 0; i++) {
		posix_spawn_file_actions_adddup2(&actions, fds[i], ++last);
	}
	posix_spawn_file_actions_addclosefrom_np(&actions, last + 1);
	rc = posix_spawn(ret, "/proc/self/exe", &actions, NULL, (char *const *)(uintptr_t)args, environment);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

int child_start_with(struct leadd *l, const char *const args[], const int fds[2], child_done_fn done, void *arg, struct lead_error *err)
{
	struct child *c = calloc(1, sizeof(*c));
	int ends[2], high[2], rc;

	if (c == NULL || pipe2(ends, O_CLOEXEC) != 0) {
		free(c);
		return lead_fail(err, LEAD_ENOMEM, "cannot start a child process: %s", strerror(errno));
	}
	if (!move_up(fds, high)) {
		rc = errno;
	} else {
		rc = spawn(args, ends[1], high, &c->pid);
		for (int i = 0; i < 2 && high[i] >= 0; i++) {
			close(high[i]);
		}
	}
	close(ends[1]);
	if (rc != 0) {
		close(ends[0]);
		free(c);
		return lead_fail(err, LEAD_EBUG, "cannot start a child process: %s", strerror(rc));
	}
	c->out = ends[0];
	c->done = done;
	c->arg = arg;
	c->next = l->children;
	l->children = c;
	return 0;
}

static void child_end(struct child *c, int status)
{
	char *text = malloc(MAX_OUTPUT + 1);
	ssize_t n;

	if (text == NULL) {
		abort();
	}

	/* it has ended: what it wrote is in the pipe, nothing blocks */
	(void)fcntl(c->out, F_SETFL, O_NONBLOCK);
	n = read(c->out, text, MAX_OUTPUT);
	text[n > 0 ? n : 0] = 0;
	close(c->out);
	c->done(c->arg, WIFEXITED(status) ? WEXITSTATUS(status) : 255, text);
	free(text);
	free(c);
}

void child_reap(struct leadd *l)
{
	struct child **at = &l->children;

	while (*at != NULL) {
		struct child *c = *at;
		int status;

		if (waitpid(c->pid, &status, WNOHANG) == c->pid) {
			*at = c->next;
			if (!WIFEXITED(status)) {
				store_forget_readers(l->store); /* it may have read in the store */
			}
			child_end(c, status);
			at = &l->children; /* done may have started another */
		} else {
			at = &c->next;
		}
	}
}

void child_stop(struct leadd *l)
{
	while (l->children != NULL) {
		struct child *c = l->children;
		int status;

		l->children = c->next;
		kill(c->pid, SIGKILL);
		(void)waitpid(c->pid, &status, 0);
		close(c->out);
		free(c);
	}
}

/* --- in the child --- */

static int copy_main(const char *dir, const char *file)
{
	struct store_options o = {.dir = dir, .read_only = true};
	struct store *s = NULL;
	struct lead_error err;
	int rc = store_open(&o, &s, &err);

	if (rc == 0) {
		rc = store_copy(s, file, &err);
		store_close(s);
	}
	if (rc != 0) {
		(void)fprintf(stdout, "%s", err.text);
	}
	return rc == 0 ? 0 : 1;
}

static int try_address(const struct addrinfo *a)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0;
	socklen_t len = sizeof(error);
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	if (fd < 0) {
		return errno;
	}
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS) {
		error = errno;
	} else if (poll(&p, 1, PROBE_S * 1000) != 1) {
		error = ETIMEDOUT;
	} else {
		(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	}
	close(fd);
	return error;
}

static int probe_main(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	int rc, error = EHOSTUNREACH;

	alarm(3 * PROBE_S);
	rc = getaddrinfo(host, port, &hints, &list);
	if (rc != 0) {
		(void)fprintf(stdout, "%s: %s", host, gai_strerror(rc));
		return 1;
	}
	for (struct addrinfo *a = list; a != NULL && error != 0; a = a->ai_next) {
		error = try_address(a);
	}
	freeaddrinfo(list);
	if (error != 0) {
		(void)fprintf(stdout, "%s port %s: %s", host, port, strerror(error));
		return 1;
	}
	(void)fprintf(stdout, "%s port %s answers", host, port);
	return 0;
}

/* The parent reads when we have ended: more than a pipe holds would keep us here for ever. */
static void on_problem(void *arg, const char *problem)
{
	unsigned *left = arg;

	if (*left > 0) {
		(*left)--;
		(void)printf("%s\n", problem);
	}
}

static int check_main(const char *dir)
{
	struct store_options o = {.dir = dir, .read_only = true};
	struct check_counts n = {0};
	struct store *s = NULL;
	struct lead_error err;
	unsigned lines = 200;
	int rc = store_open(&o, &s, &err);

	if (rc == 0) {
		rc = store_check(s, on_problem, &lines, &n, &err);
		store_close(s);
	}
	if (rc != 0) {
		(void)printf("%s\n", err.text);
		return 2;
	}
	(void)printf("{\"runs\":%llu,\"leads\":%llu,\"facts\":%llu,\"calls\":%llu,\"open_calls\":%llu,\"accounts\":%llu,\"answers\":%llu,\"problems\":%llu}\n",
	    (unsigned long long)n.runs, (unsigned long long)n.items, (unsigned long long)n.facts, (unsigned long long)n.calls,
	    (unsigned long long)n.open_calls, (unsigned long long)n.accounts, (unsigned long long)n.bodies,
	    (unsigned long long)n.problems);
	return n.problems == 0 ? 0 : 1;
}

int child_main(int argc, char *argv[])
{
	if (argc == 4 && strcmp(argv[1], "--copy") == 0) {
		return copy_main(argv[2], argv[3]);
	}
	if (argc == 4 && strcmp(argv[1], "--probe") == 0) {
		return probe_main(argv[2], argv[3]);
	}
	if (argc == 5 && strcmp(argv[1], "--plan") == 0) {
		return plan_main(argv[2], argv[3], argv[4]);
	}
	if (argc == 5 && strcmp(argv[1], "--preview") == 0) {
		return preview_main(argv[2], argv[3], argv[4]);
	}
	if (argc == 3 && strcmp(argv[1], "--store-check") == 0) {
		return check_main(argv[2]);
	}
	if ((argc == 2 || argc == 3) && strcmp(argv[1], WORKBOOK_READ) == 0) {
		return workbook_read_main(argv[2]);
	}
	if (argc == 3 && strcmp(argv[1], WORKBOOK_WRITE) == 0) {
		return workbook_write_main(argv[2]);
	}
	if (argc == 9 && strcmp(argv[1], REPLAY_OPTION) == 0) {
		return replay_main(argv);
	}
	return -1;
}
