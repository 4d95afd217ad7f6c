/*
 * The heart of the shim: where a process dies and which call fails, and the record.
 */
#include "tests/fault/shim.h"

#include "tests/fault/record.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	enum group group;
	bool half;
} sites[SITES] = {
#define X(id, name, group, half) {name, group, half},
    FAULT_SITES(X)
#undef X
};
static const char *const moments[MOMENTS] = {"before", "half", "after"};
static const char *const groups[GROUPS] = {"malloc", "socket", "accept", "fdatasync", "pwrite"};

static struct page own_page;
struct page *fault_page = &own_page;
static int record_fd = -1;

/* --- for the rigs: names by number, NULL at the end --- */

const char *fault_site_name(unsigned s);
const char *fault_group_name(unsigned g);
int fault_has_half(unsigned s);

const char *fault_site_name(unsigned s)
{
	return s < SITES ? sites[s].name : NULL;
}

const char *fault_group_name(unsigned g)
{
	return g < GROUPS ? groups[g] : NULL;
}

int fault_has_half(unsigned s)
{
	return s < SITES && sites[s].half;
}

/* --- points --- */

void fault_die(void)
{
	(void)syscall(SYS_kill, getpid(), SIGKILL);
	for (;;) {
		(void)pause();
	}
}

static bool is_point(enum site s, enum moment m)
{
	const struct page *p = fault_page;

	return p->kill_at != 0 && p->kill_site == s && p->kill_moment == m &&
	       p->passes[s] == p->kill_at;
}

void fault_before(enum site s)
{
	fault_page->passes[s]++;
	if (is_point(s, MOMENT_BEFORE)) {
		fault_die();
	}
}

void fault_after(enum site s)
{
	if (is_point(s, MOMENT_AFTER)) {
		fault_die();
	}
}

bool fault_half(enum site s)
{
	return is_point(s, MOMENT_HALF);
}

int fault_fails(enum site s)
{
	struct page *p = fault_page;
	enum group g = sites[s].group;
	uint64_t n;

	if (g == GROUP_NONE) {
		return 0;
	}
	n = ++p->calls[g];
	if (p->fail_first == 0 || p->fail_group != g || n < p->fail_first || n > p->fail_last) {
		return 0;
	}
	p->failed++;
	return (int)p->fail_how;
}

/* --- the environment --- */

static void wrong(const char *name, const char *value)
{
	(void)fprintf(stderr, "shim: %s=%s is not understood\n", name, value);
	_exit(99);
}

static void read_kill(const char *value)
{
	struct page *p = fault_page;
	const char *colon = strrchr(value, ':');
	char point[64];

	for (unsigned s = 0; colon != NULL && s < SITES; s++) {
		for (unsigned m = 0; m < MOMENTS; m++) {
			int len =
			    snprintf(point, sizeof(point), "%s-%s", sites[s].name, moments[m]);

			if (len == colon - value && strncmp(value, point, (size_t)len) == 0 &&
			    (m != MOMENT_HALF || sites[s].half)) {
				p->kill_site = s;
				p->kill_moment = m;
				p->kill_at = strtoull(colon + 1, NULL, 10);
				return;
			}
		}
	}
	wrong("FAULT_KILL", value);
}

static int default_errno(unsigned g)
{
	static const int errors[GROUPS] = {[GROUP_MALLOC] = ENOMEM,
	    [GROUP_SOCKET] = EMFILE,
	    [GROUP_ACCEPT] = EMFILE,
	    [GROUP_FDATASYNC] = EIO,
	    [GROUP_PWRITE] = ENOSPC};

	return errors[g];
}

static void read_fail(const char *value)
{
	struct page *p = fault_page;
	const char *colon = strchr(value, ':');
	char *end;

	for (unsigned g = 0; colon != NULL && g < GROUPS; g++) {
		if (strlen(groups[g]) == (size_t)(colon - value) &&
		    strncmp(value, groups[g], strlen(groups[g])) == 0) {
			p->fail_group = g;
			p->fail_how = (uint64_t)default_errno(g);
			p->fail_first = p->fail_last = strtoull(colon + 1, &end, 10);
			if (*end == '+') {
				p->fail_last = UINT64_MAX;
				end++;
			}
			if (strcmp(end, ":eio") == 0) {
				p->fail_how = EIO;
			} else if (strcmp(end, ":short") == 0) {
				p->fail_how = HOW_SHORT;
			} else if (strcmp(end, ":enospc") == 0) {
				p->fail_how = ENOSPC;
			} else if (*end != '\0') {
				break;
			}
			return;
		}
	}
	wrong("FAULT_FAIL", value);
}

void fault_open(void)
{
	static bool opened;
	const char *path, *value;
	void *map;
	int fd;

	if (opened) {
		return;
	}
	opened = true;
	if ((path = getenv("FAULT_PAGE")) != NULL) {
		fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
		map = fd >= 0 ? mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED,
				    fd, 0)
			      : MAP_FAILED;
		if (map == MAP_FAILED) {
			wrong("FAULT_PAGE", path);
		}
		(void)syscall(SYS_close, fd);
		fault_page = map;
	}
	if ((value = getenv("FAULT_KILL")) != NULL) {
		read_kill(value);
	}
	if ((value = getenv("FAULT_FAIL")) != NULL) {
		read_fail(value);
	}
	if ((path = getenv("FAULT_RECORD")) != NULL) {
		fault_record_open(path);
	}
}

__attribute__((constructor)) static void on_load(void)
{
	fault_open();
}

fault_fn fault_next(const char *name)
{
	void *at = dlsym(RTLD_NEXT, name);
	fault_fn f;

	if (at == NULL) {
		wrong("dlsym", name);
	}
	memcpy(&f, &at, sizeof(f));
	return f;
}

/* --- the record --- */

void fault_record_open(const char *path)
{
	record_fd = (int)syscall(
	    SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (record_fd < 0) {
		wrong("FAULT_RECORD", path);
	}
	record_fd = fcntl(record_fd, F_DUPFD_CLOEXEC, 1000); /* out of the way of leadd's own */
	fault_record(RECORD_START, 0, 0, NULL, 0, 0);
}

void fault_record(char kind, int fd, uint64_t offset, const struct iovec *parts, int n, size_t most)
{
	struct record_head head = {.kind = (uint8_t)kind, .fd = (uint16_t)fd, .offset = offset};
	struct iovec out[130] = {{.iov_base = &head, .iov_len = sizeof(head)}};
	int used = 1;

	if (record_fd < 0) {
		return;
	}
	for (int i = 0; i < n && head.len < most && used < 130; i++) {
		size_t len =
		    parts[i].iov_len < most - head.len ? parts[i].iov_len : most - head.len;

		out[used++] = (struct iovec){.iov_base = parts[i].iov_base, .iov_len = len};
		head.len += (uint32_t)len;
	}
	if (syscall(SYS_writev, record_fd, out, used) != (long)(sizeof(head) + head.len)) {
		wrong("FAULT_RECORD", "a record");
	}
}
