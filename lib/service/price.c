/*
 * lib/service/price.c: what a call cost: the answer's own word, else the file's price.
 *
 *   per_call: 0.008                              each call of a class in `on`
 *   per_item: 0.10                               each item of a batch whose class is in `on`
 *   body: .usage.cost.total_cost                 an amount in the answer
 *   units: .credits_consumed, each: 0.02         a count in the answer
 *   tokens: {in:, out:, model:, per_million:}    two counts and a table
 *
 * What the answer says counts for every class, since it was billed; a price
 * that should stand there and does not is the ceiling (P5: never too little).
 */
#include "lib/service/parts.h"

#include <string.h>
#include <strings.h>

#include "lib/base/money.h"

#define MOST_TOKENS 1000000000.0             /* of one answer; more is nonsense */
#define MOST_PER_MILLION INT64_C(4000000000) /* 4,000 per million tokens: the product fits */

static const uint32_t usual_classes =
    1u << OUTCOME_OK | 1u << OUTCOME_EMPTY | 1u << OUTCOME_REFUSAL;

/* --- compiling ------------------------------------------------------------ */

/* `0.15` of a list; reports. */
static bool rate_read(struct reading *r, const struct yaml_node *node, int64_t *ret_micro)
{
	if (node == NULL || (node->kind != YAML_INT && node->kind != YAML_FLOAT) ||
	    !money_parse(node->text, ret_micro) || *ret_micro < 0 ||
	    *ret_micro > MOST_PER_MILLION) {
		return false;
	}
	return true;
}

static void model_read(
    struct reading *r, const struct yaml_node *node, const char *name, struct price *price)
{
	struct price_model *m = &price->models[price->n_models];

	if (node->kind != YAML_LIST || node->n != 2 || !rate_read(r, node->first, &m->in_micro) ||
	    !rate_read(r, node->first->next, &m->out_micro)) {
		problems_add(r->p, r->y, node,
		    "prices per million tokens are written [in, out], such as [0.15, 0.60]");
		return;
	}
	m->name = name;
	price->n_models++;
}

static void body_path(
    struct reading *r, const struct yaml_node *map, const char *key, struct look *ret)
{
	const char *text;

	if (yaml_read_string(r->y, map, key, &text, r->p)) {
		look_body(r, yaml_get(map, key), text, ret);
	}
}

static void tokens_read(struct reading *r, const struct yaml_node *node, struct price *price)
{
	static const char *const keys[] = {"in", "out", "model", "per_million", NULL};
	const struct yaml_node *table = yaml_get(node, "per_million");

	if (!yaml_only_keys(r->y, node, keys, "tokens", r->p)) {
		return;
	}
	body_path(r, node, "in", &price->tokens_in);
	body_path(r, node, "out", &price->tokens_out);
	body_path(r, node, "model", &price->model);
	if (price->tokens_in.expr == NULL || price->tokens_out.expr == NULL || table == NULL) {
		problems_add(r->p, r->y, node, "tokens need 'in', 'out' and 'per_million'");
		return;
	}
	price->models = reading_alloc(r, table->n + 1, sizeof *price->models);
	if (price->models == NULL) {
		return;
	}
	if (table->kind == YAML_LIST) {
		model_read(r, table, "", price); /* one price for all models */
		return;
	}
	if (table->kind != YAML_MAP || price->model.expr == NULL) {
		problems_add(r->p, r->y, table,
		    "a table of models needs 'model', the place of the model's name");
		return;
	}
	for (const struct yaml_node *v = table->first; v != NULL; v = v->next) {
		model_read(r, v, v->key, price);
	}
}

static void classes_read(struct reading *r, const struct yaml_node *node, struct price *price)
{
	const struct yaml_node *on = yaml_get(node, "on");

	if (on == NULL) {
		return;
	}
	price->on = 0;
	for (const struct yaml_node *v = reading_first(on); v != NULL;
	     v = v == on ? NULL : v->next) {
		enum outcome_class c = OUTCOME_OK;

		while (c < OUTCOME_UNSENT &&
		       (v->text == NULL || strcmp(outcome_word(c), v->text) != 0)) {
			c++;
		}
		if (c == OUTCOME_UNSENT || c == OUTCOME_IN_DOUBT) {
			problems_add(r->p, r->y, v, "'%s' is no outcome that can cost",
			    v->text == NULL ? "" : v->text);
		} else {
			price->on |= 1u << c;
		}
	}
}

static void money_read(
    struct reading *r, const struct yaml_node *node, const char *key, int64_t *ret)
{
	if (yaml_read_money(r->y, node, key, ret, r->p) && *ret < 0) {
		problems_add(r->p, r->y, yaml_get(node, key), "'%s' must not be negative", key);
	}
}

