/*
 * lib/service/look.c: one place of an answer: a header, a part of a header, or a path in the body.
 *
 * Providers pack several numbers into one header line in three ways, all told
 * apart by `item` and `field`:
 *
 *   X-RateLimit-Remaining: 1, 1000               item: 1
 *   RateLimit: limit=100, remaining=50, reset=5  field: remaining
 *   RateLimit: "burst";r=50;t=30                 item: burst, field: r
 *
 * A list may be split over several lines of the same name (RFC 9110 section 5.3).
 */
#include "lib/service/parts.h"

#include <string.h>
#include <strings.h>

#include "lib/base/text.h"

/* --- compiling ------------------------------------------------------------ */

static void look_none(struct look *l)
{
	*l = (struct look){.index = NO_SLOT};
	for (int view = 0; view < VIEWS; view++) {
		l->slot[view] = NO_SLOT;
	}
}

bool look_body(struct reading *r, const struct yaml_node *node, const char *text, struct look *ret)
{
	struct lead_error err = {0};

	look_none(ret);
	ret->expr = owned_expr(r->s->owned, text, strlen(text), &err);
	if (ret->expr == NULL) {
		r->nomem |= err.code == LEAD_ENOMEM;
		problems_add(r->p, r->y, node, "%s", err.text);
	}
	return ret->expr != NULL;
}

bool look_header(
    struct reading *r, const struct yaml_node *node, const char *name, struct look *ret)
{
	look_none(ret);
	ret->header = name;
	if (*name == '\0' || strpbrk(name, " \t:,;=\"") != NULL) {
		problems_add(r->p, r->y, node, "'%s' is no name for a header", name);
		return false;
	}
	return true;
}

bool look_read(struct reading *r, const struct yaml_node *map, struct look *ret)
{
	const struct yaml_node *header = yaml_get(map, "header"), *body = yaml_get(map, "body");
	const struct yaml_node *item = yaml_get(map, "item");
	const char *text = NULL;

	if ((header == NULL) == (body == NULL)) {
		problems_add(r->p, r->y, map, "say where to look: one of 'header' and 'body'");
		return false;
	}
	if (body != NULL) {
		if (item != NULL || yaml_get(map, "field") != NULL) {
			problems_add(r->p, r->y, map, "'item' and 'field' are for headers");
			return false;
		}
		return yaml_read_string(r->y, map, "body", &text, r->p) &&
		       look_body(r, body, text, ret);
	}
	if (!yaml_read_string(r->y, map, "header", &text, r->p) ||
	    !look_header(r, header, text, ret)) {
		return false;
	}
	if (item != NULL && item->kind == YAML_INT && item->integer >= 0 && item->integer < 100) {
		ret->index = (size_t)item->integer;
	} else if (item != NULL && !yaml_read_string(r->y, map, "item", &ret->item, r->p)) {
		return false;
	}
	yaml_read_string(r->y, map, "field", &ret->field, r->p);
	return true;
}

bool look_bind(struct look *l, struct path_set *set, enum view view)
{
	const struct path *path = l->expr == NULL ? NULL : expr_path(l->expr);

	return path == NULL || path_set_add(set, path, &l->slot[view]) == 0;
}

/* --- headers -------------------------------------------------------------- */

const char *look_line(const struct http_answer *h, const char *name)
{
	for (size_t i = 0; i < h->n_headers; i++) {
		if (strcasecmp(h->headers[i].name, name) == 0) {
			return h->headers[i].value;
		}
	}
	return NULL;
}

struct part {
	const char *text;
	size_t len;
};

/* The next part up to a separator that stands outside quotes; false behind the last one. */
static bool part_next(const char **p, const char *end, char separator, struct part *ret)
{
	const char *start = *p, *q;
	bool quoted = false;

	if (start > end) {
		return false;
	}
	for (q = start; q < end && (quoted || *q != separator); q++) {
		if (quoted && *q == '\\' && q + 1 < end) {
			q++;
		} else if (*q == '"') {
			quoted = !quoted;
		}
	}
	*p = q + 1;
	*ret = (struct part){start, (size_t)(q - start)};
	text_trim(&ret->text, &ret->len);
	return true;
}

