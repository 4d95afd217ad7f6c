/*
 * lib/engine/config/config.h: everything the operator wrote down: leadd.yaml, services, pipelines, campaigns, lists.
 *
 * Read as a whole, checked as a whole, swapped as a whole: a generation. Immutable and counted.
 */
#pragma once

#include "lib/base/endpoint.h"
#include "lib/engine/config/config_verify.h"
#include "lib/engine/config/pipeline.h"

struct payment;

struct budget {
	int64_t total_micro, day_micro, month_micro; /* -1: none */
};

/* What the results of a run are written as, beside all else. */
enum result_format { RESULT_CSV = 1 << 0, RESULT_XLSX = 1 << 1, RESULT_JSONL = 1 << 2 };

struct campaign_agenda;

/* A lead that another campaign of the organisation works on, or has worked on. */
enum known_rule {
	KNOWN_ALLOW,
	KNOWN_SKIP,  /* it ends as duplicate while that one is open, or ended well */
	KNOWN_REUSE, /* it begins with what was found out */
};

struct campaign {
	const char *name;
	enum known_rule known;
	const char *organisation;
	struct pipeline *pipeline;
	struct budget budget;
	int64_t run_budget_micro;   /* default for its runs; -1: none */
	int64_t approve_above_micro; /* a run that may cost more waits to be approved; -1: none does */
	bool mask;                  /* `until-approved`: who the leads are is told when the run is */
	uint32_t formats;           /* enum result_format; 0: those of all */
	const struct campaign_agenda *agenda; /* config_agenda.h; NULL: none */
	const char *vars_json;      /* object: what `.campaign.x` reads */
};

struct secret {
	const char *name;
	char *text;                 /* wiped when freed */
	size_t len;
};

/* What people and programs are told of (`notify: {on: …}`), in the order of their words. */
enum notice {
	NOTICE_RUN_DONE,    /* a run has ended, cancelled or not, and its results are written */
	NOTICE_RUN_FAILED,
	NOTICE_QUOTA,       /* a key is parked: its allowance is used up */
	NOTICE_KEY,         /* a key is refused */
	NOTICE_OVERBILLED,
	NOTICE_BREAKER,
	NOTICE_BUDGET,
	NOTICE_STORE,       /* no new work is taken */
	NOTICE_APPROVAL,    /* a run waits to be approved */
	NOTICE_TEST,        /* somebody asked whether it works */
	NOTICES
};
const char *notice_word(enum notice n);

struct notify {
	struct notify_mail {
		const char *server; /* smtp://host:port, smtps://…; NULL: no mail */
		const char *from;
		const char **to;
		size_t n_to;
		const char *user, *secret; /* NULL: no login; secret: name of the credential */
		bool starttls;      /* insist on it */
	} mail;
	struct notify_webhook {
		const char *url, *secret;  /* NULL: no webhook */
	} webhook;
	uint32_t on;                /* bit per enum notice */
};

/* What a bearer token may do at a TCP address, bit per right; in the order of their words. */
enum token_right {
	TOKEN_READ,     /* includes intake */
	TOKEN_OPERATE,  /* includes reading */
	TOKEN_ADMIN,    /* includes operating */
	TOKEN_APPROVE,  /* release what waits for approval: never included */
	TOKEN_INTAKE,   /* what became of an event */
	TOKEN_RIGHTS
};
const char *token_right_word(enum token_right right);

struct token {
	const char *name, *secret; /* secret: name of the credential */
	uint32_t rights;
};

/* Webhooks that come in under a name, and the leads they make. */
#define INTAKE_FIELDS 32
struct intake {
	const char *name;
	struct verify verify;
	struct expr *id;            /* of the event: equal ones have one effect */
	struct expr *when;          /* which events count; NULL: all */
	struct expr *from;          /* the text that names the outside campaign; NULL: one run for all */
	const char *after;          /* behind these words of it, to the end of the line; NULL: all of it */
	const char *param;          /* what the run's parameter with the name is called */
	const struct campaign *campaign;
	struct param *fields;       /* of the lead, over the event */
	size_t n_fields;
	int64_t idle_us;            /* a run without a new lead for so long is closed */
};

