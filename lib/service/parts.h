/*
 * lib/service/parts.h: what the files of this floor share and nobody else needs.
 *
 *   a file      service.c -> head.c, limits.c, shared.c, call.c
 *   a request   pieces.c, tree.c -> plan.c, params.c | fill.c -> request.c; template.c
 * for pipelines an answer   look.c, rule.c, hint.c, price.c -> reader.c | match.c -> answer.c
 *
 * Left of the bar: at load. Right of it: for each call.
 */
#pragma once

#include "lib/service/answer.h"
#include "lib/service/batch.h"
#include "lib/service/request.h"

struct owned;
struct reading;

/* --- pieces.c ------------------------------------------------------------- */

enum encoding {
	ENCODE_PLAIN,
	ENCODE_JSON,    /* the inside of a string literal */
	ENCODE_PERCENT, /* query and form values */
	ENCODE_PATH,    /* holes as PERCENT and never empty, `.` or `..`; literals as they are */
	ENCODE_HEADER,  /* no control characters */
};
enum hole { HOLE_PARAM, HOLE_CALL_ID, HOLE_IDEMPOTENCY, HOLE_CALLBACK, HOLE_SECRET };
enum piece_kind {
	PIECE_BYTES,  /* text as it is */
	PIECE_HOLE,   /* a placeholder as text, encoded */
	PIECE_VALUE,  /* a placeholder as JSON with its type */
	PIECE_MEMBER, /* text (`"key":` or nothing in a list) and a JSON value; both left out when
			 there is none */
	PIECE_COMMA,  /* a comma unless the last byte opens a map or list */
};
struct piece {
	enum piece_kind kind;
	enum hole hole;
	const char *text;
	size_t len;
	struct expr *expr; /* HOLE_PARAM */
};
struct pieces {
	enum encoding encoding;
	struct piece *v;
	size_t n;
	const char *where; /* for messages: `query 'email'` */
};

/* What compiling needs. call: ${.call.…} and ${.key} are the call's own; secret: ${.key} may stand
 * here. */
struct piecework {
	const struct yaml *y;
	struct problems *p;
	struct arena *arena;
	struct owned *owned;
	bool call, secret, nomem;
};
/* One text with its holes. False when something was reported or memory ran out. */
bool pieces_text(struct piecework *w, const struct yaml_node *node, const char *text, size_t len,
    enum encoding e, const char *where, struct pieces *ret);
/* The expression when the text is one placeholder and nothing else, else NULL. */
struct expr *pieces_single(const struct pieces *t);

/* --- tree.c --------------------------------------------------------------- */

/* A JSON body. added: members put behind those of node (which must be a map then). */
struct added_member {
	const char *name, *text;
};
bool pieces_json(struct piecework *w, const struct yaml_node *node,
    const struct added_member *added, size_t n_added, const char *where, struct pieces *ret);
/* Number or boolean scalars as JSON text; NULL (reported) for infinities. Strings are not for this.
 */
const char *pieces_scalar(struct piecework *w, const struct yaml_node *node);

/* --- fill.c --------------------------------------------------------------- */

/* Where the call's own texts (its id, its idempotency key, the secret) came to stand in the buffer;
 * those beyond the room are not told. */
struct own_spans {
	struct {
		size_t from, to;
	} v[16];
	size_t n;
};
struct filling {
	const struct expr_source *params;
	const char *call_id, *idempotency_key, *secret;
	const char *callback; /* NULL: nobody can call back */
	size_t secret_len;
	bool masked;           /* `***` in place of the secret */
	struct own_spans *own; /* may be NULL */
};
int pieces_render(const struct pieces *t, const struct filling *f, struct arena *a, struct buf *out,
    struct lead_error *err) MUST_CHECK;
/* What a placeholder gives. */
int pieces_eval(const struct pieces *t, struct expr *e, const struct filling *f, struct arena *a,
    struct value *ret, struct lead_error *err) MUST_CHECK;
/* One more text behind out, encoded; LEAD_EINPUT when it cannot stand there. */
int pieces_encode(const struct pieces *t, const char *name, const char *text, size_t len,
    struct buf *out, struct lead_error *err) MUST_CHECK;

/* --- plan.c, request.c------------------------------------------------------- */