static struct part unquoted(struct part part)
{
	if (part.len >= 2 && part.text[0] == '"' && part.text[part.len - 1] == '"') {
		part.text++;
		part.len -= 2;
	}
	return part;
}

static bool part_is(struct part part, const char *name)
{
	part = unquoted(part);
	return strlen(name) == part.len && strncasecmp(part.text, name, part.len) == 0;
}

/* `name=value` into its halves; value has no length when there is no `=`. */
static void part_split(struct part part, struct part *name, struct part *value)
{
	const char *equals = memchr(part.text, '=', part.len);

	*name = *value = part;
	value->len = 0;
	if (equals != NULL && part.text[0] != '"') {
		name->len = (size_t)(equals - part.text);
		value->text = equals + 1;
		value->len = part.len - name->len - 1;
		text_trim(&name->text, &name->len);
		text_trim(&value->text, &value->len);
	}
}

/* What the item says of the field, or, without a field, its own value. Length 0: nothing. */
static struct part item_value(const struct look *l, struct part item)
{
	const char *p = item.text;
	struct part parameter, name, value, first = {0};

	while (part_next(&p, item.text + item.len, ';', &parameter)) {
		if (first.text == NULL) {
			first = parameter;
		}
		part_split(parameter, &name, &value);
		if (l->field != NULL && part_is(name, l->field)) {
			return unquoted(value);
		}
	}
	if (l->field != NULL) {
		return (struct part){0};
	}
	part_split(first, &name, &value);
	return l->item != NULL ? unquoted(value) : unquoted(first);
}

static bool item_wanted(const struct look *l, struct part item, size_t number)
{
	const char *p = item.text;
	struct part first, name, value;

	if (l->index != NO_SLOT) {
		return number == l->index;
	}
	if (l->item == NULL) {
		return true;
	}
	if (!part_next(&p, item.text + item.len, ';', &first)) {
		return false;
	}
	part_split(first, &name, &value);
	return part_is(name, l->item);
}

static struct value look_at_header(const struct look *l, const struct http_answer *h)
{
	size_t number = 0;

	for (size_t i = 0; i < h->n_headers; i++) {
		const char *line = h->headers[i].value, *p = line, *end = line + strlen(line);
		struct part item = {line, (size_t)(end - line)};

		if (strcasecmp(h->headers[i].name, l->header) != 0) {
			continue;
		}
		if (l->item == NULL && l->index == NO_SLOT && l->field == NULL) {
			text_trim(&item.text, &item.len);
			return item.len == 0 ? value_text(NULL) : value_string(item.text, item.len);
		}
		while (part_next(&p, end, ',', &item)) {
			struct part found =
			    item_wanted(l, item, number++) ? item_value(l, item) : (struct part){0};

			if (found.len > 0) {
				return value_string(found.text, found.len);
			}
		}
	}
	return value_text(NULL);
}

struct value look_at(const struct look *l, const struct seen *seen)
{
	struct value value = {.kind = VALUE_NONE};

	if (l->header != NULL) {
		return look_at_header(l, seen->h);
	}
	if (l->expr == NULL || !seen->json) {
		return value;
	}
	if (expr_path(l->expr) != NULL) {
		size_t slot = l->slot[seen->view];

		return slot == NO_SLOT ? value : expr_default(l->expr, seen->values[slot]);
	}
	if (expr_eval_json(l->expr, seen->h->body, seen->h->body_len, seen->arena, &value, NULL) !=
	    0) {
		value.kind =
		    VALUE_NONE; /* of the wrong shape for this expression: nothing stands there */
	}
	return value;
}