void price_read(struct reading *r, const struct yaml_node *node, bool batch, struct price *ret)
{
	static const char *const keys[] = {
	    "per_call", "per_item", "body", "units", "each", "tokens", "ceiling", "on", NULL};
	const struct yaml_node *tokens;

	*ret = (struct price){.on = usual_classes, .ceiling_micro = -1};
	if (node == NULL || !yaml_only_keys(r->y, node, keys, "price", r->p)) {
		ret->ceiling_micro = 0;
		return;
	}
	money_read(r, node, "per_call", &ret->fixed_micro);
	money_read(r, node, "per_item", &ret->item_micro);
	money_read(r, node, "each", &ret->each_micro);
	money_read(r, node, "ceiling", &ret->ceiling_micro);
	body_path(r, node, "body", &ret->body);
	body_path(r, node, "units", &ret->units);
	tokens = yaml_get(node, "tokens");
	if (tokens != NULL) {
		tokens_read(r, tokens, ret);
	}
	classes_read(r, node, ret);
	if ((ret->units.expr == NULL) != (yaml_get(node, "each") == NULL)) {
		problems_add(r->p, r->y, node, "'units' and 'each' go together");
	}
	if (ret->ceiling_micro < 0) {
		if (ret->body.expr != NULL || ret->units.expr != NULL || tokens != NULL) {
			problems_add(r->p, r->y, node,
			    "a price that the answer tells needs a 'ceiling' to reserve");
		}
		ret->ceiling_micro = ret->fixed_micro + ret->item_micro;
	}
	if (ret->item_micro > 0 && !batch) {
		problems_add(r->p, r->y, yaml_get(node, "per_item"), "'per_item' is for calls with 'batch'; write 'per_call'");
	}
}

bool price_is_told(const struct price *p)
{
	return p->body.expr != NULL || p->units.expr != NULL || p->models != NULL;
}

int64_t price_of_item(const struct price *p, enum outcome_class is)
{
	return (p->on & 1u << is) != 0 ? p->item_micro : 0;
}

/* --- counting ------------------------------------------------------------- */

static bool count_at(const struct look *look, const struct seen *seen, double most, double *ret)
{
	struct value v = look_at(look, seen);

	return value_to_double(&v, ret) && *ret >= 0 && *ret <= most;
}

static const struct price_model *model_of(const struct price *p, const struct seen *seen)
{
	struct value v = p->model.expr == NULL ? value_text("") : look_at(&p->model, seen);
	const struct price_model *best = NULL;

	if (v.kind != VALUE_STRING) {
		return NULL;
	}
	for (size_t i = 0; i < p->n_models; i++) {
		size_t n = strlen(p->models[i].name);

		if (v.len >= n && strncasecmp(v.text, p->models[i].name, n) == 0 &&
		    (best == NULL || n > strlen(best->name))) {
			best = &p->models[i];
		}
	}
	return best;
}

static bool tokens_price(const struct price *p, const struct seen *seen, int64_t *ret)
{
	const struct price_model *m = model_of(p, seen);
	double in, out;

	if (m == NULL || !count_at(&p->tokens_in, seen, MOST_TOKENS, &in) ||
	    !count_at(&p->tokens_out, seen, MOST_TOKENS, &out)) {
		return false;
	}
	*ret = ((int64_t)in * m->in_micro + (int64_t)out * m->out_micro + 999999) /
	       1000000; /* rounded up */
	return true;
}

/* The amount at `body`. */
static bool stated_price(const struct price *p, const struct seen *seen, int64_t *ret)
{
	struct value v = look_at(&p->body, seen);
	char text[64];

	if ((v.kind != VALUE_NUMBER && v.kind != VALUE_STRING) || v.len >= sizeof text) {
		return false;
	}
	memcpy(text, v.text, v.len);
	text[v.len] = '\0';
	return money_from_number(text, ret) && *ret >= 0;
}

int64_t price_of(const struct price *p, enum outcome_class is, const struct seen *seen)
{
	bool usual = (p->on & 1u << is) != 0, told = p->body.expr != NULL;
	int64_t total, tokens = 0;
	double units = 0;

	if (told && stated_price(p, seen, &total)) {
		return total;
	}
	if (told || (p->models != NULL && !tokens_price(p, seen, &tokens)) ||
	    (p->units.expr != NULL && !count_at(&p->units, seen, 1e6, &units))) {
		return usual ? p->ceiling_micro * (int64_t)(seen->h->items > 1 ? seen->h->items : 1) : 0;
	}
	if (p->models == NULL && p->units.expr == NULL && !usual) {
		return 0;
	}
	units *= (double)p->each_micro;
	total = (int64_t)units;
	total += units > (double)total; /* rounded up */
	return p->fixed_micro + tokens + total;
}
