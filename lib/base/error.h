/* lib/base/error.h: how a failure travels up to the person who must read it. */
#pragma once

#include <stdarg.h>

/*
 * Results of functions that can fail: 0 done; below 0 one of these, passed up
 * unchanged; above 0 an outcome named in the header of that very function.
 */
enum lead_err {
	LEAD_ENOMEM = -1,  /* out of memory */
	LEAD_EINPUT = -2,  /* bad file, request or answer: the text says where and what is right */
	LEAD_ESTORE = -3,  /* the store refused; nothing of the transaction is kept */
	LEAD_EREMOTE = -4, /* an outside system failed */
	LEAD_EBUG = -5,    /* our own mistake */
	LEAD_EFULL = -6,   /* store map or disk full; goes away when there is room again */
	LEAD_EIO = -7,     /* the disk lied; the process must end */
};

/* Belongs to the caller, owns no memory, may be passed as NULL everywhere. */
struct lead_error {
	enum lead_err code;
	char text[512]; /* one line for a person; never a key, never a lead's data */
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Fills err (when not NULL) and returns code, so that callers write `return lead_fail(...)`. */
int lead_fail(struct lead_error *err, enum lead_err code, const char *format, ...) PRINTF(3, 4);