/* A name with its value: query, form, header. */
struct named {
	const char *name; /* query and form: percent-encoded */
	struct pieces value;
	bool basic; /* header: sent as `Basic ` and base64 */
};
struct named_list {
	struct named *v;
	size_t n;
};
/* What every request of the service carries: `auth`, `headers`, `call_id_header`. */
struct request_shared {
	struct named_list headers, query;
	struct added_member *body; /* put into JSON and form bodies */
	size_t n_body;
};

enum body_kind { BODY_NONE, BODY_JSON, BODY_FORM, BODY_TEXT };
struct request_plan {
	const char *method;
	struct pieces url; /* base and path */
	struct named_list query, headers, form;
	enum body_kind kind;
	struct pieces body;
	struct expr *itself; /* `.`: reads the items of lists in query and form */
};

/* --- shared.c ------------------------------------------------------------- */

/* For texts of requests. secret: ${.key} may stand there. */
struct piecework piecework_for(struct reading *r, bool secret);
/* NULL when reported. Headers: one of the same name is replaced. */
struct named *named_add(struct reading *r, const struct yaml_node *node, const char *name,
    const char *text, enum encoding e, bool secret, struct named_list *list);
/* A map of names and scalars, or lists of them. */
void named_map(
    struct reading *r, const struct yaml_node *map, enum encoding e, struct named_list *list);
/* How many entries named_map can add. */
size_t named_count(const struct yaml_node *map);
/* A copy with room for `more`. */
bool named_copy(
    struct reading *r, const struct named_list *from, size_t more, struct named_list *ret);
/* One text under a name; false when reported. what: `header`, `path`, … */
bool named_text(struct reading *r, const struct yaml_node *node, const char *text, enum encoding e,
    const char *what, const char *name, bool secret, struct pieces *ret);
void shared_read(struct reading *r);

/* --- params.c ------------------------------------------------------------- */

/* Lists what the plan reads, and what of it may be missing. */
void params_read(struct reading *r, const struct yaml_node *call, const struct request_plan *plan,
    struct service_call *c);

/* --- batch.c -------------------------------------------------------------- */

/* `batch:` of a call, before its request is read. Sets c->batch. */
void batch_read(struct reading *r, const struct yaml_node *call, struct service_call *c);
/* Calls f for the texts that an item fills. */
void batch_pieces(const struct service_batch *b, void (*f)(void *arg, const struct pieces *t), void *arg);
/* After the reader of the whole answer. False when reported or out of memory. */
bool batch_bind(struct reading *r, const struct yaml_node *call, struct service_batch *b, struct reader *whole);
void batch_fini(struct service_batch *b);

/* --- plan.c --------------------------------------------------------------- */

/* Sets c->method, request, params and optional. */
void plan_read(struct reading *r, const struct yaml_node *call, struct service_call *c);

/* --- service.c ------------------------------------------------------------ */

/* Expressions and zones of one service or template. The same text is compiled once. */
struct owned {
	struct arena *arena; /* for the list itself */
	struct expr_pool *pool; /* NULL: none */
	struct owned_expr {
		struct expr *expr;
		struct owned_expr *next;
	} * exprs;
	struct owned_zone {
		struct zone *zone;
		struct owned_zone *next;
	} * zones;
};
/* Compiled, or found again; NULL with err filled. Borrowed. */
struct expr *owned_expr(struct owned *o, const char *text, size_t len, struct lead_error *err);
void owned_fini(struct owned *o);

/* One file being read. The first failed allocation latches nomem; readers then leave early. */
struct reading {
	struct service *s;
	struct yaml *y;
	struct problems *p;
	uint32_t factor; /* of every limit; at least 1 */
	bool nomem;
	struct rule *rules; /* of the whole service; each call's own stand before them */
	size_t n_rules;
	struct hint *hints;
	size_t n_hints;
	struct look *messages;
	size_t n_messages;
	struct request_shared shared;
};
void *reading_alloc(
    struct reading *r, size_t n, size_t size); /* zeroed, in the service's arena; NULL latches */
/* Lower-case letters, digits, `-` and `_`, at most 48, a letter first; reports otherwise. */
bool reading_name(
    struct reading *r, const struct yaml_node *node, const char *name, const char *what);
