/* See config_payment.h. What is not said is as in the events of Stripe's checkout. */
#include "lib/engine/config/config_payment.h"


#include <string.h>

static void read_expr(struct config *c, const struct yaml_node *map, const char *key, const char *fallback, struct expr **ret, struct problems *p)
{
	const struct yaml_node *node = yaml_get(map, key);
	const char *text = fallback;
	struct lead_error err;

	if (node != NULL && !yaml_read_string(c->yaml, map, key, &text, p)) {
		return;
	}
	if (expr_compile(text, c->exprs, ret, &err) != 0) {
		problems_add(p, c->yaml, node != NULL ? node : map, "%s", err.text);
	}
}

static void read_exprs(struct config *c, const struct yaml_node *node, struct payment *m, struct problems *p)
{
	read_expr(c, node, "id", ".id", &m->id, p);
	read_expr(c, node, "type", ".type", &m->type, p);
	read_expr(c, node, "session", ".data.object.id", &m->session, p);
	read_expr(c, node, "run", ".data.object.metadata.run", &m->run, p);
	read_expr(c, node, "amount", ".data.object.amount_total", &m->amount, p);
	read_expr(c, node, "currency", ".data.object.currency", &m->currency, p);
	read_expr(c, node, "paid", ".data.object.payment_status == \"paid\"", &m->paid, p);
}

static void read_one(struct config *c, const struct yaml_node *node, struct payment *m, struct problems *p)
{
	static const char *usual[] = {"checkout.session.completed", "checkout.session.async_payment_succeeded"};
	int64_t digits = 2;

	m->name = node->key;
	m->events = usual;
	m->n_events = 2;
	m->price_micro = -1;
	(void)verify_read(c->yaml, node, &m->verify, p);
	(void)yaml_read_string(c->yaml, node, "organisation", &m->organisation, p);
	if (yaml_get(node, "events") != NULL) {
		m->n_events = yaml_read_strings(c->yaml, node, "events", &m->events, p);
	}
	(void)yaml_read_int(c->yaml, node, "digits", 0, 6, &digits, p);
	m->digits = (uint32_t)digits;
	if (yaml_read_money(c->yaml, node, "price", &m->price_micro, p) && m->price_micro < 0) {
		problems_add(p, c->yaml, yaml_get(node, "price"), "'price' is 0 or more");
	}
	read_exprs(c, node, m, p);
}

void payments_read(struct config *c, const struct yaml_node *root, struct problems *p)
{
	static const char *const keys[] = {"verify", "organisation", "events", "id", "type", "session", "run", "amount", "digits", "currency", "paid",
	    "price", NULL};
	const struct yaml_node *node = yaml_get(root, "payments");

	if (node != NULL && node->kind != YAML_MAP) {
		problems_add(p, c->yaml, node, "'payments' is a map: a name, and below it 'verify' and more");
		return;
	}
	c->payments = arena_zalloc(&c->arena, ((node != NULL ? node->n : 0) + 1) * sizeof(*c->payments));
	for (const struct yaml_node *n = node != NULL ? node->first : NULL; c->payments != NULL && n != NULL; n = n->next) {
		if (strlen(n->key) > 50) {
			problems_add(p, c->yaml, n, "the name of a payment has at most 50 characters");
		} else if (yaml_only_keys(c->yaml, n, keys, "payment", p)) {
			read_one(c, n, &c->payments[c->n_payments++], p);
		}
	}
}

void payments_free(struct config *c)
{
	for (size_t i = 0; i < c->n_payments; i++) {
		struct payment *m = &c->payments[i];

		expr_free(m->id);
		expr_free(m->type);
		expr_free(m->session);
		expr_free(m->run);
		expr_free(m->amount);
		expr_free(m->currency);
		expr_free(m->paid);
	}
}

/* --- what a reload changes --- */

static const struct payment *find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_payments; i++) {
		if (strcmp(c->payments[i].name, name) == 0) {
			return &c->payments[i];
		}
	}
	return NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_events(const struct payment *a, const struct payment *b)
{
	for (size_t i = 0; i < a->n_events && a->n_events == b->n_events; i++) {
		if (strcmp(a->events[i], b->events[i]) != 0) {
			return false;
		}
	}
	return a->n_events == b->n_events;
}

static bool same(const struct payment *a, const struct payment *b)
{
	struct expr *const x[] = {a->id, a->type, a->session, a->run, a->amount, a->currency, a->paid};
	struct expr *const y[] = {b->id, b->type, b->session, b->run, b->amount, b->currency, b->paid};

	for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++) {
		if (strcmp(expr_text(x[i]), expr_text(y[i])) != 0) {
			return false;
		}
	}
	return a->digits == b->digits && a->price_micro == b->price_micro && same_text(a->organisation, b->organisation) && same_events(a, b) &&
	       a->verify.rule.scheme == b->verify.rule.scheme && a->verify.rule.key == b->verify.rule.key &&
	       a->verify.rule.tolerance_us == b->verify.rule.tolerance_us && same_text(a->verify.rule.header, b->verify.rule.header) &&
	       same_text(a->verify.rule.prefix, b->verify.rule.prefix) && same_text(a->verify.secret, b->verify.secret);
}

void payments_diff(const struct config *from, const struct config *to, struct buf *out)
{
	for (size_t i = 0; i < to->n_payments; i++) {
		const struct payment *old = find(from, to->payments[i].name);

		if (old == NULL || !same(old, &to->payments[i])) {
			buf_printf(out, "payment %s: %s\n", to->payments[i].name, old == NULL ? "new" : "changed");
		}
	}
	for (size_t i = 0; i < from->n_payments; i++) {
		if (find(to, from->payments[i].name) == NULL) {
			buf_printf(out, "payment %s: gone\n", from->payments[i].name);
		}
	}
}
