/*
 * A lack of memory ends the process, at the allocation that found none, as kill -9 would: the restart takes everything up
 * where it was, and it is the one way out that is tested. Going on is not: json-c leaves out what it has no memory for, so
 * that an answer or a command would say something else; libevent's HTTP server uses what it has freed; libjq ends itself.
 *
 * The C library and all others call these (glibc, "Replacing malloc"). Not part of builds with sanitizers, which bring their
 * own and end the process too.
 */
#include <stdlib.h>

void *__libc_malloc(size_t len);
void *__libc_calloc(size_t n, size_t len);
void *__libc_realloc(void *old, size_t len);

static void *sure(void *at, size_t len)
{
	if (at == NULL && len > 0) {
		abort();
	}
	return at;
}

void *malloc(size_t len)
{
	return sure(__libc_malloc(len), len);
}

void *calloc(size_t n, size_t len)
{
	return sure(__libc_calloc(n, len), n > 0 ? len : 0);
}

void *realloc(void *old, size_t len)
{
	return sure(__libc_realloc(old, len), len);
}
