/*
 * lib/service/plan.c: the request half of a call, from YAML to what request.c renders.
 *
 * What every request carries (auth, headers, the call's id) is compiled once
 * (shared_read) and copied into each call's plan, where the call's own headers
 * of the same name replace it. The names that the placeholders read become the
 * call's parameters: nobody has to list them.
 */
#include "lib/service/parts.h"

#include "lib/base/text.h"

#include <ctype.h>
#include <string.h>

#define MAX_HEADERS (sizeof((struct request *)0)->headers / sizeof(struct request_header))
#define MAX_PARAMS 64

static const char *const methods[] = {"get", "post", "put", "patch", "delete", "head", NULL};
static const char *const method_words[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"};

static struct piecework piecework_for(struct reading *r, bool secret)
{
	return (struct piecework){.y = r->y,
	    .p = r->p,
	    .arena = &r->s->arena,
	    .owned = r->s->owned,
	    .call = true,
	    .secret = secret};
}

/* One text of a request; false when reported. what: `header`, `query`, … */
static bool compile(struct reading *r, const struct yaml_node *node, const char *text, enum encoding e,
    const char *what, const char *name, bool secret, struct pieces *ret)
{
	struct piecework w = piecework_for(r, secret);
	const char *where = arena_printf(&r->s->arena, "%s '%s'", what, name);
	bool ok = where != NULL && pieces_text(&w, node, text, strlen(text), e, where, ret);

	r->nomem |= w.nomem || where == NULL;
	return ok;
}

/* --- names with values ---------------------------------------------------- */

static bool header_name_ok(struct reading *r, const struct yaml_node *node, const char *name)
{
	static const char *const taken[] = {
	    "host", "content-length", "transfer-encoding", "connection", "expect", "te", "upgrade", NULL};

	if (*name == '\0' || strspn(name, "!#$%&'*+-.^_`|~0123456789"
	                                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(name)) {
		problems_add(r->p, r->y, node, "'%s' is no name for a header", name);
		return false;
	}
	for (size_t i = 0; taken[i] != NULL; i++) {
		if (text_equal_nocase(name, taken[i])) {
			problems_add(r->p, r->y, node, "header '%s' is set by the HTTP client itself", name);
			return false;
		}
	}
	return true;
}

/* The name as it will be sent. */
static const char *sent_name(struct reading *r, const char *name, enum encoding e)
{
	struct buf out = {0};
	const char *sent;

	if (e == ENCODE_HEADER) {
		return name;
	}
	text_write_percent(&out, name, strlen(name));
	sent = out.failed ? NULL : arena_dup(&r->s->arena, out.data == NULL ? "" : out.data, out.len);
	r->nomem |= sent == NULL;
	buf_free(&out);
	return sent;
}

/* NULL when reported. */
static struct named *named_add(struct reading *r, const struct yaml_node *node, const char *name,
    const char *text, enum encoding e, bool secret, struct named_list *list)
{
	const char *what = e == ENCODE_HEADER ? "header" : "parameter";
	struct named named = {.name = sent_name(r, name, e)};

	if (named.name == NULL || (e == ENCODE_HEADER && !header_name_ok(r, node, name)) ||
	    !compile(r, node, text, e, what, name, secret, &named.value)) {
		return NULL;
	}
	for (size_t i = 0; e == ENCODE_HEADER && i < list->n; i++) {
		if (text_equal_nocase(list->v[i].name, name)) {
			list->v[i] = named; /* the later word counts */
			return &list->v[i];
		}
	}
	list->v[list->n] = named;
	return &list->v[list->n++];
}

/* A scalar, or each scalar of a list, under one name. null: nothing is sent. */
static void named_read(struct reading *r, const struct yaml_node *node, enum encoding e, struct named_list *list)
{
	struct piecework w = piecework_for(r, false);

	for (const struct yaml_node *v = reading_first(node); v != NULL; v = v == node ? NULL : v->next) {
		const char *text = v->text;

		if (v->kind == YAML_NULL) {
			continue;
		}
		if (v->kind == YAML_MAP || v->kind == YAML_LIST || (e == ENCODE_HEADER && v != node)) {
			problems_add(r->p, r->y, v, "'%s' must be a single value", node->key);
			continue;
		}
		if (v->kind != YAML_STRING) {
			text = pieces_scalar(&w, v);
		}
		if (text != NULL) {
			named_add(r, v, node->key, text, e, false, list);
		}
	}
}

/* How many entries named_map can add. */
static size_t named_count(const struct yaml_node *map)
{
	size_t n = 0;

	for (const struct yaml_node *v = map == NULL ? NULL : map->first; v != NULL; v = v->next) {
		n += v->kind == YAML_LIST ? v->n : 1;
	}
	return n;
}

static void named_map(struct reading *r, const struct yaml_node *map, enum encoding e, struct named_list *list)
{
	if (map != NULL && map->kind != YAML_MAP) {
		problems_add(r->p, r->y, map, "'%s' must be a map of names and values", map->key);
		return;
	}
	for (const struct yaml_node *v = map == NULL ? NULL : map->first; v != NULL; v = v->next) {
		named_read(r, v, e, list);
	}
}

/* Room for `own` entries behind those of all calls. */
static bool named_copy(struct reading *r, const struct named_list *from, size_t own, struct named_list *ret)
{
	ret->v = reading_alloc(r, from->n + own, sizeof *ret->v);
	if (ret->v == NULL) {
		return false;
	}
	if (from->n > 0) {
		memcpy(ret->v, from->v, from->n * sizeof *ret->v);
	}
	ret->n = from->n;
	return true;
}

/* --- what all requests carry ---------------------------------------------- */

static void auth_entry(struct reading *r, const struct yaml_node *node)
{
	static const char *const keys[] = {"header", "query", "body", "basic", "value", NULL};
	const char *header = NULL, *query = NULL, *body = NULL, *basic = NULL, *value = "${.key}";
	struct request_shared *shared = &r->shared;
	struct pieces unused;

	if (!yaml_only_keys(r->y, node, keys, "auth", r->p)) {
		return;
	}
	yaml_read_string(r->y, node, "header", &header, r->p);
	yaml_read_string(r->y, node, "query", &query, r->p);
	yaml_read_string(r->y, node, "body", &body, r->p);
	yaml_read_string(r->y, node, "basic", &basic, r->p);
	yaml_read_string(r->y, node, "value", &value, r->p);
	if ((header != NULL) + (query != NULL) + (body != NULL) + (basic != NULL) != 1) {
		problems_add(r->p, r->y, node, "auth needs one of 'header', 'query', 'body', 'basic'");
	} else if (header != NULL) {
		named_add(r, node, header, value, ENCODE_HEADER, true, &shared->headers);
	} else if (query != NULL) {
		named_add(r, node, query, value, ENCODE_PERCENT, true, &shared->query);
	} else if (basic != NULL) {
		struct named *named =
		    named_add(r, node, "Authorization", basic, ENCODE_HEADER, true, &shared->headers);

		if (named != NULL) {
			named->basic = true;
		}
	} else if (compile(r, node, value, ENCODE_PLAIN, "body", body, true, &unused)) {
		shared->body[shared->n_body++] = (struct added_member){.name = body, .text = value};
	}
}

static void auth_read(struct reading *r, const struct yaml_node *auth)
{
	for (const struct yaml_node *v = reading_first(auth); v != NULL; v = v == auth ? NULL : v->next) {
		if (v->kind == YAML_STRING && strcmp(v->text, "bearer") == 0) {
			named_add(
			    r, v, "Authorization", "Bearer ${.key}", ENCODE_HEADER, true, &r->shared.headers);
		} else if (v->kind == YAML_STRING) {
			problems_add(r->p, r->y, v, "auth is 'bearer' or a map, not '%s'", v->text);
		} else {
			auth_entry(r, v);
		}
	}
}

void shared_read(struct reading *r)
{
	const struct yaml_node *root = r->y->root;
	const struct yaml_node *auth = yaml_get(root, "auth"), *headers = yaml_get(root, "headers");
	size_t n_auth = auth == NULL ? 0 : auth->kind == YAML_LIST ? auth->n : 1;
	const char *id = "X-Request-Id";
	struct request_shared *shared = &r->shared;

	shared->headers.v = reading_alloc(r, n_auth + named_count(headers) + 1, sizeof *shared->headers.v);
	shared->query.v = reading_alloc(r, n_auth + 1, sizeof *shared->query.v);
	shared->body = reading_alloc(r, n_auth + 1, sizeof *shared->body);
	if (r->nomem) {
		return;
	}
	yaml_read_string(r->y, root, "call_id_header", &id, r->p);
	if (strcmp(id, "off") != 0) {
		const struct yaml_node *node = yaml_get(root, "call_id_header");

		named_add(r, node == NULL ? root : node, id, "${.call.id}", ENCODE_HEADER, false, &shared->headers);
	}
	named_map(r, headers, ENCODE_HEADER, &shared->headers);
	auth_read(r, auth);
}

/* --- one call ------------------------------------------------------------- */

static const struct yaml_node *method_read(struct reading *r, const struct yaml_node *call, struct request_plan *plan)
{
	const struct yaml_node *found = NULL;

	for (size_t i = 0; methods[i] != NULL; i++) {
		const struct yaml_node *node = yaml_get(call, methods[i]);

		if (node != NULL && found != NULL) {
			problems_add(r->p, r->y, node, "a call has one method, and '%s' stands here already", found->key);
		} else if (node != NULL) {
			found = node;
			plan->method = method_words[i];
		}
	}
	if (found == NULL) {
		problems_add(r->p, r->y, call, "call '%s' needs a method and path, such as 'get: /path'", call->key);
	} else if (found->kind != YAML_STRING || found->text[0] != '/') {
		problems_add(r->p, r->y, found, "a path begins with '/'");
		found = NULL;
	}
	return found;
}

static void url_read(struct reading *r, const struct yaml_node *node, struct request_plan *plan)
{
	const char *text = arena_printf(&r->s->arena, "%s%s", r->s->base == NULL ? "" : r->s->base, node->text);

	if (text == NULL) {
		r->nomem = true;
		return;
	}
	if (!compile(r, node, text, ENCODE_PATH, "path", node->text, false, &plan->url)) {
		return;
	}
	for (size_t i = 0; i < plan->url.n; i++) {
		const struct piece *piece = &plan->url.v[i];

		for (size_t k = 0; piece->kind == PIECE_BYTES && k < piece->len; k++) {
			if (!isgraph((unsigned char)piece->text[k]) || strchr("?#\"<>\\^`{|}", piece->text[k]) != NULL) {
				problems_add(r->p, r->y, node, "'%c' cannot stand in a path%s", piece->text[k],
				    piece->text[k] == '?' ? "; parameters belong under 'query'" : "");
				return;
			}
		}
	}
}

/* The key under which the body stands, NULL for none. */
static const struct yaml_node *body_node(struct reading *r, const struct yaml_node *call, struct request_plan *plan)
{
	static const char *const kinds[] = {NULL, "json", "form", "text"};
	const struct yaml_node *found = NULL;

	for (int i = BODY_JSON; i <= BODY_TEXT; i++) {
		const struct yaml_node *node = yaml_get(call, kinds[i]);

		if (node != NULL && found != NULL) {
			problems_add(r->p, r->y, node, "a call has one body, and '%s' stands here already", found->key);
		} else if (node != NULL) {
			found = node;
			plan->kind = (enum body_kind)i;
		}
	}
	if (found != NULL && plan->method != NULL &&
	    (strcmp(plan->method, "GET") == 0 || strcmp(plan->method, "HEAD") == 0)) {
		problems_add(r->p, r->y, found, "a %s request has no body", plan->method);
	}
	return found;
}

/* What auth and idempotency put into the body. */
static struct added_member *added_read(
    struct reading *r, const struct yaml_node *call, const char *idempotency, size_t *ret_n)
{
	struct added_member *added = reading_alloc(r, r->shared.n_body + 1, sizeof *added);

	*ret_n = 0;
	if (added == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < r->shared.n_body; i++) {
		added[(*ret_n)++] = r->shared.body[i];
	}
	if (idempotency != NULL) {
		added[(*ret_n)++] =
		    (struct added_member){.name = idempotency, .text = "${.call.idempotency_key}"};
	}
	return added;
}

static void form_read(struct reading *r, const struct yaml_node *node, const struct added_member *added,
    size_t n_added, struct request_plan *plan)
{
	if (!named_copy(r, &(struct named_list){0}, named_count(node) + n_added, &plan->form)) {
		return;
	}
	named_map(r, node, ENCODE_PERCENT, &plan->form);
	for (size_t i = 0; i < n_added; i++) {
		named_add(r, node, added[i].name, added[i].text, ENCODE_PERCENT, true, &plan->form);
	}
}

static void body_read(struct reading *r, const struct yaml_node *call, const char *idempotency,
    struct request_plan *plan)
{
	const struct yaml_node *node = body_node(r, call, plan);
	struct piecework w = piecework_for(r, true);
	size_t n_added;
	struct added_member *added = added_read(r, call, idempotency, &n_added);

	if (added == NULL) {
		return;
	}
	if (n_added > 0 && plan->kind != BODY_FORM && (plan->kind != BODY_JSON || node->kind != YAML_MAP)) {
		problems_add(r->p, r->y, call, "'%s' goes into the body, so this call needs a map under 'json' or 'form'",
		    added[0].name);
		return;
	}
	switch (plan->kind) {
	case BODY_NONE:
		break;
	case BODY_FORM:
		form_read(r, node, added, n_added, plan);
		break;
	case BODY_JSON:
		w.secret = r->shared.n_body > 0;
		pieces_json(&w, node, added, n_added, "json", &plan->body);
		break;
	case BODY_TEXT:
		if (node->kind != YAML_STRING) {
			problems_add(r->p, r->y, node, "'text' must be a text");
			break;
		}
		w.secret = false;
		pieces_text(&w, node, node->text, node->len, ENCODE_PLAIN, "text", &plan->body);
		break;
	}
	r->nomem |= w.nomem;
}

/* `idempotency`: where the key goes that stays the same over all repeats. */
static void idempotency_read(struct reading *r, const struct yaml_node *call, struct request_plan *plan,
    const char **ret_body)
{
	static const char *const keys[] = {"header", "body", "quoted", NULL};
	const struct yaml_node *node = yaml_get(call, "idempotency");
	const char *header = NULL;
	bool quoted = false;

	if (node == NULL || !yaml_only_keys(r->y, node, keys, "idempotency", r->p)) {
		return;
	}
	yaml_read_string(r->y, node, "header", &header, r->p);
	yaml_read_string(r->y, node, "body", ret_body, r->p);
	yaml_read_bool(r->y, node, "quoted", &quoted, r->p);
	if ((header == NULL) == (*ret_body == NULL)) {
		problems_add(r->p, r->y, node, "idempotency needs one of 'header' and 'body'");
	} else if (header != NULL) {
		named_add(r, node, header, quoted ? "\"${.call.idempotency_key}\"" : "${.call.idempotency_key}",
		    ENCODE_HEADER, false, &plan->headers);
	}
}

static void default_header(struct reading *r, const struct yaml_node *call, const char *name, const char *text,
    struct request_plan *plan)
{
	for (size_t i = 0; i < plan->headers.n; i++) {
		if (text_equal_nocase(plan->headers.v[i].name, name)) {
			return;
		}
	}
	named_add(r, call, name, text, ENCODE_HEADER, false, &plan->headers);
}

static void headers_read(struct reading *r, const struct yaml_node *call, struct request_plan *plan)
{
	static const char *const types[] = {
	    NULL, "application/json", "application/x-www-form-urlencoded", "text/plain; charset=utf-8"};

	named_map(r, yaml_get(call, "headers"), ENCODE_HEADER, &plan->headers);
	default_header(r, call, "Accept", "application/json", plan);
	if (plan->kind != BODY_NONE) {
		default_header(r, call, "Content-Type", types[plan->kind], plan);
	}
	if (plan->headers.n > MAX_HEADERS) {
		problems_add(r->p, r->y, call, "more than %zu headers", MAX_HEADERS);
	}
}

/* --- parameters ----------------------------------------------------------- */

struct gathering {
	struct reading *r;
	struct {
		const char *name;
		bool needed;
	} v[MAX_PARAMS];
	size_t n;
	bool needed, full;
};

static void on_param(void *arg, const char *name, size_t len)
{
	struct gathering *g = arg;

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

static void gather_list(struct gathering *g, const struct named_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		gather(g, &list->v[i].value);
	}
}

/* Lists what the plan reads and what of it may be missing. */
static void params_read(struct reading *r, const struct yaml_node *call, const struct request_plan *plan,
    struct service_call *c)
{
	struct gathering g = {.r = r};
	const char **declared = NULL, **params, **optional, *names[MAX_PARAMS + 1] = {NULL};
	size_t n_declared = yaml_read_strings(r->y, call, "optional", &declared, r->p), n = 0;

	gather(&g, &plan->url);
	gather_list(&g, &plan->query);
	gather_list(&g, &plan->headers);
	gather_list(&g, &plan->form);
	gather(&g, &plan->body);
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

			problems_add(r->p, r->y, yaml_get(call, "optional"), "no placeholder reads '%s'%s%s%s", declared[k],
			    near == NULL ? "" : ", did you mean '", near == NULL ? "" : near, near == NULL ? "" : "'?");
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

void plan_read(struct reading *r, const struct yaml_node *call, struct service_call *c)
{
	struct request_plan *plan = reading_alloc(r, 1, sizeof *plan);
	const struct yaml_node *path, *query = yaml_get(call, "query");
	const char *idempotency = NULL;

	if (plan == NULL || !named_copy(r, &r->shared.query, named_count(query), &plan->query) ||
	    !named_copy(r, &r->shared.headers, named_count(yaml_get(call, "headers")) + 3, &plan->headers)) {
		return;
	}
	plan->itself = owned_expr(r->s->owned, ".", 1, NULL);
	r->nomem |= plan->itself == NULL;
	path = method_read(r, call, plan);
	if (path != NULL) {
		url_read(r, path, plan);
	}
	named_map(r, query, ENCODE_PERCENT, &plan->query);
	idempotency_read(r, call, plan, &idempotency);
	body_read(r, call, idempotency, plan);
	headers_read(r, call, plan);
	params_read(r, call, plan, c);
	c->method = plan->method;
	c->request = plan;
}
