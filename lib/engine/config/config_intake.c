/* See config_intake.h. */
#include "lib/engine/config/config_intake.h"

#include "lib/base/text.h"
#include "lib/engine/item/params.h"
#include "lib/store/inbox.h"

#include <string.h>
#include <json-c/json.h>

const struct intake *config_intake(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_intakes; i++) {
		if (strcmp(c->intakes[i].name, name) == 0) {
			return &c->intakes[i];
		}
	}
	return NULL;
}

/* NULL when it is absent or wrong. */
static struct expr *read_expr(struct config *c, const struct yaml_node *map, const char *key, struct problems *p)
{
	const char *text = NULL;
	struct lead_error err;
	struct expr *e = NULL;

	if (yaml_read_string(c->yaml, map, key, &text, p) && expr_compile(text, c->exprs, &e, &err) != 0) {
		problems_add(p, c->yaml, yaml_get(map, key), "'%s': %s", key, err.text);
		return NULL;
	}
	return e;
}

/* `campaign:` the name that the outside tool knows it by: one run for each. */
static void read_rule(struct config *c, const struct yaml_node *map, struct intake *in, struct problems *p)
{
	static const char *const keys[] = {"from", "after", "param", NULL};
	const struct yaml_node *node = yaml_get(map, "campaign");

	in->param = "campaign_name";
	if (node == NULL || !yaml_only_keys(c->yaml, node, keys, "campaign rule", p)) {
		return;
	}
	in->from = read_expr(c, node, "from", p);
	(void)yaml_read_string(c->yaml, node, "after", &in->after, p);
	(void)yaml_read_string(c->yaml, node, "param", &in->param, p);
	if (yaml_get(node, "from") == NULL) {
		problems_add(p, c->yaml, node, "the campaign rule needs 'from': where in the event its text stands");
	}
}

static void read_fields(struct config *c, const struct yaml_node *map, struct intake *in, struct problems *p)
{
	const struct yaml_node *node = yaml_get(map, "fields");

	if (node == NULL || node->kind != YAML_MAP || node->n == 0 || node->n > INTAKE_FIELDS) {
		problems_add(p, c->yaml, node != NULL ? node : map, "intake '%s' needs 'fields': a map of 1 to %d fields of a lead to values", in->name,
		    INTAKE_FIELDS);
		return;
	}
	in->fields = arena_zalloc(&c->arena, node->n * sizeof(*in->fields));
	for (const struct yaml_node *n = node->first; in->fields != NULL && n != NULL; n = n->next) {
		struct template *t = template_compile(c->yaml, n, c->exprs, p);

		if (t != NULL) {
			in->fields[in->n_fields++] = (struct param){n->key, t};
		}
	}
}

