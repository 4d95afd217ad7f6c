/*
 * lib/service/call.c: `calls:` of a service file, each with its patience and its rule for doubt.
 */
#include "lib/service/parts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/service/answer.h"

/* --- patience ------------------------------------------------------------- */

/* `4MiB`, `64KiB`. */
static void size_read(struct reading *r, const struct yaml_node *map, const char *key, size_t *ret)
{
	const struct yaml_node *node = yaml_get(map, key);
	unsigned long n;
	char *end;

	if (node == NULL) {
		return;
	}
	n = node->text == NULL ? 0 : strtoul(node->text, &end, 10);
	if (n >= 1 && n <= 65536 && strcmp(end, "KiB") == 0) {
		*ret = n << 10;
	} else if (n >= 1 && n <= 64 && strcmp(end, "MiB") == 0) {
		*ret = n << 20;
	} else {
		problems_add(r->p, r->y, node, "a size is written 1KiB to 64MiB");
	}
}

static void timeout_read(struct reading *r, const struct yaml_node *node, struct service_call *c)
{
	static const char *const keys[] = {"connect", "total", NULL};

	if (node == NULL || !yaml_only_keys(r->y, node, keys, "timeout", r->p)) {
		return;
	}
	yaml_read_duration(
	    r->y, node, "connect", 100 * US_PER_MS, 300 * US_PER_S, &c->connect_us, r->p);
	yaml_read_duration(
	    r->y, node, "total", 100 * US_PER_MS, 4 * 3600 * US_PER_S, &c->total_us, r->p);
	if (c->connect_us > c->total_us) {
		problems_add(r->p, r->y, node, "'connect' is longer than 'total'");
	}
}

static void retry_read(struct reading *r, const struct yaml_node *node, struct retry_spec *spec)
{
	static const char *const keys[] = {"attempts", "base", "cap", NULL};
	int64_t attempts = spec->attempts;

	if (!yaml_only_keys(r->y, node, keys, "retry", r->p)) {
		return;
	}
	yaml_read_int(r->y, node, "attempts", 0, 100000, &attempts, r->p);
	yaml_read_duration(r->y, node, "base", US_PER_MS, US_PER_DAY, &spec->base_us, r->p);
	yaml_read_duration(r->y, node, "cap", US_PER_MS, 31 * US_PER_DAY, &spec->cap_us, r->p);
	spec->attempts = (uint32_t)attempts;
	if (spec->cap_us < spec->base_us) {
		if (yaml_get(node, "cap") != NULL) {
			problems_add(
			    r->p, r->y, yaml_get(node, "cap"), "'cap' is shorter than 'base'");
		}
		spec->cap_us = spec->base_us;
	}
}

void reading_patience(struct reading *r, const struct yaml_node *map, struct service_call *c)
{
	static const char *const keys[] = {"pending", "throttle", "transient", "empty", NULL};
	static const enum outcome_class classes[] = {
	    OUTCOME_PENDING, OUTCOME_THROTTLE, OUTCOME_TRANSIENT, OUTCOME_EMPTY};
	const struct yaml_node *retry = yaml_get(map, "retry");

	timeout_read(r, yaml_get(map, "timeout"), c);
	size_read(r, map, "max_answer", &c->max_answer_bytes);
	if (retry != NULL && yaml_only_keys(r->y, retry, keys, "retry", r->p)) {
		for (size_t i = 0; keys[i] != NULL; i++) {
			const struct yaml_node *node = yaml_get(retry, keys[i]);

			if (node != NULL) {
				retry_read(r, node, &c->retry[classes[i]]);
			}
		}
	}
	c->retry[OUTCOME_UNSENT] = c->retry[OUTCOME_IN_DOUBT] = c->retry[OUTCOME_TRANSIENT];
}

/* --- doubt ---------------------------------------------------------------- */

/* What is safe when the file says nothing: reading for free can be repeated, all else waits for a
 * person. */
