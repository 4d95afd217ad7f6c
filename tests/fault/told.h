/*
 * tests/fault/told.h: what leadd let out into the world up to a moment of a record, so that a store
 * can be asked for it: calls that were sent, answers of the control API, spooled bytes of uploads.
 */
#pragma once

#include "lib/store/runs.h"
#include "lib/store/store.h"

struct told;

struct told *told_new(void);
void told_free(struct told *t);

/* A commit is durable: whatever is let out from now on may rest on it. */
void told_committed(struct told *t, uint64_t txn);
/* Bytes of a request to a service, of a question and an answer on control connection fd. */
void told_sent(struct told *t, const char *bytes, size_t len);
void told_asked(struct told *t, unsigned fd, const char *bytes, size_t len);
void told_answered(struct told *t, unsigned fd, const char *bytes, size_t len);
/* An upload's file was made; the folder was synced, so that all of them have names; one was written
 * up to offset; was synced. */
void told_spool_made(struct told *t, const char *path, size_t len);
void told_spool_named(struct told *t);
void told_spool(struct told *t, const char *path, size_t len, uint64_t offset);
void told_spooled(struct told *t, const char *path, size_t len);

/* The transaction that a store must have reached. */
uint64_t told_txn(const struct told *t);
/* How many things a store is asked for. */
size_t told_count(const struct told *t);
/* Answers about uploads whose bytes were not synced yet. */
size_t told_unspooled(const struct told *t);

/* f is called for each thing that is not there; returns how many. */
size_t told_missing(
    const struct told *t, struct store *s, void (*f)(void *arg, const char *what), void *arg);
