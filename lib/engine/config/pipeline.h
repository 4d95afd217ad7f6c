/*
 * lib/engine/config/pipeline.h: a pipeline description (etc/pipelines/NAME.yaml), read and checked.
 *
 * Stages in order; each is a chain of steps (calls, at last perhaps a fallback text), with the parameters it
 * gives, the fields it keeps and the gates that look at them. Gates are evaluated as soon as
 * the fields they read exist, wherever the file lists them: free checks come before the first paid call (P6).
 * Immutable and counted, like services. The format is documented in leadd.yaml(5).
 */
#pragma once

#include "lib/engine/config/prompt.h"
#include "lib/engine/item/rounds.h"
#include "lib/lead/gates.h"
#include "lib/service/answer.h"
#include "lib/service/request.h"
#include "lib/store/items.h"

struct config;

enum gate_check {
	CHECK_ADDRESS, CHECK_NOREPLY, CHECK_ROLE, CHECK_DISPOSABLE, CHECK_PORTAL, CHECK_NAME, CHECK_DOMAIN,
	CHECK_COPY_WORDS, CHECK_COPY_SIGNATURE, CHECK_COPY_PLACEHOLDER,
	CHECK_IN,      /* field is one of words */
	CHECK_NOT_IN,
	CHECK_PRESENT, /* field is not blank */
	CHECK_WHEN,    /* jq over the record is true */
};

enum gate_policy { GATE_REJECT, GATE_HOLD, GATE_PASS };

#define AFTER_INTAKE (-1)
#define CHAIN_STEPS 9 /* of one stage: each has a place of its own in the queue */

struct gate {
	enum gate_check check;
	const char *field;         /* what it reads; copy checks and IN, NOT_IN, PRESENT */
	const char **words;        /* IN, NOT_IN; n_words of them */
	size_t n_words;
	unsigned min, max;         /* COPY_WORDS */
	struct expr *when;
	enum gate_policy policy;   /* what a refusal does to the item */
	const char *reason;        /* NULL: the check's own */
	int listed;                /* index of the stage that lists it */
	int after;                 /* evaluated when this stage is done, or AFTER_INTAKE */
	const char *text;          /* for --check and people: `address`, `field verify_status in valid, catch-all` */
};

struct param {
	const char *name;
	struct template *value;
	const char *prompt;              /* version of the file that it is from; NULL: it stands in the pipeline */
};

struct step {
	struct service *service;         /* counted; NULL for a fallback text */
	const struct service_call *call;
	struct param *params;
	size_t n_params;
	struct template *fallback;       /* gives field `text`, and `source: template` */
	const char *prompt;              /* versions of the prompt files in it, joined by +; NULL: none */
};

/* Items that a stage brings: a list in what it was told, or in the record, one item for each element. */
#define MAKES_MOST 500 /* of one answer; the rest of a longer one is left */
#define MAKES_FIELDS 40
struct makes {
	enum item_level level;
	struct template *from;           /* a JSON list, over the answer's fields and the record */
	struct param *fields;            /* over the element, then `.parent`, `.run`, `.campaign` */
	size_t n_fields;
	uint32_t most;                   /* of one list; 1 to MAKES_MOST */
	struct rounds_spec rounds;
	const char **widen;              /* params given up one after the other, n_widen of them */
	size_t n_widen;
};

/* A run's own settings: `params:` of the file, --param. */
struct pipeline_param {
	const char *name, *about, *preset; /* preset NULL: none */
	bool required;
};

#define SAME_FIELDS 24

/* How a destination is read back as a whole, and what a lead of ours looks like there. */
struct list_spec {
	struct step step;                /* a call with pages, over the run's own record; call NULL: nothing does */
	size_t n_same;                   /* fields of an element that must equal the template over the lead's record */
	struct { const char *name; struct expr *at; struct template *is; } same[SAME_FIELDS];
	size_t key;                      /* which of them tells whose the element is */
	struct expr *id;                 /* how the destination names it; NULL: not told */
};

enum stage_kind { STAGE_GATES, STAGE_CALL, STAGE_PUSH, STAGE_CONFIRM, STAGE_APPROVAL };
enum stage_policy { POLICY_FAIL, POLICY_PASS, POLICY_HOLD, POLICY_UNCHANGED, POLICY_WAIT };

