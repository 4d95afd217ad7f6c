/*
 * lib/lead/gate_owner.c: whose address is it: a person's own, or that of a role, a
 * machine, a throw-away service or a portal? All four look parts of the address up
 * in a list; an address that is missing passes, because gate_address speaks of that.
 */
#include "lib/lead/gates.h"

#include <string.h>

#include "lib/base/text.h"

#define LOCAL_MAX 64

struct parts {
	char local[LOCAL_MAX + 1]; /* lower case, without a +tag */
	size_t local_len;
	const char *domain; /* lower case */
	size_t domain_len;
};

static bool split(const struct value *normal, struct parts *ret)
{
	const char *at, *plus;
	size_t len;

	if (normal->kind != VALUE_STRING) {
		return false;
	}
	at = memrchr(normal->text, '@', normal->len);
	if (at == NULL || at - normal->text > LOCAL_MAX) {
		return false;
	}
	len = (size_t)(at - normal->text);
	plus = memchr(normal->text, '+', len);
	if (plus != NULL && plus > normal->text) {
		len = (size_t)(plus - normal->text);
	}
	memcpy(ret->local, normal->text, len);
	text_lower(ret->local, len);
	ret->local_len = len;
	ret->domain = at + 1;
	ret->domain_len = normal->len - (size_t)(at + 1 - normal->text);
	return true;
}

const char *gate_role(const struct value *normal, const struct gate_lists *l)
{
	struct parts p;

	return split(normal, &p) && word_list_has(l->role, p.local, p.local_len) ? "role-address"
										 : NULL;
}

/* The list without separators: `no-reply`, `no.reply` and `no_reply` are `noreply`. */
static bool has_squeezed(const struct word_list *w, const char *text, size_t len)
{
	char word[LOCAL_MAX];
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (strchr("-._", text[i]) == NULL) {
			word[n++] = text[i];
		}
	}
	return n > 0 && word_list_has(w, word, n);
}

/* The whole local part, or what stands before or behind one of its separators: `news-noreply`,
 * `no-reply.shop`. */
const char *gate_noreply(const struct value *normal, const struct gate_lists *l)
{
	struct parts p;

	if (!split(normal, &p)) {
		return NULL;
	}
	if (has_squeezed(l->noreply, p.local, p.local_len)) {
		return "no-reply";
	}
	for (size_t i = 0; i < p.local_len; i++) {
		if (strchr("-._", p.local[i]) != NULL &&
		    (has_squeezed(l->noreply, p.local, i) ||
			has_squeezed(l->noreply, p.local + i + 1, p.local_len - i - 1))) {
			return "no-reply";
		}
	}
	return NULL;
}

/* The domain or one of its parents. */
static bool domain_listed(const struct value *normal, const struct word_list *w)
{
	struct parts p;
	const char *domain, *end, *dot;

	if (!split(normal, &p)) {
		return false;
	}
	end = p.domain + p.domain_len;
	for (domain = p.domain; domain != NULL; domain = dot != NULL ? dot + 1 : NULL) {
		if (word_list_has(w, domain, (size_t)(end - domain))) {
			return true;
		}
		dot = memchr(domain, '.', (size_t)(end - domain));
	}
	return false;
}

const char *gate_disposable(const struct value *normal, const struct gate_lists *l)
{
	return domain_listed(normal, l->disposable) ? "disposable-domain" : NULL;
}

const char *gate_portal(const struct value *normal, const struct gate_lists *l)
{
	return domain_listed(normal, l->portal) ? "portal-domain" : NULL;
}
