/*
 * See check.h. One pass after the other in one transaction: the ledger, the items, the runs with their messages and notes, what is kept
 * for calls, the webhooks that came in, the suppression lists; then what all of them must come to: accounts and queues.
 */
#include "lib/store/check_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TOLD_AT_MOST 1000

void check_tell(struct checking *c, const char *format, ...)
{
	char text[256];
	va_list ap;

	if (c->counts.problems++ < TOLD_AT_MOST) {
		va_start(ap, format);
		(void)vsnprintf(text, sizeof(text), format, ap);
		va_end(ap);
		c->f(c->arg, text);
	}
}

void *check_grow(struct checking *c, void *list, size_t n, size_t size)
{
	/* doubling: n is a power of two or zero exactly when the list is full */
	void *more = (n & (n - 1)) == 0 ? realloc(list, (n == 0 ? 1 : 2 * n) * size) : list;

	c->failed = c->failed || more == NULL;
	return more;
}

int store_check(struct store *s, check_fn f, void *arg, struct check_counts *ret, struct lead_error *err)
{
	struct checking c = {.f = f, .arg = arg};
	int rc = txn_begin(s, false, &c.t, err);

	if (rc != 0) {
		return rc;
	}
	pass_ledger(&c);
	pass_items(&c);
	pass_runs(&c);
	pass_kept(&c);
	pass_inbox(&c);
	pass_suppressions(&c);
	pass_sums(&c);
	pass_queues(&c);
	rc = c.failed ? lead_fail(err, LEAD_ENOMEM, "out of memory") : txn_error(c.t);
	if (rc != 0 && !c.failed) {
		(void)lead_fail(err, rc, "the store is damaged: a value does not match its checksum, or a page is unreadable");
	}
	txn_abort(c.t);
	free(c.charges);
	free(c.sums);
	free(c.tallies);
	free(c.listed);
	*ret = c.counts;
	return rc;
}