struct stage {
	const char *name;
	enum stage_kind kind;
	enum item_level of;              /* the items it is for */
	struct expr *when;               /* over the record: else it is passed over; NULL: for all */
	struct makes *makes;             /* NULL: brings none */
	uint32_t at_once;                /* of a run in flight there; 0: as the service allows */
	uint32_t at_once_parent;         /* of one parent */
	bool reads_run;                  /* it waits until the run's own item has set everything up */
	bool reads_campaign;             /* with reads_run: what it finds out is of this campaign, and of no use to another */
	struct step *steps;
	size_t n_steps;
	const char **needs;              /* fields that must not be blank before it may run (P6) */
	size_t n_needs;
	struct param *gives;             /* kept fields: templates over the answer's; none: all as they are */
	size_t n_gives;
	const char *prompt_field;        /* kept with the others: the version that wrote them; NULL: no step has a prompt file */
	uint32_t gate_tries;             /* times the step is repeated when a gate of this stage refuses what it gave */
	enum stage_policy on_fail;       /* permanent, refusal, attempts used up, at the end of the chain */
	enum stage_policy on_empty;
	bool on_quota_next;              /* quota and throttle also move on in the chain */
	enum stage_policy on_down;       /* its service has been out of reach for down_after_us: next step, then that; WAIT: never */
	int64_t down_after_us;
	int64_t spend_at_most_micro;     /* on one lead, over all its steps; -1: no ceiling */
	int back;                        /* where its gates refuse, back to that stage's next step; -1: they end it */
	const char *text;                /* approval: what a person is asked; may be NULL */
	/* push */
	struct step recall;              /* takes a lead out again; call NULL: nothing does */
	struct expr *unsent;             /* over what the push call's look-up tells: nothing was sent to it yet; NULL: nobody can say */
	struct template *created;        /* over what the push or its look-up tells: since when the lead is there; NULL: not told */
	int64_t cache_us;                /* how long answers may be taken again; 0: never */
	bool share;                      /* leads that ask the same at the same time make one call; also with a cache */
	/* confirm */
	struct param *expect;            /* field of the answer must equal the template over the record */
	size_t n_expect;
	int64_t wait_us;                 /* before looking again */
	uint32_t looks;                  /* in all, before it counts as missing */
	struct list_spec list;
	int repair;                      /* stage to go back to, -1 none */
	uint32_t repairs;
};

struct pipeline {
	const char *name, *file;
	unsigned refs;
	struct stage *stages;
	size_t n_stages;
	struct pipeline_param *params;
	size_t n_params;
	struct gate *gates;              /* in the order of their evaluation: by `after`, then as listed */
	size_t n_gates;
	uint64_t text_hash;
	struct yaml *yaml;
	struct arena arena;
};

/* find_service resolves `zerobounce.validate`; every mistake goes to problems; *ret NULL then. prompts: NULL for none. */
typedef struct service *(*find_service_fn)(void *arg, const char *name, const char **ret_nearest);
int pipeline_parse(const char *file, const char *text, size_t len, find_service_fn find, void *arg, const struct prompts *prompts,
    struct expr_pool *pool, struct problems *p, struct pipeline **ret) MUST_CHECK;
int pipeline_load(const char *file, find_service_fn find, void *arg, const struct prompts *prompts, struct expr_pool *pool, struct problems *p,
    struct pipeline **ret) MUST_CHECK;
struct pipeline *pipeline_ref(struct pipeline *p);
void pipeline_unref(struct pipeline *p);
/* Index by name, -1 when there is none. */
int pipeline_stage(const struct pipeline *p, const char *name);

/* Is the field one of those that it keeps of an answer? */
bool stage_gives(const struct stage *st, const char *field, size_t len);
/* The last stage of that level that gives the field: AFTER_INTAKE when only what the item came with can. */
int pipeline_given_by(const struct pipeline *pl, enum item_level of, const char *field, size_t len);
/* What a file's rows are: companies where the pipeline has stages for them, else leads. */
enum item_level pipeline_rows_are(const struct pipeline *pl);
bool pipeline_has(const struct pipeline *pl, enum item_level of);
/* It can find its leads itself. */
bool pipeline_finds(const struct pipeline *pl);
/* The stage that brings items of that level; -1: none does. */
int pipeline_maker(const struct pipeline *pl, enum item_level level);

/* NULL: passes. Else the reason. Fields come from the record; `after` picks which gates of that level run; *ret_gate the one that refused. */
const char *pipeline_gates(const struct pipeline *p, enum item_level of, int after, const struct expr_source *record, const struct gate_lists *lists,
    struct arena *a, const struct gate **ret_gate);