/* `zone:` of the map; false (and UTC) when absent or wrong. */
bool reading_zone(struct reading *r, const struct yaml_node *map, const struct zone **ret);
/* Children of a list, or the node itself when it is a scalar or a map. */
const struct yaml_node *reading_first(const struct yaml_node *node);
/* Defaults first; then what the map's `timeout`, `retry` and `max_answer` say. Used for the service
 * and for each call. */
void reading_patience(struct reading *r, const struct yaml_node *map, struct service_call *c);

/* --- head.c --------------------------------------------------------------- */

void head_read(struct reading *r, const struct service_options *o);

/* --- limits.c ------------------------------------------------------------- */

void limits_read(struct reading *r, const struct yaml_node *list, const struct yaml_node *calls);
/* The window called `of` by its limit's label or its own text; reports when there is none or more
 * than one. */
bool limits_find(struct reading *r, const struct yaml_node *map, const char *of, size_t *ret_limit,
    size_t *ret_window);

/* --- call.c --------------------------------------------------------------- */

/* All keys of the map are calls. defaults: patience of the service. */
void calls_read(
    struct reading *r, const struct yaml_node *map, const struct service_call *defaults);
void call_fini(struct service_call *c);

/* --- job.c ---------------------------------------------------------------- */

/* `job:` of the call: what can be read before the other calls are known. */
void job_spec_read(struct reading *r, const struct yaml_node *call, struct service_call *c);
/* Binds the poll to the call it names, once all have been read; reports a callback address that leads nowhere. */
void job_spec_bind(struct reading *r, const struct yaml_node *call, struct service_call *c);

/* --- look.c --------------------------------------------------------------- */

/* An answer is seen through one of two sets of paths, so that its body is read once and only for
 * what can matter. */
enum view { VIEW_GOOD /* status 2xx */, VIEW_BAD, VIEWS };
#define NO_SLOT SIZE_MAX

/* One place of an answer. */
struct look {
	const char *header; /* NULL: the body */
	const char *item;   /* name of one item of a structured list, NULL for none */
	size_t index;       /* number of one item of a comma list, NO_SLOT for none */
	const char *field;  /* `name=value` within the item or header, NULL for none */
	struct expr *expr;  /* body */
	size_t slot[VIEWS]; /* of a plain path, NO_SLOT when it is not looked for */
};
struct seen {
	const struct http_answer *h;
	struct arena *arena;
	enum view view;
	bool json; /* the body is valid JSON */
	struct value *values;
};
/* Reads `header`, `item`, `field` or `body` of a map; false when reported. */
bool look_read(struct reading *r, const struct yaml_node *map, struct look *ret);
bool look_body(struct reading *r, const struct yaml_node *node, const char *text, struct look *ret);
bool look_header(
    struct reading *r, const struct yaml_node *node, const char *name, struct look *ret);
/* Gives a plain body path its slot. false: out of memory. */
bool look_bind(struct look *l, struct path_set *set, enum view view);
/* What stands there; NONE when nothing does. */
struct value look_at(const struct look *l, const struct seen *seen);
/* First line of that name, NULL when there is none. */
const char *look_line(const struct http_answer *h, const char *name);

/* --- rule.c --------------------------------------------------------------- */

enum test_kind {
	TEST_EQUAL,
	TEST_NOT,
	TEST_CONTAINS,
	TEST_STARTS,
	TEST_PRESENT,
	TEST_ABSENT,
	TEST_TRUE
};
struct test {
	struct look look;
	enum test_kind kind;
	const char **texts; /* NULL entries stand for null */
	size_t n;
};
enum rule_until { UNTIL_NONE, UNTIL_DAY, UNTIL_MONTH };
struct rule {
	struct status_range {
		int low, high;
	} * status; /* none: any status */
	size_t n_status;
	struct test *tests; /* all must hold */
	size_t n_tests;
	const char **texts; /* one of them must stand in the raw body */
	size_t n_texts;
	enum outcome_class is;
	const char *reason;
	int64_t wait_us; /* 0: none */
	enum rule_until until;
	const struct zone *zone;
};
void rules_read(struct reading *r, const struct yaml_node *list, struct rule **ret, size_t *ret_n);
/* Class of a word of the files; reports. */
bool rule_word(
    struct reading *r, const struct yaml_node *map, const char *key, enum outcome_class *ret);