static const struct campaign *read_run(struct config *c, const struct yaml_node *map, const struct intake *in, struct problems *p)
{
	const char **names = arena_zalloc(&c->arena, (c->n_campaigns + 1) * sizeof(*names)), *name = NULL, *nearest;
	const struct campaign *m;

	if (!yaml_read_string(c->yaml, map, "run", &name, p)) {
		problems_add(p, c->yaml, map, "intake '%s' needs 'run', the campaign whose runs its leads go into", in->name);
		return NULL;
	}
	m = config_campaign(c, name);
	for (size_t i = 0; names != NULL && i < c->n_campaigns; i++) {
		names[i] = c->campaigns[i].name;
	}
	nearest = m == NULL && names != NULL ? text_nearest(name, names) : NULL;
	if (m == NULL) {
		problems_add(p, c->yaml, yaml_get(map, "run"), "there is no campaign '%s'%s%s%s", name, nearest != NULL ? ", did you mean '" : "",
		    nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
	}
	return m;
}

/* Does the pipeline take the name, and ask for nothing else? */
static void check_params(struct config *c, const struct yaml_node *node, const struct intake *in, struct problems *p)
{
	struct json_object *given = json_object_new_object();
	struct run_row row = {0};
	struct lead_error err;

	if (given != NULL && in->from != NULL) {
		json_object_object_add(given, in->param, json_object_new_string("name"));
	}
	if (given != NULL && params_set(in->campaign->pipeline, given, &row, &err) != 0) {
		problems_add(p, c->yaml, yaml_get(node, "run"), "intake '%s': %s", in->name, err.text);
	}
	json_object_put(given);
	run_row_fini(&row);
}

static void read_intake(struct config *c, const struct yaml_node *node, struct problems *p)
{
	static const char *const keys[] = {"verify", "id", "when", "campaign", "run", "fields", "idle", NULL};
	struct intake *in = &c->intakes[c->n_intakes];

	if (!yaml_only_keys(c->yaml, node, keys, "intake", p)) {
		return;
	}
	c->n_intakes++; /* its parts are freed whatever else is wrong */
	in->name = node->key;
	if (strlen(in->name) >= INBOX_NAME || strspn(in->name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(in->name)) {
		problems_add(p, c->yaml, node, "'%s': the name of an intake stands in its address: up to %d of a-z, 0-9, - and _", in->name, INBOX_NAME - 1);
	}
	(void)verify_read(c->yaml, node, &in->verify, p);
	in->id = read_expr(c, node, "id", p);
	if (yaml_get(node, "id") == NULL) {
		problems_add(p, c->yaml, node, "intake '%s' needs 'id': where the event's id stands, by which repeats are known", in->name);
	}
	in->when = read_expr(c, node, "when", p);
	read_rule(c, node, in, p);
	in->campaign = read_run(c, node, in, p);
	if (in->campaign != NULL) {
		check_params(c, node, in, p);
	}
	read_fields(c, node, in, p);
	in->idle_us = US_PER_DAY;
	(void)yaml_read_duration(c->yaml, node, "idle", US_PER_S, 366 * US_PER_DAY, &in->idle_us, p);
}

static void read_inbox(struct config *c, const struct yaml_node *root, struct problems *p)
{
	static const char *const keys[] = {"keep", NULL};
	const struct yaml_node *node = yaml_get(root, "inbox");

	c->inbox_keep_us = 30 * US_PER_DAY;
	if (node != NULL && yaml_only_keys(c->yaml, node, keys, "inbox", p)) {
		(void)yaml_read_duration(c->yaml, node, "keep", US_PER_S, 3660 * US_PER_DAY, &c->inbox_keep_us, p);
	}
}

void intakes_read(struct config *c, const struct yaml_node *root, struct problems *p)
{
	const struct yaml_node *node = yaml_get(root, "intakes");

	read_inbox(c, root, p);
	if (node != NULL && node->kind != YAML_MAP) {
		problems_add(p, c->yaml, node, "'intakes' is a map: a name, and below it what comes in under it");
		return;
	}
	c->intakes = arena_zalloc(&c->arena, ((node != NULL ? node->n : 0) + 1) * sizeof(*c->intakes));
	for (const struct yaml_node *n = node != NULL ? node->first : NULL; c->intakes != NULL && n != NULL; n = n->next) {
		read_intake(c, n, p);
	}
}

void intakes_free(struct config *c)
{
	for (size_t i = 0; i < c->n_intakes; i++) {
		struct intake *in = &c->intakes[i];

		expr_free(in->id);
		expr_free(in->when);
		expr_free(in->from);
		for (size_t k = 0; k < in->n_fields; k++) {
			template_free(in->fields[k].value);
		}
	}
}

/* --- what a reload changes --- */

/* The text of a node as it stands in the file, without its place. */
static void write_node(const struct yaml_node *n, struct buf *out)
{
	buf_printf(out, "%s:%d:%s;", n->key != NULL ? n->key : "-", (int)n->kind, n->text != NULL ? n->text : "");
	for (const struct yaml_node *c = n->first; c != NULL; c = c->next) {
		write_node(c, out);
	}
	buf_add_char(out, '.');
}

static const struct yaml_node *node_of(const struct config *c, const char *name)
{
	const struct yaml_node *map = c->yaml->root != NULL ? yaml_get(c->yaml->root, "intakes") : NULL;

	return map != NULL ? yaml_get(map, name) : NULL;
}

static bool same(const struct config *from, const struct config *to, const char *name)
{
	const struct yaml_node *x = node_of(from, name), *y = node_of(to, name);
	struct buf a = {0}, b = {0};
	bool equal;

	if (x == NULL || y == NULL) {
		return x == y;
	}
	write_node(x, &a);
	write_node(y, &b);
	equal = a.len == b.len && a.data != NULL && b.data != NULL && memcmp(a.data, b.data, a.len) == 0;
	buf_free(&a);
	buf_free(&b);
	return equal;
}

void intakes_diff(const struct config *from, const struct config *to, struct buf *out)
{
	char a[32], b[32];

	if (from->inbox_keep_us != to->inbox_keep_us) {
		duration_write(from->inbox_keep_us, a);
		duration_write(to->inbox_keep_us, b);
		buf_printf(out, "inbox: keep %s -> %s\n", a, b);
	}
	for (size_t i = 0; i < to->n_intakes; i++) {
		bool known = config_intake(from, to->intakes[i].name) != NULL;

		if (!known || !same(from, to, to->intakes[i].name)) {
			buf_printf(out, "intake %s: %s\n", to->intakes[i].name, known ? "changed" : "new");
		}
	}
	for (size_t i = 0; i < from->n_intakes; i++) {
		if (config_intake(to, from->intakes[i].name) == NULL) {
			buf_printf(out, "intake %s: gone\n", from->intakes[i].name);
		}
	}
}
