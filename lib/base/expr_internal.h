/* lib/base/expr_internal.h: the parts behind expr.c; nobody else includes this. */
#pragma once

#include "lib/base/expr.h"

/* expr_scan.c: what can be known about a jq program by its words alone. */

struct expr_words {
	bool slow; /* uses a regular expression or a sort: smaller inputs only */
};

/* 0, or LEAD_EINPUT when the program uses what is not allowed or is nested too deep. reads may be
 * NULL. */
int expr_scan(const char *text, struct expr_words *ret,
    void (*reads)(void *arg, const char *name, size_t len), void *arg,
    struct lead_error *err) MUST_CHECK;

/*
 * expr_message.c: appends jq's message, each word behind a space, where every run of words that
 * stand neither in jq's own messages nor in the program becomes one ellipsis.
 */
void expr_message_write(struct buf *out, const char *message, const char *program);

/* expr_jq.c: the one file that knows libjq. */

struct program;

/* text has passed expr_scan. 0, LEAD_ENOMEM, or LEAD_EINPUT with what jq says. */
int program_compile(const char *text, struct program **ret, struct lead_error *err) MUST_CHECK;
void program_free(struct program *p);
/* First result for the input, VALUE_NONE for none. The same results as expr_eval; never shows data
 * in err. */
int program_run(struct program *p, const char *json, size_t len, struct arena *a, struct value *ret,
    struct lead_error *err) MUST_CHECK;

/* expr_pool.c: programs by their text. */

struct pooled;

/* The program of the text, found or new (NULL pool: a new one), one more user. The results of program_compile. */
int pooled_take(struct expr_pool *pool, const char *text, struct pooled **ret,
    struct lead_error *err) MUST_CHECK;
void pooled_drop(struct pooled *p); /* NULL is fine */
struct program *pooled_program(const struct pooled *p);
