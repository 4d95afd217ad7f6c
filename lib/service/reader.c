/*
 * lib/service/reader.c: the answer half of a call, from YAML to what answer.c asks of each answer.
 *
 * Joins the call's own rules and hints with those of the service (the call's
 * first) and collects all plain paths into two path sets: one for answers with
 * status 2xx, one for all others. So one pass over a body brings everything that
 * can matter for it, and nothing else is cut out.
 */
#include "lib/service/parts.h"

#include <stdlib.h>
#include <string.h>

/* --- compiling ------------------------------------------------------------ */

void messages_read(struct reading *r, const struct yaml_node *node)
{
	static const char *const usual[] = {".error.message", ".message", ".error", ".detail",
	    ".error_message", ".errors[0].details", ".errors[0].message", ".detail[0].msg",
	    ".title"};
	size_t n = node == NULL ? sizeof usual / sizeof *usual : 0;
	const char *const *texts = usual;

	if (node != NULL) {
		const char **own = NULL;

		n = yaml_read_strings(r->y, r->y->root, "message", &own, r->p);
		texts = own;
	}
	r->messages = reading_alloc(r, n + 1, sizeof *r->messages);
	for (size_t i = 0; r->messages != NULL && i < n; i++) {
		r->n_messages += look_body(r, node, texts[i], &r->messages[r->n_messages]);
	}
}

/* own, then shared, in one array. */
static void *joined(struct reading *r, const void *own, size_t n_own, const void *shared,
    size_t n_shared, size_t size)
{
	char *all = reading_alloc(r, n_own + n_shared + 1, size);

	if (all != NULL && n_own > 0) {
		memcpy(all, own, n_own * size);
	}
	if (all != NULL && n_shared > 0) {
		memcpy(all + n_own * size, shared, n_shared * size);
	}
	return all;
}

/* Rules and hints; hints on windows in which this call does not count are left out. */
static void joined_read(struct reading *r, const struct yaml_node *call,
    const struct service_call *c, struct reader *reader)
{
	struct rule *rules = NULL;
	struct hint *hints = NULL;
	size_t n_rules = 0, n_hints = 0, kept = 0;

	rules_read(r, yaml_get(call, "outcomes"), &rules, &n_rules);
	hints_read(r, yaml_get(call, "hints"), &hints, &n_hints);
	reader->rules = joined(r, rules, n_rules, r->rules, r->n_rules, sizeof *rules);
	reader->hints = joined(r, hints, n_hints, r->hints, r->n_hints, sizeof *hints);
	reader->messages = joined(r, NULL, 0, r->messages, r->n_messages, sizeof *r->messages);
	if (r->nomem) {
		return;
	}
	reader->n_rules = n_rules + r->n_rules;
	reader->n_messages = r->n_messages;
	for (size_t i = 0; i < n_hints + r->n_hints; i++) {
		const struct hint *h = &reader->hints[i];
		bool about_window = h->tells == TELLS_REMAINING || h->tells == TELLS_RESET;

		if (!about_window || h->limit >= r->s->n_limits ||
		    (r->s->limits[h->limit].calls & 1u << c->index) != 0) {
			reader->hints[kept++] = *h;
		}
	}
	reader->n_hints = kept;
}

static void field_read(struct reading *r, const struct yaml_node *node, struct reader *reader)
{
	static const char *const keys[] = {"header", "item", "field", NULL};
	struct look *look = &reader->fields[reader->n_fields];

	if (!reading_name(r, node, node->key, "field")) {
		return;
	}
	if (strchr(node->key, '-') != NULL) {
		problems_add(r->p, r->y, node,
		    "field '%s': use '_' for '-', which means minus in jq", node->key);
		return;
	}
	if (node->kind == YAML_STRING) {
		look_body(r, node, node->text, look);
	} else if (node->kind == YAML_MAP) {
		(void)(yaml_only_keys(r->y, node, keys, "field", r->p) && look_read(r, node, look));
	} else {
		problems_add(r->p, r->y, node, "field '%s' needs a jq expression or {header: NAME}",
		    node->key);
		return;
	}
	reader->names[reader->n_fields++] = node->key;
}

static void map_read(struct reading *r, const struct yaml_node *map, struct reader *reader)
{
	size_t n = map == NULL ? 0 : map->n;

	reader->names = reading_alloc(r, n + 1, sizeof *reader->names);
	reader->fields = reading_alloc(r, n + 1, sizeof *reader->fields);
	if (map != NULL && map->kind != YAML_MAP) {
		problems_add(
		    r->p, r->y, map, "'map' must be a map of field names and jq expressions");
		return;
	}
	for (const struct yaml_node *v = map == NULL ? NULL : map->first; !r->nomem && v != NULL;
	     v = v->next) {
		field_read(r, v, reader);
	}
}

/* --- binding -------------------------------------------------------------- */