static void doubt_default(struct service_call *c)
{
	bool reads =
	    c->method != NULL && (strcmp(c->method, "GET") == 0 || strcmp(c->method, "HEAD") == 0);

	c->doubt = reads && c->price_micro == 0 ? DOUBT_FREE : DOUBT_HOLD;
}

static void doubt_read(struct reading *r, const struct yaml_node *call, struct service_call *c)
{
	static const char *const keys[] = {"repeat", "lookup", NULL};
	const struct yaml_node *node = yaml_get(call, "in_doubt");
	bool is_text = node != NULL && node->kind == YAML_STRING;
	int64_t times;

	doubt_default(c);
	if (node == NULL) {
		return;
	}
	if (is_text && strcmp(node->text, "hold") == 0) {
		c->doubt = DOUBT_HOLD;
	} else if (is_text && strcmp(node->text, "free") == 0) {
		c->doubt = DOUBT_FREE;
	} else if (node->kind != YAML_MAP || node->n != 1) {
		problems_add(
		    r->p, r->y, node, "'in_doubt' is hold, free, {repeat: N} or {lookup: CALL}");
	} else if (yaml_only_keys(r->y, node, keys, "in_doubt", r->p)) {
		if (yaml_read_int(r->y, node, "repeat", 1, 10, &times, r->p)) {
			c->doubt = DOUBT_REPEAT;
			c->doubt_times = (uint32_t)times;
		} else if (yaml_get(node, "lookup") != NULL) {
			c->doubt = DOUBT_LOOKUP; /* the call is found when all have been read */
		}
	}
	if (c->doubt == DOUBT_FREE && c->price_micro > 0) {
		problems_add(r->p, r->y, node,
		    "call '%s' has a price, so a doubtful one is not free", c->name);
	}
}

/* Binds `lookup` and checks that the doubtful call's parameters suffice for it. */
static void lookup_read(struct reading *r, const struct yaml_node *call, struct service_call *c)
{
	const struct yaml_node *doubt = yaml_get(call, "in_doubt");
	const struct service_call *target;
	const char *name = NULL;

	if (c->doubt != DOUBT_LOOKUP || !yaml_read_string(r->y, doubt, "lookup", &name, r->p)) {
		return;
	}
	target = service_find_call(r->s, name);
	if (target == NULL || target == c) {
		problems_add(
		    r->p, r->y, yaml_get(doubt, "lookup"), "there is no other call '%s'", name);
		return;
	}
	if (target->doubt != DOUBT_FREE) {
		problems_add(r->p, r->y, yaml_get(doubt, "lookup"),
		    "call '%s' must have 'in_doubt: free' and no price to be looked up with", name);
	}
	for (size_t i = 0; target->params != NULL && c->params != NULL && target->params[i] != NULL;
	     i++) {
		const char *param = target->params[i];

		if (!text_in(target->optional, param, strlen(param)) && !text_in(c->params, param, strlen(param))) {
			problems_add(r->p, r->y, yaml_get(doubt, "lookup"),
			    "call '%s' needs parameter '%s', which call '%s' does not have", name,
			    param, c->name);
		}
	}
	c->doubt_lookup = target;
}

/* --- pages ---------------------------------------------------------------- */

/* A field of the call's `map:`, by name; NULL when absent or reported. */
static const char *page_field(struct reading *r, const struct yaml_node *node, const char *key, const struct service_call *c)
{
	const char *const *names = c->answer != NULL ? answer_names(c) : NULL;
	const char *name = NULL, *near;

	if (!yaml_read_string(r->y, node, key, &name, r->p) || names == NULL || text_in(names, name, strlen(name))) {
		return name;
	}
	near = text_nearest(name, names);
	problems_add(r->p, r->y, yaml_get(node, key), "'map' of call '%s' has no '%s'%s%s%s", c->name, name, near == NULL ? "" : ", did you mean '",
	    near == NULL ? "" : near, near == NULL ? "" : "'?");
	return NULL;
}