/* --- match.c -------------------------------------------------------------- */

/* Whether some status of this view can match. */
bool rule_in_view(const struct rule *rule, enum view view);
bool rule_matches(const struct rule *rule, const struct seen *seen);
/* By status alone. */
enum outcome_class rule_builtin(int status);

/* --- hint.c --------------------------------------------------------------- */

enum hint_tells { TELLS_RETRY_AFTER, TELLS_REMAINING, TELLS_RESET, TELLS_QUOTA_RESET, TELLS_LIMIT };
enum hint_unit { UNIT_S, UNIT_MS, UNIT_GO, UNIT_EPOCH, UNIT_EPOCH_MS, UNIT_DATE };
struct hint {
	struct look look;
	enum hint_tells tells;
	enum hint_unit unit;
	size_t limit, window; /* REMAINING, RESET, LIMIT */
	struct look spent;    /* counts only when this says 0; .header and .expr NULL for none */
};
void hints_read(struct reading *r, const struct yaml_node *list, struct hint **ret, size_t *ret_n);
/* Fills ret->hints. */
void hints_windows(const struct hint *hints, size_t n, const struct seen *seen, struct now now,
    struct answer *ret);
/* First word on waiting, or on the end of a quota, in microseconds from now; 0 for none. */
int64_t hints_wait(const struct hint *hints, size_t n, enum hint_tells tells,
    const struct seen *seen, struct now now);

/* --- price.c -------------------------------------------------------------- */

struct price {
	uint32_t on;         /* bit of each class that costs when the body names no price */
	int64_t fixed_micro; /* per call */
	int64_t item_micro;  /* per item of a batch */
	struct look body;    /* an amount of currency; .expr NULL for none */
	struct look units;   /* times each_micro */
	int64_t each_micro;
	struct look tokens_in, tokens_out, model;
	struct price_model {
		const char *name; /* the longest one the model's name begins with counts */
		int64_t in_micro, out_micro; /* per million tokens */
	} * models;
	size_t n_models;
	int64_t ceiling_micro;
};
void price_read(struct reading *r, const struct yaml_node *node, bool batch, struct price *ret);
/* Does the answer tell it, all or in part? */
bool price_is_told(const struct price *p);
/* What an item costs besides. */
int64_t price_of_item(const struct price *p, enum outcome_class is);
int64_t price_of(const struct price *p, enum outcome_class is, const struct seen *seen);

/* --- reader.c ------------------------------------------------------------- */

struct reader {
	struct path_set *paths[VIEWS];
	bool needs[VIEWS]; /* something looks into bodies of this view */
	bool json;         /* a 2xx body must be JSON */
	struct rule *rules;
	size_t n_rules;
	struct hint *hints;
	size_t n_hints;
	struct look *messages; /* where providers say in words what went wrong */
	size_t n_messages;
	struct price price;
	const char **names; /* NULL-terminated */
	struct look *fields;
	size_t n_fields;
	struct look job; /* name of the job that the answer began; .expr NULL for none */
};
/* Sets c->answer and c->price_micro; NULL answer when memory ran out. job_id: where the name of a job stands, may be NULL. */
void reader_read(struct reading *r, const struct yaml_node *call, const struct yaml_node *job_id,
    struct service_call *c);
/* Where error texts stand: the file's `message`, else the usual places. */
/* For elements of a list, by their own rules alone. NULL: no memory. */
struct reader *reader_element(struct reading *r, const struct yaml_node *rules, const struct yaml_node *map);
void messages_read(struct reading *r, const struct yaml_node *node);
void reader_fini(struct reader *reader);

/* --- answer.c ------------------------------------------------------------- */

/* Reads the body through the reader's paths: fills json and values. 0 or LEAD_ENOMEM. */
int seen_read(const struct reader *reader, struct seen *seen) MUST_CHECK;
/* Class, reason and fields of an element that was read. 0 or LEAD_ENOMEM. */
int element_answer(const struct reader *reader, const struct seen *seen, struct answer *ret) MUST_CHECK;
