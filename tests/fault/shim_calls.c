/*
 * Files and sockets. What a descriptor is for is known from how it was opened: the store and its
 * meta descriptor by name and O_DSYNC, the spool and the results by their folders, outside services
 * by socket(), clients by accept().
 */
#undef _FILE_OFFSET_BITS /* open and open64, pwrite and pwrite64 are two names each here */

#include "tests/fault/shim.h"

#include "tests/fault/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILES 65536
#define ANY ((size_t)1 << 30)
#define TEXT ((size_t)16 << 10) /* of requests and answers */

enum purpose { NOTHING, STORE, META, FOLDER, UPLOAD, RESULTS, OUTSIDE, CLIENT };
static uint8_t purposes[FILES];

#define NEXT(result, name, ...)                                                                    \
	static result (*next)(__VA_ARGS__);                                                        \
	if (next == NULL) {                                                                        \
		next = (result(*)(__VA_ARGS__))fault_next(name);                                   \
	}

static enum purpose purpose_of(int fd)
{
	return fd >= 0 && fd < FILES ? purposes[fd] : NOTHING;
}

static int is_for(int fd, enum purpose p)
{
	if (fd >= 0 && fd < FILES) {
		purposes[fd] = (uint8_t)p;
	}
	return fd;
}

static bool ends(const char *path, const char *end)
{
	size_t len = strlen(path), n = strlen(end);

	return len >= n && strcmp(path + len - n, end) == 0;
}

static enum purpose purpose_of_path(const char *path, int flags)
{
	if (ends(path, "/leadd.mdb") || ends(path, "/leadd.mdb.new")) {
		return (flags & O_DSYNC) != 0 ? META : STORE;
	}
	if (strstr(path, "/uploads/") != NULL) {
		return UPLOAD;
	}
	return strstr(path, "/runs") != NULL ? RESULTS
	       : (flags & O_DIRECTORY) != 0  ? FOLDER
					     : NOTHING;
}

static void record_path(char kind, int fd, uint64_t offset, const char *path)
{
	fault_record(kind, fd, offset,
	    &(struct iovec){.iov_base = (void *)(uintptr_t)path, .iov_len = strlen(path)}, 1, ANY);
}

static void record_path_of(char kind, int fd, uint64_t offset)
{
	char link[64], path[512];
	ssize_t len;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	record_path(kind, fd, offset, path);
}

/* A file that is made has a name only from the next fsync of its folder on. */
static void record_new(const char *path, int flags)
{
	enum purpose p = purpose_of_path(path, flags);

	if ((flags & O_CREAT) != 0 && access(path, F_OK) != 0 &&
	    (p == UPLOAD || (p == STORE && ends(path, ".new")))) {
		record_path(RECORD_NEW, 0, 0, path);
	}
}

int open64(const char *path, int flags, ...)
{
	NEXT(int, "open64", const char *, int, ...)
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	record_new(path, flags);
	return is_for(next(path, flags, mode), purpose_of_path(path, flags));
}

int open(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return open64(path, flags, mode);
}

int close(int fd)
{
	NEXT(int, "close", int)

	is_for(fd, NOTHING);
	return next(fd);
}

/* --- writing files --- */

static void record_write(int fd, enum purpose p, uint64_t offset, const struct iovec *parts, int n)
{
	if (p != UPLOAD) {
		fault_record(p == META ? RECORD_META : RECORD_WRITE, fd, offset, parts, n, ANY);
		return;
	}
	for (int i = 0; i < n; i++) {
		offset += parts[i].iov_len;
	}
	record_path_of(RECORD_SPOOL, fd, offset);
}

static ssize_t write_parts(int fd, const struct iovec *parts, int n, off_t offset)
{
	NEXT(ssize_t, "pwritev", int, const struct iovec *, int, off_t)

	return next(fd, parts, n, offset);
}

/* The first half of the bytes of parts, in out; returns how many parts that is. */
static int half_of(const struct iovec *parts, int n, struct iovec *out)
{
	size_t left = 0;
	int used = 0;

	for (int i = 0; i < n; i++) {
		left += parts[i].iov_len;
	}
	for (left /= 2; left > 0; left -= out[used++].iov_len) {
		out[used] = parts[used];
		out[used].iov_len = parts[used].iov_len < left ? parts[used].iov_len : left;
	}
	return used;
}