static void paging_read(struct reading *r, const struct yaml_node *call, struct service_call *c)
{
	static const char *const keys[] = {"items", "cursor", "total", "size", "fit", NULL};
	const struct yaml_node *node = yaml_get(call, "paging");
	struct paging *p;
	int64_t size = 100;

	if (node == NULL || !yaml_only_keys(r->y, node, keys, "paging", r->p)) {
		return;
	}
	p = reading_alloc(r, 1, sizeof *p);
	if (p == NULL) {
		return;
	}
	p->items = page_field(r, node, "items", c);
	p->cursor = page_field(r, node, "cursor", c);
	p->total = page_field(r, node, "total", c);
	yaml_read_int(r->y, node, "size", 1, 500, &size, r->p);
	p->size = (uint32_t)size;
	yaml_read_bool(r->y, node, "fit", &p->fit, r->p);
	if (p->fit && p->cursor != NULL) {
		problems_add(r->p, r->y, node, "'paging' has 'fit', which is for pages by offset, or 'cursor'");
	}
	if (yaml_get(node, "items") == NULL) {
		problems_add(r->p, r->y, node, "'paging' needs 'items', the field of 'map' that holds the list");
	}
	c->paging = p;
}

/* --- calls ---------------------------------------------------------------- */

static void call_read(struct reading *r, const struct yaml_node *node, struct service_call *c)
{
	static const char *const keys[] = {"about", "get", "post", "put", "patch", "delete", "head",
	    "query", "headers", "json", "form", "text", "optional", "idempotency", "answer", "map",
	    "outcomes", "hints", "price", "timeout", "retry", "max_answer", "in_doubt", "batch", "paging",
	    "job", NULL};

	if (!reading_name(r, node, node->key, "call") ||
	    !yaml_only_keys(r->y, node, keys, "call", r->p)) {
		return;
	}
	reading_patience(r, node, c);
	batch_read(r, node, c);
	plan_read(r, node, c);
	if (!r->nomem) {
		reader_read(r, node, yaml_get(yaml_get(node, "job"), "id"), c);
	}
	if (!r->nomem) {
		job_spec_read(r, node, c);
	}
	if (!r->nomem) {
		doubt_read(r, node, c);
		paging_read(r, node, c);
	}
}

void calls_read(struct reading *r, const struct yaml_node *map, const struct service_call *defaults)
{
	struct service *s = r->s;
	const struct yaml_node *node;

	if (map == NULL || map->kind != YAML_MAP || map->n == 0 || map->n > 32) {
		problems_add(r->p, r->y, map, "'calls' must be a map of 1 to 32 calls");
		return;
	}
	s->calls = reading_alloc(r, map->n, sizeof *s->calls);
	for (node = map->first; s->calls != NULL && !r->nomem && node != NULL; node = node->next) {
		struct service_call *c = &s->calls[s->n_calls];

		*c = *defaults;
		c->name = node->key;
		c->index = s->n_calls++;
		call_read(r, node, c);
	}
	node = map->first;
	for (size_t i = 0; !r->nomem && i < s->n_calls; i++, node = node->next) {
		job_spec_bind(r, node, &s->calls[i]);
		lookup_read(r, node, &s->calls[i]);
	}
}

void call_fini(struct service_call *c)
{
	if (c->job != NULL && c->job->called != c->answer) {
		reader_fini(c->job->called);
	}
	reader_fini(c->answer);
	batch_fini(c->batch);
}

const struct service_call *service_find_call(const struct service *s, const char *name)
{
	for (size_t i = 0; i < s->n_calls; i++) {
		if (strcmp(s->calls[i].name, name) == 0) {
			return &s->calls[i];
		}
	}
	return NULL;
}

bool service_call_optional(const struct service_call *c, const char *param)
{
	return text_in(c->optional, param, strlen(param));
}
