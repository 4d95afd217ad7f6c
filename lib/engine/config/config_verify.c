/* See config_verify.h. */
#include "lib/engine/config/config_verify.h"

#include "lib/base/time.h"

#include <string.h>

static const char *const key_words[] = {"text", "hex", NULL};

/* What may stand beside which scheme. */
static void check(const struct yaml *y, const struct yaml_node *node, const struct verify *v, struct problems *p)
{
	bool timed = v->rule.scheme == SIGNATURE_CLOSE || v->rule.scheme == SIGNATURE_STRIPE;

	if (v->rule.scheme == SIGNATURE_HEADER && v->rule.header == NULL) {
		problems_add(p, y, node, "'scheme: header' needs 'header', the name of the one that holds the secret");
	}
	if (!timed && yaml_get(node, "tolerance") != NULL) {
		problems_add(p, y, yaml_get(node, "tolerance"), "scheme '%s' carries no time: it has no 'tolerance'", signature_words[v->rule.scheme]);
	}
	if (timed && v->rule.prefix != NULL) {
		problems_add(p, y, yaml_get(node, "prefix"), "scheme '%s' has no 'prefix'", signature_words[v->rule.scheme]);
	}
}

bool verify_read(const struct yaml *y, const struct yaml_node *map, struct verify *ret, struct problems *p)
{
	static const char *const keys[] = {"scheme", "secret", "header", "prefix", "key", "tolerance", NULL};
	const struct yaml_node *node = yaml_get(map, "verify");
	size_t before = p->count;
	int scheme = -1, key;

	*ret = (struct verify){.rule.tolerance_us = 300 * US_PER_S};
	if (node == NULL) {
		problems_add(p, y, map, "'verify' is missing: {scheme: close, stripe, hmac or header, secret: NAME}");
		return false;
	}
	if (!yaml_only_keys(y, node, keys, "verify", p)) {
		return false;
	}
	if (!yaml_read_word(y, node, "scheme", signature_words, &scheme, p) || !yaml_read_string(y, node, "secret", &ret->secret, p)) {
		if (p->count == before) {
			problems_add(p, y, node, "verify needs 'scheme' (close, stripe, hmac, header) and 'secret' (the name of the credential)");
		}
		ret->secret = NULL;
		return false;
	}
	ret->rule.scheme = (enum signature_scheme)scheme;
	key = ret->rule.scheme == SIGNATURE_CLOSE ? SIGNATURE_KEY_HEX : SIGNATURE_KEY_TEXT;
	(void)yaml_read_word(y, node, "key", key_words, &key, p);
	ret->rule.key = (enum signature_key)key;
	ret->rule.prefix = ret->rule.scheme == SIGNATURE_HMAC && yaml_get(node, "header") == NULL ? "sha256=" : NULL;
	(void)yaml_read_string(y, node, "header", &ret->rule.header, p);
	(void)yaml_read_string(y, node, "prefix", &ret->rule.prefix, p);
	(void)yaml_read_duration(y, node, "tolerance", US_PER_S, US_PER_DAY, &ret->rule.tolerance_us, p);
	check(y, node, ret, p);
	return p->count == before;
}