struct config {
	unsigned refs;
	uint64_t generation;
	struct expr_pool *exprs;    /* borrowed */
	const char *file;
	const char *state_dir, *socket, *currency, *secrets_dir;
	struct zone *zone;          /* budget days */
	const char *zone_name;
	uint32_t limit_factor;      /* multiplies N of every window; demo and tests */
	bool allow_private;         /* services on loopback and private networks */
	const char *ca_file;
	const char *callback_url;   /* where services reach this daemon from outside, no slash at its end; NULL: nowhere */
	int64_t turn_wait_us;       /* longest wait for a turn, 5 to 20 ms */
	int64_t drain_us;           /* SIGTERM: how long calls in flight may end */
	int64_t keep_us;            /* answers are kept so long, for replay; 0: none is */
	int64_t results_keep_us;    /* the results folder of an ended run is kept so long */
	uint32_t formats;           /* enum result_format: of runs whose campaign says nothing else */
	size_t run_log_bytes;       /* run.log grows to that, and one older piece is kept beside it */
	size_t map_bytes;
	uint32_t max_in_flight;
	struct service **services;
	struct budget *service_budgets; /* beside services */
	size_t n_services;
	struct prompts *prompts;    /* files of prompts_dir */
	struct pipeline **pipelines;
	size_t n_pipelines;
	struct campaign *campaigns;
	size_t n_campaigns;
	struct org {
		const char *name;
		struct budget budget;
		const char **mail_to; /* in place of notify.mail.to */
		size_t n_mail_to;
	} *orgs;
	size_t n_orgs;
	struct notify notify;
	struct endpoint *listen;    /* TCP; only a start changes it */
	size_t n_listen;
	struct payment *payments; /* payment.h */
	size_t n_payments;
	struct token *tokens;
	size_t n_tokens;
	struct intake *intakes;
	size_t n_intakes;
	int64_t inbox_keep_us;      /* events, and what became of them, are kept so long */
	struct gate_lists lists;
	struct secret *secrets;
	size_t n_secrets;
	struct yaml *yaml;
	struct arena arena;
};

/*
 * Reads FILE and all it names (paths are relative to its folder). Missing credentials are no problem here (doctor tells);
 * every mistake is one of `problems`; *ret NULL then. generation: the number this one gets.
 */
int config_load(const char *file, uint64_t generation, struct problems *p, struct config **ret) MUST_CHECK;
struct config_options {
	bool bundle;     /* services, pipelines and lists are in folders of these names beside FILE, whatever it says */
	bool no_secrets; /* no credential is read; each counts as there */
	struct expr_pool *exprs; /* of its expressions, outlives it; NULL: none */
	const char *const *missing; /* but for these (ends with NULL); NULL: none */
};
/* The same for a process that calls nobody. */
int config_load_with(const char *file, uint64_t generation, const struct config_options *o, struct problems *p,
    struct config **ret) MUST_CHECK;
struct config *config_ref(struct config *c);
void config_unref(struct config *c);
struct service *config_service(const struct config *c, const char *name);
const struct campaign *config_campaign(const struct config *c, const char *name);
const struct pipeline *config_pipeline(const struct config *c, const char *name);
const struct intake *config_intake(const struct config *c, const char *name);
const struct secret *config_secret(const struct config *c, const char *name); /* NULL when its file is missing */
/* A new generation of a process at work: what only a start can change stays as it is in `old`. */
void config_keep(struct config *c, const struct config *old);
/* What differs for people, one line a change, into out. */
void config_diff(const struct config *from, const struct config *to, struct buf *out);
/* The order of gates and stages of a pipeline, for --check. */
void config_describe(const struct config *c, struct buf *out);
