/*
 * lib/service/service.c: a service file from top to bottom, and the life of what it becomes.
 *
 * head (name, base, keys) -> limits -> what all calls share (auth, headers,
 * outcomes, hints, patience) -> calls. Reading goes on after a mistake, so that
 * one check tells all of them; only a whole service is handed out.
 */
#include "lib/service/parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ids.h"
#include "lib/base/text.h"

/* --- what is owned -------------------------------------------------------- */

struct expr *owned_expr(struct owned *o, const char *text, size_t len, struct lead_error *err)
{
	struct owned_expr *e;
	char *copy = arena_dup(o->arena, text, len);

	for (e = o->exprs; e != NULL && copy != NULL; e = e->next) {
		if (strcmp(expr_text(e->expr), copy) == 0) {
			return e->expr;
		}
	}
	e = copy == NULL ? NULL : arena_alloc(o->arena, sizeof *e);
	if (e == NULL) {
		lead_fail(err, LEAD_ENOMEM, "out of memory");
		return NULL;
	}
	if (expr_compile(copy, o->pool, &e->expr, err) != 0) {
		return NULL;
	}
	e->next = o->exprs;
	o->exprs = e;
	return e->expr;
}

void owned_fini(struct owned *o)
{
	for (struct owned_expr *e = o->exprs; e != NULL; e = e->next) {
		expr_free(e->expr);
	}
	for (struct owned_zone *z = o->zones; z != NULL; z = z->next) {
		zone_free(z->zone);
	}
	o->exprs = NULL;
	o->zones = NULL;
}

/* --- helpers of all readers ----------------------------------------------- */

void *reading_alloc(struct reading *r, size_t n, size_t size)
{
	void *p = arena_zalloc(&r->s->arena, (n == 0 ? 1 : n) * size);

	r->nomem |= p == NULL;
	return p;
}

const struct yaml_node *reading_first(const struct yaml_node *node)
{
	return node != NULL && node->kind == YAML_LIST ? node->first : node;
}

bool reading_name(
    struct reading *r, const struct yaml_node *node, const char *name, const char *what)
{
	if (name[0] >= 'a' && name[0] <= 'z' && strlen(name) <= 48 &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == strlen(name)) {
		return true;
	}
	problems_add(r->p, r->y, node,
	    "%s '%s': a name begins with a small letter and holds small letters, digits, '-' and "
	    "'_', at most 48",
	    what, name);
	return false;
}

bool reading_zone(struct reading *r, const struct yaml_node *map, const struct zone **ret)
{
	struct owned_zone *z;
	struct lead_error err = {0};
	const char *name;

	*ret = NULL;
	if (!yaml_read_string(r->y, map, "zone", &name, r->p)) {
		return false;
	}
	z = reading_alloc(r, 1, sizeof *z);
	if (z == NULL) {
		return false;
	}
	if (zone_load(name, &z->zone, &err) != 0) {
		problems_add(r->p, r->y, yaml_get(map, "zone"), "%s", err.text);
		return false;
	}
	z->next = r->s->owned->zones;
	r->s->owned->zones = z;
	*ret = z->zone;
	return true;
}

/* --- the whole ------------------------------------------------------------ */

/* Before the file says anything. */
static const struct service_call usual_patience = {
    .connect_us = 10 * US_PER_S,
    .total_us = 90 * US_PER_S,
    .max_answer_bytes = 1u << 20,
    .retry =
	{
	    [OUTCOME_PENDING] = {.base_us = 5 * US_PER_S, .cap_us = 60 * US_PER_S, .attempts = 60},
	    [OUTCOME_THROTTLE] = {.base_us = US_PER_S, .cap_us = 60 * US_PER_S, .attempts = 0},
	    [OUTCOME_TRANSIENT] = {.base_us = 400 * US_PER_MS,
		.cap_us = 60 * US_PER_S,
		.attempts = 3},
	    [OUTCOME_EMPTY] = {.base_us = US_PER_S, .cap_us = 60 * US_PER_S, .attempts = 1},
	},
};

static bool uses_secret(const struct named_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		for (size_t k = 0; k < list->v[i].value.n; k++) {
			if (list->v[i].value.v[k].kind == PIECE_HOLE &&
			    list->v[i].value.v[k].hole == HOLE_SECRET) {
				return true;
			}
		}
	}
	return false;
}

/* auth without secrets, or secrets that nothing sends: both are slips. */
static void check_secrets(struct reading *r)
{
	bool sent = uses_secret(&r->shared.headers) || uses_secret(&r->shared.query) ||
		    r->shared.n_body > 0;
	const struct service *s = r->s;

	for (size_t i = 0; i < s->n_keys; i++) {
		if (sent && s->keys[i].secret == NULL) {
			problems_add(r->p, r->y, yaml_get(r->y->root, "auth"),
			    "'auth' sends a key, but %s",
			    yaml_get(r->y->root, "keys") == NULL ? "there are no 'keys'"
								 : "one of 'keys' has no 'secret'");
			return;
		}
	}
	if (s->keys[0].secret != NULL && yaml_get(r->y->root, "auth") == NULL) {
		problems_add(
		    r->p, r->y, yaml_get(r->y->root, "keys"), "no 'auth' sends these keys");
	}
}

