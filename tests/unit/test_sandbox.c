/*
 * tests/unit/test_sandbox.c: what a process can do no more in the sandbox. Each try is one in a
 * child of its own, that proves first that it works outside; it tells by its exit status.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/sandbox.h"

static const struct sandbox_bounds bounds = {
    .memory_bytes = UINT64_C(512) << 20, .file_bytes = 1 << 20, .cpu_s = 10};
static int input = -1; /* of a file with the byte 'x' */

/* True when it worked. */
typedef bool (*try_fn)(void);

static bool closed(long fd)
{
	return fd >= 0 && close((int)fd) == 0;
}

static bool try_open(void)
{
	return closed(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static bool try_open_old(void)
{
#ifdef SYS_open
	return closed(syscall(SYS_open, "/dev/null", O_RDONLY));
#else
	return try_open();
#endif
}

static bool try_openat2(void)
{
	struct {
		uint64_t flags, mode, resolve;
	} how = {.flags = O_RDONLY};

	return closed(syscall(SYS_openat2, AT_FDCWD, "/dev/null", &how, sizeof(how)));
}

static bool try_creat(void)
{
	return closed(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

static bool try_stat(void)
{
	struct stat st;

	return stat("/etc", &st) == 0;
}

static bool try_inet(void)
{
	return closed(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static bool try_unix(void)
{
	return closed(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static bool try_pair(void)
{
	int ends[2];

	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 && closed(ends[0]) &&
	       closed(ends[1]);
}

static bool try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		_exit(0);
	}
	return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

static bool try_kill(void)
{
	return kill(getppid(), 0) == 0;
}

static bool try_dup(void)
{
	return closed(dup(0));
}

static bool try_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED;
}

static bool try_code_later(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool try_rename(void)
{
	return rename("/dev/null/a", "/dev/null/b") != 0 && errno == ENOTDIR; /* it looked */
}

static bool try_prctl(void)
{
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) >= 0;
}

static bool try_limit(void)
{
	struct rlimit l;

	return getrlimit(RLIMIT_NOFILE, &l) == 0;
}

static bool try_exec(void)
{
	char *const none[] = {NULL};

	(void)execve("/nowhere", none, none);
	return errno == ENOENT; /* it looked */
}

/* These must work. */

static bool try_read(void)
{
	char c = 0;

	return pread(input, &c, 1, 0) == 1 && c == 'x';
}

static bool try_memory(void)
{
	char *big = malloc((size_t)20 << 20);
	char *bigger = big != NULL ? realloc(big, (size_t)40 << 20) : NULL;

	if (bigger == NULL) {
		return false;
	}
	memset(bigger, 1, (size_t)40 << 20);
	free(bigger);
	return true;
}

static bool try_map(void)
{
	const char *p = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, input, 0);

	return p != MAP_FAILED && *p == 'x';
}

static int in_child(try_fn f)
{
	struct lead_error err;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (!f()) {
			_exit(10);
		}
		_exit(sandbox_enter(&bounds, &err) != 0 ? 11 : f() ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_nothing_can_be_reached(void **state)
{
	static const try_fn tries[] = {try_open, try_open_old, try_openat2, try_creat, try_stat,
	    try_inet, try_unix, try_pair, try_fork, try_kill, try_dup, try_code, try_code_later,
	    try_rename, try_prctl, try_limit, try_exec};

	(void)state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		int status = in_child(tries[i]);

		if (status != 0) {
			fail_msg("try %zu: %s", i,
			    status == 1    ? "it works in the sandbox"
			    : status == 10 ? "it does not work outside"
					   : "no sandbox");
		}
	}
}

static void test_what_is_there_can_be_used(void **state)
{
	static const try_fn tries[] = {try_read, try_memory, try_map};

	(void)state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		assert_int_equal(in_child(tries[i]), 1);
	}
}

/* Seccomp 2: a filter; NoNewPrivs 1. Told through a descriptor opened before. */
static void test_the_kernel_says_so(void **state)
{
	char text[8192];
	int ends[2], status;
	pid_t pid;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		struct lead_error err;
		int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

		if (fd < 0 || sandbox_enter(&bounds, &err) != 0) {
			_exit(1);
		}
		n = read(fd, text, sizeof(text));
		_exit(write(ends[1], text, n > 0 ? (size_t)n : 0) == n ? 0 : 1);
	}
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	n = read(ends[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = 0;
	assert_non_null(strstr(text, "\nNoNewPrivs:\t1\n"));
	assert_non_null(strstr(text, "\nSeccomp:\t2\n"));
	close(ends[0]);
}

#if defined(__x86_64__)
/* The old calls of the same machine, by the numbers of its other ABI, end the process. */
static void test_other_calls_kill(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct lead_error err;

		if (sandbox_enter(&bounds, &err) != 0) {
			_exit(1);
		}
		(void)syscall(0x40000000 | SYS_read, 0, NULL, 0);
		_exit(2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}
#endif

static int set_up(void **state)
{
	FILE *f = tmpfile();

	(void)state;
	if (f == NULL || fputc('x', f) != 'x' || fflush(f) != 0) {
		return -1;
	}
	input = fileno(f);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_can_be_reached),
		cmocka_unit_test(test_what_is_there_can_be_used),
		cmocka_unit_test(test_the_kernel_says_so),
#if defined(__x86_64__)
		cmocka_unit_test(test_other_calls_kill),
#endif
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