static bool brings_fields(enum outcome_class c)
{
	return c == OUTCOME_OK || c == OUTCOME_EMPTY || c == OUTCOME_DUPLICATE ||
	       c == OUTCOME_PENDING;
}

static void bind(struct reading *r, struct reader *reader, struct look *look, enum view view)
{
	if (look->expr != NULL) {
		reader->needs[view] = true;
		r->nomem |= !look_bind(look, reader->paths[view], view);
	}
}

static void bind_view(struct reading *r, struct reader *reader, enum view view)
{
	bool fields = view == VIEW_GOOD, messages = view == VIEW_BAD;

	for (size_t i = 0; i < reader->n_rules; i++) {
		struct rule *rule = &reader->rules[i];

		if (rule_in_view(rule, view)) {
			fields |= brings_fields(rule->is);
			messages |= !brings_fields(rule->is);
		}
	}
	for (size_t i = 0; i < reader->n_hints; i++) {
		bind(r, reader, &reader->hints[i].look, view);
	}
	for (size_t i = 0; fields && i < reader->n_fields; i++) {
		bind(r, reader, &reader->fields[i], view);
	}
	for (size_t i = 0; messages && i < reader->n_messages; i++) {
		bind(r, reader, &reader->messages[i], view);
	}
	bind(r, reader, &reader->price.body, view);
	bind(r, reader, &reader->price.units, view);
	bind(r, reader, &reader->price.tokens_in, view);
	bind(r, reader, &reader->price.tokens_out, view);
	bind(r, reader, &reader->price.model, view);
	bind(r, reader, &reader->job, view);
}

/* Tests are shared between the calls, so each call gets its own copy before slots are written into
 * them. */
static void bind_tests(struct reading *r, struct reader *reader, enum view view)
{
	for (size_t i = 0; i < reader->n_rules; i++) {
		struct rule *rule = &reader->rules[i];

		for (size_t k = 0; rule_in_view(rule, view) && k < rule->n_tests; k++) {
			bind(r, reader, &rule->tests[k].look, view);
		}
	}
}

static void copy_tests(struct reading *r, struct reader *reader)
{
	for (size_t i = 0; i < reader->n_rules; i++) {
		struct rule *rule = &reader->rules[i];

		rule->tests = joined(r, rule->tests, rule->n_tests, NULL, 0, sizeof *rule->tests);
	}
}

void reader_read(struct reading *r, const struct yaml_node *call, const struct yaml_node *job_id,
    struct service_call *c)
{
	static const char *const answers[] = {"json", "any", NULL};
	struct reader *reader = reading_alloc(r, 1, sizeof *reader);
	int answer = 0;

	if (reader == NULL) {
		return;
	}
	c->answer = reader; /* now reader_fini finds the path sets */
	yaml_read_word(r->y, call, "answer", answers, &answer, r->p);
	reader->json = answer == 0;
	joined_read(r, call, c, reader);
	map_read(r, c->batch == NULL ? yaml_get(call, "map") : NULL, reader);
	price_read(r, yaml_get(call, "price"), c->batch != NULL, &reader->price);
	if (job_id != NULL && job_id->kind == YAML_STRING) {
		look_body(r, job_id, job_id->text, &reader->job);
	} else if (job_id != NULL) {
		(void)look_read(r, job_id, &reader->job);
	}
	c->price_micro = reader->price.ceiling_micro;
	copy_tests(r, reader);
	for (int view = 0; view < VIEWS && !r->nomem; view++) {
		reader->paths[view] = path_set_new();
		if (reader->paths[view] == NULL) {
			r->nomem = true;
			return;
		}
		bind_view(r, reader, (enum view)view);
		bind_tests(r, reader, (enum view)view);
	}
	if (c->batch != NULL && !r->nomem) {
		(void)batch_bind(r, call, c->batch, reader);
	}
}

struct reader *reader_element(struct reading *r, const struct yaml_node *rules, const struct yaml_node *map)
{
	struct reader *reader = reading_alloc(r, 1, sizeof *reader);

	if (reader == NULL) {
		return NULL;
	}
	reader->json = true;
	rules_read(r, rules, &reader->rules, &reader->n_rules);
	map_read(r, map, reader);
	reader->paths[VIEW_GOOD] = path_set_new();
	r->nomem |= reader->paths[VIEW_GOOD] == NULL;
	if (!r->nomem) {
		bind_view(r, reader, VIEW_GOOD);
		bind_tests(r, reader, VIEW_GOOD);
	}
	return reader;
}

void reader_fini(struct reader *reader)
{
	for (int view = 0; reader != NULL && view < VIEWS; view++) {
		path_set_free(reader->paths[view]);
	}
}

const char *const *answer_names(const struct service_call *c)
{
	return c->job != NULL ? c->job->names : c->answer->names;
}
