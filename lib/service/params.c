/*
 * lib/service/params.c: a call's parameters: the names that its placeholders read. Nobody has to
 * list them.
 */
#include "lib/service/parts.h"

#include <string.h>

#include "lib/base/text.h"

#define MAX_PARAMS 64

struct gathering {
	struct reading *r;
	struct {
		const char *name;
		bool needed;
	} v[MAX_PARAMS];
	size_t n;
	bool needed, full;
	bool pages; /* the engine gives it `page` */
};

static void on_param(void *arg, const char *name, size_t len)
{
	struct gathering *g = arg;

	if (g->pages && len == 4 && memcmp(name, "page", 4) == 0) {
		return;
	}
	for (size_t i = 0; i < g->n; i++) {
		if (strlen(g->v[i].name) == len && memcmp(g->v[i].name, name, len) == 0) {
			g->v[i].needed |= g->needed;
			return;
		}
	}
	if (g->n == MAX_PARAMS) {
		g->full = true;
		return;
	}
	g->v[g->n].name = arena_dup(&g->r->s->arena, name, len);
	if (g->v[g->n].name == NULL) {
		g->r->nomem = true;
		return;
	}
	g->v[g->n++].needed = g->needed;
}

static void gather(struct gathering *g, const struct pieces *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct expr *e = t->v[i].expr;

		if (e != NULL) { /* with a default behind `//` it can do without */
			g->needed = expr_path(e) == NULL || strstr(expr_text(e), "//") == NULL;
			expr_reads(e, on_param, g);
		}
	}
}

static void gather_item(void *arg, const struct pieces *t)
{
	gather(arg, t);
}

static void gather_list(struct gathering *g, const struct named_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		gather(g, &list->v[i].value);
	}
}

/* What was gathered so far is the same for all items of a batch; `items` is theirs and no parameter. */
static void shared_params(struct gathering *g, const struct yaml_node *call, struct service_batch *b)
{
	const char **shared = reading_alloc(g->r, g->n + 1, sizeof *shared);
	size_t n = 0;

	for (size_t i = 0; shared != NULL && i < g->n; i++) {
		if (strcmp(g->v[i].name, "items") != 0) {
			shared[n] = g->v[i].name;
			g->v[n++] = g->v[i];
		}
	}
	if (n == g->n) {
		problems_add(g->r->p, g->r->y, call, "call '%s' has a batch, so ${.items} must stand in its request", call->key);
	}
	g->n = n;
	b->shared = shared;
}

void params_read(struct reading *r, const struct yaml_node *call, const struct request_plan *plan,
    struct service_call *c)
{
	struct gathering g = {.r = r, .pages = yaml_get(call, "paging") != NULL};
	const char **declared = NULL, **params, **optional, *names[MAX_PARAMS + 1] = {NULL};
	size_t n_declared = yaml_read_strings(r->y, call, "optional", &declared, r->p), n = 0;

	gather(&g, &plan->url);
	gather_list(&g, &plan->query);
	gather_list(&g, &plan->headers);
	gather_list(&g, &plan->form);
	gather(&g, &plan->body);
	if (c->batch != NULL) {
		shared_params(&g, call, c->batch);
		batch_pieces(c->batch, gather_item, &g);
	}
	params = reading_alloc(r, g.n + 1, sizeof *params);
	optional = reading_alloc(r, g.n + 1, sizeof *optional);
	if (params == NULL || optional == NULL) {
		return;
	}
	if (g.full) {
		problems_add(r->p, r->y, call, "more than %d parameters", MAX_PARAMS);
	}
	for (size_t i = 0; i < g.n; i++) {
		names[i] = params[i] = g.v[i].name;
	}
	for (size_t k = 0; k < n_declared; k++) {
		size_t i = 0;

		while (i < g.n && strcmp(g.v[i].name, declared[k]) != 0) {
			i++;
		}
		if (i < g.n) {
			g.v[i].needed = false;
		} else {
			const char *near = text_nearest(declared[k], names);

			problems_add(r->p, r->y, yaml_get(call, "optional"),
			    "no placeholder reads '%s'%s%s%s", declared[k],
			    near == NULL ? "" : ", did you mean '", near == NULL ? "" : near,
			    near == NULL ? "" : "'?");
		}
	}
	for (size_t i = 0; i < g.n; i++) {
		if (!g.v[i].needed) {
			optional[n++] = params[i];
		}
	}
	c->params = params;
	c->optional = optional;
}
