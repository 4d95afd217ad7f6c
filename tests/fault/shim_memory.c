/*
 * Memory: leadd's own malloc (daemon/memory.c) asks these instead of the C library's.
 */
#include "tests/fault/shim.h"

#include <errno.h>
#include <stdlib.h>

void *__libc_malloc(size_t len);
void *__libc_calloc(size_t n, size_t len);
void *__libc_realloc(void *old, size_t len);

static bool fails(void)
{
	fault_page->passes[SITE_MALLOC]++;
	if (fault_fails(SITE_MALLOC) == 0) {
		return false;
	}
	errno = ENOMEM;
	return true;
}

void *__libc_malloc(size_t len)
{
	static void *(*next)(size_t);

	if (next == NULL) {
		next = (void *(*)(size_t))fault_next("__libc_malloc");
	}
	return fails() ? NULL : next(len);
}

void *__libc_calloc(size_t n, size_t len)
{
	static void *(*next)(size_t, size_t);

	if (next == NULL) {
		next = (void *(*)(size_t, size_t))fault_next("__libc_calloc");
	}
	return fails() ? NULL : next(n, len);
}

void *__libc_realloc(void *old, size_t len)
{
	static void *(*next)(void *, size_t);

	if (next == NULL) {
		next = (void *(*)(void *, size_t))fault_next("__libc_realloc");
	}
	return fails() ? NULL : next(old, len);
}
