/*
 * lib/service/shared.c: names with values, and what every request of a service carries.
 *
 * auth, headers and the call's id are compiled once; each call's plan begins
 * with a copy, where its own headers of the same name replace them.
 */
#include "lib/service/parts.h"

#include <string.h>

#include "lib/base/text.h"

struct piecework piecework_for(struct reading *r, bool secret)
{
	return (struct piecework){.y = r->y,
	    .p = r->p,
	    .arena = &r->s->arena,
	    .owned = r->s->owned,
	    .call = true,
	    .secret = secret};
}

bool named_text(struct reading *r, const struct yaml_node *node, const char *text, enum encoding e,
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
	static const char *const taken[] = {"host", "content-length", "transfer-encoding",
	    "connection", "expect", "te", "upgrade", NULL};

	if (*name == '\0' ||
	    strspn(name, "!#$%&'*+-.^_`|~0123456789"
			 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(name)) {
		problems_add(r->p, r->y, node, "'%s' is no name for a header", name);
		return false;
	}
	for (size_t i = 0; taken[i] != NULL; i++) {
		if (text_equal_nocase(name, taken[i])) {
			problems_add(
			    r->p, r->y, node, "header '%s' is set by the HTTP client itself", name);
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
	sent =
	    out.failed ? NULL : arena_dup(&r->s->arena, out.data == NULL ? "" : out.data, out.len);
	r->nomem |= sent == NULL;
	buf_free(&out);
	return sent;
}

struct named *named_add(struct reading *r, const struct yaml_node *node, const char *name,
    const char *text, enum encoding e, bool secret, struct named_list *list)
{
	const char *what = e == ENCODE_HEADER ? "header" : "parameter";
	struct named named = {.name = sent_name(r, name, e)};

	if (named.name == NULL || (e == ENCODE_HEADER && !header_name_ok(r, node, name)) ||
	    !named_text(r, node, text, e, what, name, secret, &named.value)) {
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
static void named_read(
    struct reading *r, const struct yaml_node *node, enum encoding e, struct named_list *list)
{
	struct piecework w = piecework_for(r, false);

	for (const struct yaml_node *v = reading_first(node); v != NULL;
	     v = v == node ? NULL : v->next) {
		const char *text = v->text;

		if (v->kind == YAML_NULL) {
			continue;
		}
		if (v->kind == YAML_MAP || v->kind == YAML_LIST ||
		    (e == ENCODE_HEADER && v != node)) {
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

size_t named_count(const struct yaml_node *map)
{
	size_t n = 0;

	for (const struct yaml_node *v = map == NULL ? NULL : map->first; v != NULL; v = v->next) {
		n += v->kind == YAML_LIST ? v->n : 1;
	}
	return n;
}

void named_map(
    struct reading *r, const struct yaml_node *map, enum encoding e, struct named_list *list)
{
	if (map != NULL && map->kind != YAML_MAP) {
		problems_add(r->p, r->y, map, "'%s' must be a map of names and values", map->key);
		return;
	}
	for (const struct yaml_node *v = map == NULL ? NULL : map->first; v != NULL; v = v->next) {
		named_read(r, v, e, list);
	}
}

bool named_copy(
    struct reading *r, const struct named_list *from, size_t own, struct named_list *ret)
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

/* A secret never stands in the file itself. */
static void check_key(struct reading *r, const struct yaml_node *node, const char *text)
{
	if (strstr(text, ".key") == NULL) {
		problems_add(r->p, r->y, node,
		    "auth must hold ${.key}: the key itself stands in its credential, never here");
	}
}

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
		problems_add(
		    r->p, r->y, node, "auth needs one of 'header', 'query', 'body', 'basic'");
		return;
	}
	check_key(r, node, basic != NULL ? basic : value);
	if (header != NULL) {
		named_add(r, node, header, value, ENCODE_HEADER, true, &shared->headers);
	} else if (query != NULL) {
		named_add(r, node, query, value, ENCODE_PERCENT, true, &shared->query);
	} else if (basic != NULL) {
		struct named *named = named_add(
		    r, node, "Authorization", basic, ENCODE_HEADER, true, &shared->headers);

		if (named != NULL) {
			named->basic = true;
		}
	} else if (named_text(r, node, value, ENCODE_PLAIN, "body", body, true, &unused)) {
		shared->body[shared->n_body++] = (struct added_member){.name = body, .text = value};
	}
}

static void auth_read(struct reading *r, const struct yaml_node *auth)
{
	for (const struct yaml_node *v = reading_first(auth); v != NULL;
	     v = v == auth ? NULL : v->next) {
		if (v->kind == YAML_STRING && strcmp(v->text, "bearer") == 0) {
			named_add(r, v, "Authorization", "Bearer ${.key}", ENCODE_HEADER, true,
			    &r->shared.headers);
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

	shared->headers.v =
	    reading_alloc(r, n_auth + named_count(headers) + 1, sizeof *shared->headers.v);
	shared->query.v = reading_alloc(r, n_auth + 1, sizeof *shared->query.v);
	shared->body = reading_alloc(r, n_auth + 1, sizeof *shared->body);
	if (r->nomem) {
		return;
	}
	yaml_read_string(r->y, root, "call_id_header", &id, r->p);
	if (strcmp(id, "off") != 0) {
		const struct yaml_node *node = yaml_get(root, "call_id_header");

		named_add(r, node == NULL ? root : node, id, "${.call.id}", ENCODE_HEADER, false,
		    &shared->headers);
	}
	named_map(r, headers, ENCODE_HEADER, &shared->headers);
	auth_read(r, auth);
}
