/*
 * lib/service/service.h: a service description (etc/services/NAME.yaml), read and checked.
 *
 * Immutable and counted: a call keeps the description it was granted under
 * until it is settled, so a reload cuts nothing. All memory is the service's own.
 * The format is documented in leadd-service(5).
 */
#pragma once

#include "lib/base/expr.h"
#include "lib/base/time.h"
#include "lib/base/yaml.h"
#include "lib/flow/breaker.h"
#include "lib/flow/limit.h"
#include "lib/flow/quota.h"
#include "lib/flow/retry.h"

/* What an answer means; the words of the files are the lower-case names (all but `unsent`, which no answer can say). */
enum outcome_class {
	OUTCOME_OK,
	OUTCOME_EMPTY,     /* answered, nothing found */
	OUTCOME_PENDING,   /* not ready yet: ask again */
	OUTCOME_THROTTLE,  /* too fast: wait, then the same request */
	OUTCOME_TRANSIENT, /* the service failed: back off, retry */
	OUTCOME_QUOTA,     /* allowance or money used up: park the key */
	OUTCOME_AUTH,      /* key refused: park the key */
	OUTCOME_REFUSAL,   /* the model declined: next of the chain, else rejected */
	OUTCOME_PERMANENT, /* this item will never work */
	OUTCOME_DUPLICATE, /* already there: as good as done */
	OUTCOME_IN_DOUBT,  /* sent, but nobody knows whether it was done (and billed) */
	OUTCOME_UNSENT,    /* certainly never reached the service (DNS, connect, TLS): free, retried as transient */
	OUTCOME_N
};
const char *outcome_word(enum outcome_class c);

#define CALL_LIMITS 4 /* most limits one call can count in */

struct service_key {
	const char *name;   /* unique in the service */
	const char *secret; /* name of the credential file; never its content */
	const char *group;  /* keys that share one allowance; its own name when none is declared */
	size_t group_index; /* 0 .. n_groups - 1 */
};

enum limit_scope { LIMIT_PER_KEY, LIMIT_PER_SERVICE };

/* One declared limit line or group of windows. PER_KEY means per key group. */
struct service_limit {
	enum limit_scope scope;
	uint32_t calls;     /* bit i: call i counts in it */
	const char *label;  /* for people and for header hints: its own text when none is declared */
	struct window_spec windows[LIMIT_WINDOWS];
	uint64_t declared[LIMIT_WINDOWS]; /* max as written, before the reserve and the operator's factor */
	size_t n_windows;
};

/* What to do with a call of which nobody knows whether it was done. */
enum doubt_rule {
	DOUBT_HOLD,   /* count as paid, hold the item for a person */
	DOUBT_REPEAT, /* repeat at most doubt_times; each doubtful call stays counted as paid */
	DOUBT_LOOKUP, /* make call `doubt_lookup` first: ok means done, empty means repeat */
	DOUBT_FREE,   /* no effect and no price: as transient */
};

struct service_batch;

/* A call that answers in pages. `${.page.number}` (1 up), `.offset`, `.size`, `.cursor` stand for the next one in its request. */
struct paging {
	const char *items;          /* field of `map:` with the list */
	const char *cursor, *total; /* fields that tell where the next page begins, how many there are in all; NULL: none */
	uint32_t size;              /* of a page; a shorter one is the last where nothing else tells */
	bool fit;                   /* a page is as small as what is still wanted: by `.offset` and `.size`, not by number */
};

/* Work that goes on behind the answer (`job:`): its result comes with a later call, by a callback, or either. */
struct service_job {
	const struct service_call *poll; /* asked with parameter `job`; NULL: never */
	bool has_id;               /* the answer names the job */
	bool callback;             /* the request says where to call back */
	struct reader *called;     /* how a callback is read */
	int64_t every_us;          /* between two polls, when no answer says how long to wait */
	int64_t within_us;         /* longest time from the answer to the result */
	int64_t wait_us;           /* so long a call in doubt waits for its callback */
	enum outcome_class late;   /* `within` is over: IN_DOUBT, TRANSIENT, EMPTY or PERMANENT */
	const char *const *names;  /* fields that any of the answers can bring; NULL-terminated */
};

struct service_call {
	const char *name;
	size_t index;
	const char *method;
	struct request_plan *request; /* see request.h */
	struct reader *answer;     /* see answer.h */
	struct service_batch *batch; /* see batch.h; NULL: a call serves one item */
	int64_t price_micro;       /* ceiling reserved per call (of a batch: for one item alone); may be 0 */
	int64_t connect_us, total_us;
	size_t max_answer_bytes;   /* decoded; default 1 MiB */
	enum doubt_rule doubt;
	uint32_t doubt_times;
	const struct service_call *doubt_lookup;
	struct paging *paging;     /* NULL: one answer is all */
	struct retry_spec retry[OUTCOME_N]; /* used: PENDING, THROTTLE, TRANSIENT, EMPTY; UNSENT and IN_DOUBT equal TRANSIENT */
	const char *const *params; /* NULL-terminated names of all the `with:` parameters it reads, in order of reading */
	const char *const *optional; /* those of them it can do without; a missing other one stops the stage (P6) */
	struct service_job *job;     /* NULL: the answer is the result */
};

struct service {
	const char *name;
	const char *file;
	const char *about;
	const char *base;           /* scheme://host[:port][/prefix], no trailing slash */
	uint64_t generation;
	unsigned refs;
	uint32_t concurrency;       /* most calls in flight; 1 to 10000 */
	int64_t margin_us;          /* P4; default 1 s */
	bool http2;
	struct breaker_spec breaker;
	struct quota_spec quota;
	struct service_key *keys;
	size_t n_keys, n_groups;    /* at least one of each (a service without secrets has one key without secret) */
	struct service_limit *limits;
	size_t n_limits;
	struct service_call *calls;
	size_t n_calls;             /* at most 32 */
	uint64_t text_hash;         /* of the file and the options: equal means nothing changed */
	struct yaml *yaml;          /* owns every text above */
	struct owned *owned;        /* expressions and zones, freed with the service */
	struct arena arena;
};

struct service_options {
	const char *base;      /* replaces the file's `base` when not NULL (leadd.yaml: services: NAME: base) */
	/* In place of the file's `limits` (leadd.yaml: services: NAME: limits), and the file it stands in; NULL: none. */
	const struct yaml *limits_yaml;
	const struct yaml_node *limits;
	uint32_t limit_factor; /* multiplies N of every window; 0 means 1 (the demo's 60) */
	struct expr_pool *pool; /* of the expressions; NULL: none */
};

/* The longest a call can take until its result is there: its answer, and behind that its job. */
int64_t service_longest_us(const struct service_call *c);
/* Reads and checks everything; every mistake goes to problems (with the nearest right word); *ret NULL then. Compiles expressions: some 15 ms each that is no plain path and not in the pool. */
int service_parse(const char *file, const char *text, size_t len, const struct service_options *o,
    struct problems *p, struct service **ret) MUST_CHECK;
int service_load(const char *file, const struct service_options *o, struct problems *p, struct service **ret) MUST_CHECK;
struct service *service_ref(struct service *s);
void service_unref(struct service *s); /* NULL is fine */
/* Can the call do without that parameter? */
bool service_call_optional(const struct service_call *c, const char *param);
const struct service_call *service_find_call(const struct service *s, const char *name);
