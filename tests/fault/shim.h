/*
 * tests/fault/shim.h: what the rigs do to leadd from outside, by LD_PRELOAD. leadd itself knows nothing of it.
 *
 * Every call that the shim sees belongs to a site; a site and a moment (before, half, after) make a named point, such as
 * `store-sync-before`. At the n-th pass of a point the process kills itself; the n-th call of a group of sites fails.
 *
 *   FAULT_PAGE    a file that is mapped: struct page, read and written by the rig while leadd runs
 *   FAULT_KILL    POINT:N
 *   FAULT_FAIL    GROUP:N[+][:HOW]     N+: that one and all after it; HOW, of pwrite: enospc, eio, short
 *   FAULT_RECORD  a file to which is added what record.h describes
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* name, group that makes it fail, whether half of it can be done */
#define FAULT_SITES(X) \
	X(STORE_WRITE, "store-write", GROUP_PWRITE, true)      /* pages of the store */ \
	X(STORE_META, "store-meta", GROUP_PWRITE, true)        /* its meta page, through the O_DSYNC descriptor */ \
	X(STORE_SYNC, "store-sync", GROUP_FDATASYNC, false) \
	X(UPLOAD_WRITE, "upload-write", GROUP_PWRITE, true) \
	X(UPLOAD_SYNC, "upload-sync", GROUP_FDATASYNC, false) \
	X(RESULTS_SYNC, "results-sync", GROUP_FDATASYNC, false) /* files and folders of a run's end */ \
	X(RESULTS_RENAME, "results-rename", GROUP_NONE, false) \
	X(CONNECT, "connect", GROUP_NONE, false)               /* to an outside service */ \
	X(SEND, "send", GROUP_NONE, true)                      /* a request to it */ \
	X(RECV, "recv", GROUP_NONE, false)                     /* its answer */ \
	X(ACCEPT, "accept", GROUP_ACCEPT, false)               /* a client of the control socket */ \
	X(REQUEST, "request", GROUP_NONE, false)               /* what it asks */ \
	X(ANSWER, "answer", GROUP_NONE, true)                  /* what it is told */ \
	X(SOCKET, "socket", GROUP_SOCKET, false) \
	X(MALLOC, "malloc", GROUP_MALLOC, false)

enum site {
#define X(id, name, group, half) SITE_##id,
	FAULT_SITES(X)
#undef X
	SITES
};

enum moment { MOMENT_BEFORE, MOMENT_HALF, MOMENT_AFTER, MOMENTS };

enum group { GROUP_MALLOC, GROUP_SOCKET, GROUP_ACCEPT, GROUP_FDATASYNC, GROUP_PWRITE, GROUPS, GROUP_NONE = GROUPS };

#define HOW_SHORT 1000 /* instead of an errno: half is written, and said so */

/* All numbers, in this order, so that a rig in another language can map it. */
struct page {
	uint64_t kill_site, kill_moment, kill_at; /* at 0: never */
	uint64_t fail_group, fail_first, fail_last, fail_how; /* first 0: never */
	uint64_t failed;                          /* calls that were made to fail */
	uint64_t passes[SITES];
	uint64_t calls[GROUPS];
};
extern struct page *fault_page;

void fault_open(void); /* reads the environment once */
/* Counts the pass; dies there if it is to. */
void fault_before(enum site s);
void fault_after(enum site s);
/* Half of what is to be written, then death: is it now? */
bool fault_half(enum site s);
void fault_die(void) __attribute__((noreturn));
/* 0, or the errno (or HOW_SHORT) that this call fails with. */
int fault_fails(enum site s);

/* The function that leadd would have called without us. */
typedef void (*fault_fn)(void);
fault_fn fault_next(const char *name);

/* --- the record --- */
void fault_record_open(const char *path);
void fault_record(char kind, int fd, uint64_t offset, const struct iovec *parts, int n, size_t most);