/* The operator's own limits. What is kept of them must outlive the file they stand in. */
static void own_limits_read(struct reading *r, const struct service_options *o, const struct yaml_node *calls)
{
	struct yaml *y = r->y;

	r->y = (struct yaml *)(uintptr_t)o->limits_yaml; /* only read, and named where something is wrong */
	limits_read(r, o->limits, calls);
	r->y = y;
	for (size_t i = 0; i < r->s->n_limits; i++) {
		const char *label = r->s->limits[i].label;

		if (label != NULL) {
			r->s->limits[i].label = arena_dup(&r->s->arena, label, strlen(label));
			r->nomem |= r->s->limits[i].label == NULL;
		}
	}
}

static void sections_read(struct reading *r, const struct service_options *o)
{
	const struct yaml_node *root = r->y->root, *calls = yaml_get(root, "calls");
	struct service_call patience = usual_patience;

	head_read(r, o);
	if (!r->nomem && o != NULL && o->limits != NULL) {
		own_limits_read(r, o, calls);
	} else if (!r->nomem) {
		limits_read(r, yaml_get(root, "limits"), calls);
	}
	if (!r->nomem) {
		shared_read(r);
	}
	if (!r->nomem) {
		check_secrets(r);
		messages_read(r, yaml_get(root, "message"));
		rules_read(r, yaml_get(root, "outcomes"), &r->rules, &r->n_rules);
		hints_read(r, yaml_get(root, "hints"), &r->hints, &r->n_hints);
		reading_patience(r, root, &patience);
	}
	if (!r->nomem) {
		calls_read(r, calls, &patience);
	}
}

static void write_node(const struct yaml_node *n, struct buf *out)
{
	buf_printf(out, "%s:%s;", n->key != NULL ? n->key : "-", n->text != NULL ? n->text : "");
	for (const struct yaml_node *c = n->first; c != NULL; c = c->next) {
		write_node(c, out);
	}
	buf_add_char(out, '.');
}

static uint64_t text_hash(const char *text, size_t len, const struct service_options *o)
{
	struct {
		uint64_t text, base, factor, limits;
	} all = {.text = hash_plain(text, len)};

	if (o != NULL && o->base != NULL) {
		all.base = hash_plain(o->base, strlen(o->base));
	}
	if (o != NULL && o->limits != NULL) {
		struct buf own = {0};

		write_node(o->limits, &own);
		all.limits = hash_plain(own.data != NULL ? own.data : "", own.len);
		buf_free(&own);
	}
	all.factor = o == NULL || o->limit_factor == 0 ? 1 : o->limit_factor;
	return hash_plain(&all, sizeof all);
}

/* Takes y. */
static int build(struct yaml *y, const char *text, size_t len, const struct service_options *o,
    struct problems *p, struct service **ret)
{
	struct service *s = calloc(1, sizeof *s);
	struct reading r = {.s = s,
	    .y = y,
	    .p = p,
	    .factor = o == NULL || o->limit_factor == 0 ? 1 : o->limit_factor};
	size_t before = p->count;

	if (s == NULL) {
		yaml_free(y);
		return LEAD_ENOMEM;
	}
	s->refs = 1;
	s->yaml = y;
	s->file = y->file;
	s->text_hash = text_hash(text, len, o);
	s->owned = reading_alloc(&r, 1, sizeof *s->owned);
	if (!r.nomem) {
		s->owned->arena = &s->arena;
		s->owned->pool = o != NULL ? o->pool : NULL;
		if (y->root == NULL || y->root->kind != YAML_MAP) {
			problems_add(p, y, y->root,
			    "a service file is a map that begins with 'service: NAME'");
		} else {
			sections_read(&r, o);
		}
	}
	if (r.nomem || p->count > before) {
		service_unref(s);
		return r.nomem ? LEAD_ENOMEM : LEAD_EINPUT;
	}
	*ret = s;
	return 0;
}

int service_parse(const char *file, const char *text, size_t len, const struct service_options *o,
    struct problems *p, struct service **ret)
{
	struct lead_error err = {0};
	struct yaml *y;
	int rc;

	*ret = NULL;
	rc = yaml_parse(file, text, len, &y, &err);
	if (rc == LEAD_EINPUT) {
		problems_add(p, NULL, NULL, "%s", err.text);
	}
	return rc != 0 ? rc : build(y, text, len, o, p, ret);
}

/* The whole file; yaml has its own bound of 1 MiB, so one byte more shows that it is broken. */
static char *slurp(const char *file, size_t *ret_len)
{
	size_t room = (1u << 20) + 2;
	char *text = malloc(room);
	FILE *f = text == NULL ? NULL : fopen(file, "re");

	if (f == NULL) {
		free(text);
		return NULL;
	}
	*ret_len = fread(text, 1, room, f);
	fclose(f);
	return text;
}

int service_load(
    const char *file, const struct service_options *o, struct problems *p, struct service **ret)
{
	size_t len = 0;
	char *text = slurp(file, &len);
	int rc;

	*ret = NULL;
	if (text == NULL) {
		problems_add(p, NULL, NULL, "%s: cannot be read: %s", file, strerror(errno));
		return LEAD_EINPUT;
	}
	rc = service_parse(file, text, len, o, p, ret);
	free(text);
	return rc;
}

struct service *service_ref(struct service *s)
{
	s->refs++;
	return s;
}

void service_unref(struct service *s)
{
	if (s == NULL || --s->refs > 0) {
		return;
	}
	for (size_t i = 0; i < s->n_calls; i++) {
		call_fini(&s->calls[i]);
	}
	if (s->owned != NULL) {
		owned_fini(s->owned);
	}
	arena_free(&s->arena);
	yaml_free(s->yaml);
	free(s);
}
