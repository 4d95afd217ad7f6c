/* See config_access.h. */
#include "lib/engine/config/config_access.h"

#include "lib/base/text.h"

#include <string.h>

/* In the order of enum token_right. */
static const char *const words[] = {"read", "operate", "admin", "approve", "intake", NULL};

const char *token_right_word(enum token_right right)
{
	return right < TOKEN_RIGHTS ? words[right] : "none";
}

static void read_listen(struct config *c, const struct yaml_node *root, struct problems *p)
{
	const struct yaml_node *node = yaml_get(root, "listen");
	const char **list = NULL;
	bool anywhere = false;
	size_t n = node != NULL ? yaml_read_strings(c->yaml, root, "listen", &list, p) : 0;

	(void)yaml_read_bool(c->yaml, root, "listen_anywhere", &anywhere, p);
	c->listen = arena_zalloc(&c->arena, (n + 1) * sizeof(*c->listen));
	for (size_t i = 0; c->listen != NULL && i < n; i++) {
		struct endpoint *e = &c->listen[c->n_listen];

		if (!endpoint_parse(list[i], e)) {
			problems_add(p, c->yaml, node, "'%s' is no address with a port, such as 127.0.0.1:8420 or [::1]:8420", list[i]);
		} else if (!anywhere && !endpoint_is_loopback(e)) {
			problems_add(p, c->yaml, node,
			    "'%s' can be reached from outside: put a reverse proxy with TLS before a loopback address, or set 'listen_anywhere: true'",
			    list[i]);
		} else {
			c->n_listen++;
		}
	}
}

static uint32_t read_rights(struct config *c, const struct yaml_node *token, struct problems *p)
{
	const struct yaml_node *node = yaml_get(token, "rights");
	const char **list = NULL;
	size_t n = node != NULL ? yaml_read_strings(c->yaml, token, "rights", &list, p) : 0;
	uint32_t rights = 0;

	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (words[k] != NULL && strcmp(list[i], words[k]) != 0) {
			k++;
		}
		if (words[k] == NULL) {
			const char *nearest = text_nearest(list[i], words);

			problems_add(p, c->yaml, node, "there is no right '%s'%s%s%s; there are read, operate, admin, approve, intake", list[i],
			    nearest != NULL ? ", did you mean '" : "", nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
		} else {
			rights |= 1u << k;
		}
	}
	return rights;
}

/* Who may change things may look at them too; approving what costs money is a right of its own. */
static uint32_t implied(uint32_t rights)
{
	rights |= (rights & 1u << TOKEN_ADMIN) != 0 ? 1u << TOKEN_OPERATE : 0;
	rights |= (rights & 1u << TOKEN_OPERATE) != 0 ? 1u << TOKEN_READ : 0;
	rights |= (rights & 1u << TOKEN_READ) != 0 ? 1u << TOKEN_INTAKE : 0;
	return rights;
}

static void read_tokens(struct config *c, const struct yaml_node *root, struct problems *p)
{
	static const char *const keys[] = {"secret", "rights", NULL};
	const struct yaml_node *node = yaml_get(root, "tokens");

	if (node != NULL && node->kind != YAML_MAP) {
		problems_add(p, c->yaml, node, "'tokens' is a map: a name, and below it 'secret' and 'rights'");
		return;
	}
	c->tokens = arena_zalloc(&c->arena, ((node != NULL ? node->n : 0) + 1) * sizeof(*c->tokens));
	for (const struct yaml_node *n = node != NULL ? node->first : NULL; c->tokens != NULL && n != NULL; n = n->next) {
		struct token *t = &c->tokens[c->n_tokens];

		if (!yaml_only_keys(c->yaml, n, keys, "token", p)) {
			continue;
		}
		t->name = n->key;
		(void)yaml_read_string(c->yaml, n, "secret", &t->secret, p);
		t->rights = implied(read_rights(c, n, p));
		if (t->secret == NULL || yaml_get(n, "rights") == NULL) {
			problems_add(p, c->yaml, n, "token '%s' needs 'secret' (the credential that holds it) and 'rights'", n->key);
			continue;
		}
		c->n_tokens++;
	}
}

void access_read(struct config *c, const struct yaml_node *root, struct problems *p)
{
	read_listen(c, root, p);
	read_tokens(c, root, p);
}

/* --- what a reload changes --- */

static void write_listen(const struct config *c, struct buf *out)
{
	for (size_t i = 0; i < c->n_listen; i++) {
		char text[ENDPOINT_TEXT];

		endpoint_write(&c->listen[i], text);
		buf_printf(out, "%s%s", i > 0 ? " " : "", text);
	}
	if (c->n_listen == 0) {
		buf_add_text(out, "none");
	}
}

static const struct token *find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_tokens; i++) {
		if (strcmp(c->tokens[i].name, name) == 0) {
			return &c->tokens[i];
		}
	}
	return NULL;
}

void access_diff(const struct config *from, const struct config *to, struct buf *out)
{
	struct buf a = {0}, b = {0};

	write_listen(from, &a);
	write_listen(to, &b);
	if (a.data != NULL && b.data != NULL && strcmp(a.data, b.data) != 0) {
		buf_printf(out, "listen: %s -> %s, from the next start on\n", a.data, b.data);
	}
	buf_free(&a);
	buf_free(&b);
	for (size_t i = 0; i < to->n_tokens; i++) {
		const struct token *t = &to->tokens[i], *old = find(from, t->name);

		if (old == NULL || old->rights != t->rights || strcmp(old->secret, t->secret) != 0) {
			buf_printf(out, "token %s: %s\n", t->name, old == NULL ? "new" : "changed");
		}
	}
	for (size_t i = 0; i < from->n_tokens; i++) {
		if (find(to, from->tokens[i].name) == NULL) {
			buf_printf(out, "token %s: gone\n", from->tokens[i].name);
		}
	}
}
