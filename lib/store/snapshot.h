/*
 * lib/store/snapshot.h: as much of a store as the future depends on, copied into an empty one.
 *
 * For plan: what it tries out must not happen to the real store, and the daemon goes on working meanwhile. One read
 * transaction, so that the copy is of one moment; the copy is written in slices.
 */
#pragma once

#include "lib/store/store.h"

struct snapshot_options {
	int64_t calls_from_wall_us; /* calls granted before are left out: no window reaches back so far */
	int64_t margin_us;          /* an open call counts as having arrived so long after it was granted */
};

/*
 * Settings, names, balances, parked keys, statistics, suppression lists, and the runs that have not ended with their rows, states and queues; of the
 * others the last one's row, so that numbers go on. Facts are left out. A call that is open stays in its windows, and its item waits for it
 * again: whoever works on the copy will not hear its answer. 0, or LEAD_ENOMEM, LEAD_EFULL, LEAD_EIO, LEAD_ESTORE.
 */
int snapshot_take(struct store *from, struct store *to, const struct snapshot_options *o, struct lead_error *err) MUST_CHECK;
/* Everything, as it is. */
int snapshot_clone(struct store *from, struct store *to, struct lead_error *err) MUST_CHECK;
