/*
 * lib/store/queue.h: what waits to be called, in the store.
 *
 * ready: service, run, rank, number. Rank 0 is the stage nearest the end of the pipeline: begun leads are
 * finished before new ones are started. later: due (boot clock), service, run, number.
 */
#pragma once

#include "lib/store/items.h"

/* Into `ready` at the item's place (service, rank). */
void queue_push(struct txn *t, const struct item *i);
/* Is a WAITING item in `ready`? If not, its call is open. */
bool queue_has(struct txn *t, const struct item *i);
void queue_remove(struct txn *t, const struct item *i);
/* First number waiting at (service, run, rank), 0 when none. */
uint32_t queue_head(struct txn *t, uint16_t service, uint32_t run, uint8_t rank);
/* The first behind that number. */
uint32_t queue_behind(struct txn *t, uint16_t service, uint32_t run, uint8_t rank, uint32_t number);

/* Into and out of `later` at i->due_us. */
void later_push(struct txn *t, const struct item *i);
void later_remove(struct txn *t, const struct item *i);
/* The earliest: false when empty. */
bool later_head(struct txn *t, int64_t *ret_due_us, uint32_t *ret_run, uint32_t *ret_number);