static ssize_t write_file(int fd, enum purpose p, const struct iovec *parts, int n, off_t offset)
{
	enum site s = p == META    ? SITE_STORE_META
		      : p == STORE ? SITE_STORE_WRITE
				   : SITE_UPLOAD_WRITE;
	struct iovec half[1024];
	int error, used = 0;
	ssize_t done;

	fault_before(s);
	error = fault_fails(s);
	if (error == HOW_SHORT || fault_half(s)) {
		used = half_of(parts, n, half);
		parts = half;
		n = used;
	} else if (error != 0) {
		errno = error;
		return -1;
	}
	done = n > 0 ? write_parts(fd, parts, n, offset) : 0;
	if (done > 0) {
		record_write(fd, p, (uint64_t)offset, parts, n);
	}
	if (fault_half(s)) {
		fault_die();
	}
	fault_after(s);
	return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
	NEXT(ssize_t, "pwrite64", int, const void *, size_t, off_t)
	enum purpose p = purpose_of(fd);

	if (p == STORE || p == META || p == UPLOAD) {
		return write_file(fd, p,
		    &(struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = len}, 1,
		    offset);
	}
	return next(fd, bytes, len, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	return pwrite64(fd, bytes, len, offset);
}

int ftruncate(int fd, off_t len)
{
	NEXT(int, "ftruncate", int, off_t)

	if (purpose_of(fd) == STORE) {
		fault_record(RECORD_CUT, fd, (uint64_t)len, NULL, 0, 0);
	}
	return next(fd, len);
}

/* --- syncing --- */

static int sync_file(int fd, int (*next)(int))
{
	enum purpose p = purpose_of(fd);
	enum site s = p == STORE || p == FOLDER ? SITE_STORE_SYNC
		      : p == UPLOAD             ? SITE_UPLOAD_SYNC
						: SITE_RESULTS_SYNC;
	int rc, error;

	if (p == NOTHING) {
		return next(fd);
	}
	fault_before(s);
	error = fault_fails(s);
	if (error != 0) {
		errno = error;
		return -1;
	}
	rc = next(fd);
	if (rc == 0 && p != RESULTS) {
		record_path_of(p == STORE    ? RECORD_SYNC
			       : p == UPLOAD ? RECORD_SPOOLED
					     : RECORD_FOLDER,
		    fd, 0);
	}
	fault_after(s);
	return rc;
}

int fdatasync(int fd)
{
	NEXT(int, "fdatasync", int)

	return sync_file(fd, next);
}

int fsync(int fd)
{
	NEXT(int, "fsync", int)

	return sync_file(fd, next);
}

int rename(const char *from, const char *to)
{
	NEXT(int, "rename", const char *, const char *)
	int rc;

	if (strstr(to, "/runs/") == NULL) {
		rc = next(from, to);
		if (rc == 0 && ends(to, "/leadd.mdb")) {
			fault_record(RECORD_RENAME, 0, 0, NULL, 0, 0);
		}
		return rc;
	}
	fault_before(SITE_RESULTS_RENAME);
	rc = next(from, to);
	fault_after(SITE_RESULTS_RENAME);
	return rc;
}

/* --- sockets --- */

int socket(int family, int type, int protocol)
{
	NEXT(int, "socket", int, int, int)
	bool outside = (family == AF_INET || family == AF_INET6) && (type & 0xf) == SOCK_STREAM;
	int error;

	fault_before(SITE_SOCKET);
	error = fault_fails(SITE_SOCKET);
	if (error != 0) {
		errno = error;
		return -1;
	}
	return is_for(next(family, type, protocol), outside ? OUTSIDE : NOTHING);
}

int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict len, int flags)
{
	NEXT(int, "accept4", int, struct sockaddr *, socklen_t *, int)
	int error, client;

	fault_before(SITE_ACCEPT);
	error = fault_fails(SITE_ACCEPT);
	if (error != 0) {
		errno = error;
		return -1;
	}
	client = is_for(next(fd, address.__sockaddr__, len, flags), CLIENT);
	fault_after(SITE_ACCEPT);
	return client;
}

int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
	NEXT(int, "connect", int, const struct sockaddr *, socklen_t)
	int rc;

	if (purpose_of(fd) != OUTSIDE) {
		return next(fd, address.__sockaddr__, len);
	}
	fault_before(SITE_CONNECT);
	rc = next(fd, address.__sockaddr__, len);
	fault_after(SITE_CONNECT);
	return rc;
}

static ssize_t send_parts(int fd, enum site s, char kind, const struct iovec *parts, int n)
{
	NEXT(ssize_t, "writev", int, const struct iovec *, int)
	struct iovec half[1024];
	ssize_t done;

	fault_before(s);
	fault_record(kind, fd, 0, parts, n, TEXT);
	if (fault_half(s)) {
		n = half_of(parts, n, half);
		(void)next(fd, half, n);
		fault_die();
	}
	done = next(fd, parts, n);
	fault_after(s);
	return done;
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
	NEXT(ssize_t, "writev", int, const struct iovec *, int)
	enum purpose p = purpose_of(fd);
	off_t at;
	ssize_t done;

	if (p == CLIENT) {
		return send_parts(fd, SITE_ANSWER, RECORD_TOLD, parts, n);
	}
	if (p != STORE && p != META) {
		return next(fd, parts, n);
	}
	at = lseek(fd, 0, SEEK_CUR); /* this is how LMDB writes pages that lie together */
	done = write_file(fd, p, parts, n, at);
	if (done > 0) {
		(void)lseek(fd, at + done, SEEK_SET);
	}
	return done;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
	NEXT(ssize_t, "send", int, const void *, size_t, int)

	if (purpose_of(fd) == OUTSIDE) {
		return send_parts(fd, SITE_SEND, RECORD_SENT,
		    &(struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = len}, 1);
	}
	return next(fd, bytes, len, flags);
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
	NEXT(ssize_t, "recv", int, void *, size_t, int)
	ssize_t done;

	if (purpose_of(fd) != OUTSIDE) {
		return next(fd, bytes, len, flags);
	}
	fault_before(SITE_RECV);
	done = next(fd, bytes, len, flags);
	fault_after(SITE_RECV);
	return done;
}

ssize_t readv(int fd, const struct iovec *parts, int n)
{
	NEXT(ssize_t, "readv", int, const struct iovec *, int)
	ssize_t done;

	if (purpose_of(fd) != CLIENT) {
		return next(fd, parts, n);
	}
	fault_before(SITE_REQUEST);
	done = next(fd, parts, n);
	if (done > 0) {
		fault_record(
		    RECORD_ASKED, fd, 0, parts, n, (size_t)done < TEXT ? (size_t)done : TEXT);
	}
	fault_after(SITE_REQUEST);
	return done;
}
