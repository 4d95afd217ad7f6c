/*
 * lib/sim/kept.h: what clients left behind at HubSpot, Supabase and n8n: records, lists, rows,
 * jobs.
 *
 * What was there before anybody came is drawn (firms.h) and takes no memory until somebody saw it.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEPT_LISTS 200

/* From 64 bits, a hash or a number, to a count from 1 on. All zero is an empty one. */
struct index {
	struct index_slot {
		uint64_t key;
		uint32_t value; /* 0: free */
	} * slots;
	size_t n, cap; /* cap: a power of 2 */
};

/* 0: not there. */
uint32_t index_get(const struct index *i, uint64_t key);
/* Adds or replaces. LEAD_ENOMEM. */
int index_put(struct index *i, uint64_t key, uint32_t value) MUST_CHECK;
void index_fini(struct index *i);

/* A HubSpot contact or company that somebody has seen or made. */
struct record {
	uint64_t id;
	bool company, made;     /* made: by a client */
	const char *key;        /* address or domain */
	const char *properties; /* JSON object of strings */
	int64_t created_us;     /* wall clock */
};

struct crm_list {
	char name[256], object[8]; /* `0-1`, `0-2` */
	unsigned id;
	uint64_t *members;
	size_t n, cap;
};

struct row {
	const char *name, *domain, *city, *state, *pms; /* NULL: null */
};

struct job {
	uint64_t id;
	int64_t ready_us;   /* boot clock */
	const char *result; /* JSON; NULL: it failed */
	uint64_t token;     /* of the account */
};

struct kept {
	struct record *records;
	size_t n_records, cap_records, n_made;
	struct index by_id; /* records */
	struct crm_list lists[KEPT_LISTS];
	size_t n_lists;
	struct index members; /* list and record */
	struct row *rows;
	size_t n_rows, cap_rows;
	struct index by_domain; /* rows */
	struct job *jobs;
	size_t n_jobs, cap_jobs;
	struct index by_job;
	uint64_t callbacks; /* planned */
	struct arena arena; /* all texts */
};

void kept_fini(struct kept *k);
/* Copies; a record of this id that is there already is brought up to date. LEAD_ENOMEM. */
int kept_record(struct kept *k, const struct record *r, struct record **ret) MUST_CHECK;
struct record *kept_find(struct kept *k, uint64_t id);
/* NULL: the name is taken, or there are too many. */
struct crm_list *kept_new_list(struct kept *k, const char *name, const char *object);
struct crm_list *kept_list(struct kept *k, unsigned id);
struct crm_list *kept_list_named(struct kept *k, const char *name, const char *object);
/* ret_new: it was not on the list. LEAD_ENOMEM. */
int kept_join(struct kept *k, struct crm_list *list, uint64_t record, bool *ret_new) MUST_CHECK;
/* By domain; what is there is replaced when merge says so. ret_there: it was. LEAD_ENOMEM. */
int kept_row(struct kept *k, const struct row *row, bool merge, bool *ret_there) MUST_CHECK;
const struct row *kept_row_of(const struct kept *k, const char *domain);
int kept_job(struct kept *k, const struct job *j) MUST_CHECK;
const struct job *kept_job_of(const struct kept *k, uint64_t id);
