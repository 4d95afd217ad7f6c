/*
 * lib/service/plan.c: the request half of a call, from YAML to what request.c renders.
 *
 * A copy of what all requests carry (shared.c) -> method and path -> query ->
 * body -> headers -> the names all these read (params.c).
 */
#include "lib/service/parts.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/text.h"

#define MAX_HEADERS (sizeof((struct request *)0)->headers / sizeof(struct request_header))

static const char *const methods[] = {"get", "post", "put", "patch", "delete", "head", NULL};
static const char *const method_words[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"};

static const struct yaml_node *method_read(
    struct reading *r, const struct yaml_node *call, struct request_plan *plan)
{
	const struct yaml_node *found = NULL;

	for (size_t i = 0; methods[i] != NULL; i++) {
		const struct yaml_node *node = yaml_get(call, methods[i]);

		if (node != NULL && found != NULL) {
			problems_add(r->p, r->y, node,
			    "a call has one method, and '%s' stands here already", found->key);
		} else if (node != NULL) {
			found = node;
			plan->method = method_words[i];
		}
	}
	if (found == NULL) {
		problems_add(r->p, r->y, call,
		    "call '%s' needs a method and path, such as 'get: /path'", call->key);
	} else if (found->kind != YAML_STRING || found->text[0] != '/') {
		problems_add(r->p, r->y, found, "a path begins with '/'");
		found = NULL;
	}
	return found;
}

static void url_read(struct reading *r, const struct yaml_node *node, struct request_plan *plan)
{
	const char *text =
	    arena_printf(&r->s->arena, "%s%s", r->s->base == NULL ? "" : r->s->base, node->text);

	if (text == NULL) {
		r->nomem = true;
		return;
	}
	if (!named_text(r, node, text, ENCODE_PATH, "path", node->text, false, &plan->url)) {
		return;
	}
	for (size_t i = 0; i < plan->url.n; i++) {
		const struct piece *piece = &plan->url.v[i];

		for (size_t k = 0; piece->kind == PIECE_BYTES && k < piece->len; k++) {
			if (!isgraph((unsigned char)piece->text[k]) ||
			    strchr("?#\"<>\\^`{|}", piece->text[k]) != NULL) {
				problems_add(r->p, r->y, node, "'%c' cannot stand in a path%s",
				    piece->text[k],
				    piece->text[k] == '?' ? "; parameters belong under 'query'"
							  : "");
				return;
			}
		}
	}
}

/* The key under which the body stands, NULL for none. */
static const struct yaml_node *body_node(
    struct reading *r, const struct yaml_node *call, struct request_plan *plan)
{
	static const char *const kinds[] = {NULL, "json", "form", "text"};
	const struct yaml_node *found = NULL;

	for (int i = BODY_JSON; i <= BODY_TEXT; i++) {
		const struct yaml_node *node = yaml_get(call, kinds[i]);

		if (node != NULL && found != NULL) {
			problems_add(r->p, r->y, node,
			    "a call has one body, and '%s' stands here already", found->key);
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

static void form_read(struct reading *r, const struct yaml_node *node,
    const struct added_member *added, size_t n_added, struct request_plan *plan)
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
	if (n_added > 0 && plan->kind != BODY_FORM &&
	    (plan->kind != BODY_JSON || node->kind != YAML_MAP)) {
		problems_add(r->p, r->y, call,
		    "'%s' goes into the body, so this call needs a map under 'json' or 'form'",
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
static void idempotency_read(struct reading *r, const struct yaml_node *call,
    struct request_plan *plan, const char **ret_body)
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
		named_add(r, node, header,
		    quoted ? "\"${.call.idempotency_key}\"" : "${.call.idempotency_key}",
		    ENCODE_HEADER, false, &plan->headers);
	}
}

static void default_header(struct reading *r, const struct yaml_node *call, const char *name,
    const char *text, struct request_plan *plan)
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
	static const char *const types[] = {NULL, "application/json",
	    "application/x-www-form-urlencoded", "text/plain; charset=utf-8"};

	named_map(r, yaml_get(call, "headers"), ENCODE_HEADER, &plan->headers);
	default_header(r, call, "Accept", "application/json", plan);
	if (plan->kind != BODY_NONE) {
		default_header(r, call, "Content-Type", types[plan->kind], plan);
	}
	if (plan->headers.n > MAX_HEADERS) {
		problems_add(r->p, r->y, call, "more than %zu headers", MAX_HEADERS);
	}
}

void plan_read(struct reading *r, const struct yaml_node *call, struct service_call *c)
{
	struct request_plan *plan = reading_alloc(r, 1, sizeof *plan);
	const struct yaml_node *path, *query = yaml_get(call, "query");
	const char *idempotency = NULL;

	if (plan == NULL || !named_copy(r, &r->shared.query, named_count(query), &plan->query) ||
	    !named_copy(r, &r->shared.headers, named_count(yaml_get(call, "headers")) + 3,
		&plan->headers)) {
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
