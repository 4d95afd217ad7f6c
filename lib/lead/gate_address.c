/*
 * lib/lead/gate_address.c: is this an address that mail can be sent to, and whose is it?
 *
 *   gate_address: blank? -> URL? -> split at the last @ -> local part -> domain -> top level known?
 *
 * The domain is judged on its ASCII form by our own rules: libidn2 accepts
 * `a..com`, and asked for the STD3 rules it turns `a_b.com` into `ab.com` and a
 * no-break space into nothing, so it is not asked and what is wrong stays to be
 * seen. Plain ASCII domains never get there.
 */
#include "lib/lead/gates.h"

#include <idn2.h>
#include <libpsl.h>
#include <string.h>
#include <strings.h>

#include "lib/base/text.h"

/* RFC 5321 section 4.5.3.1: octets. A path of 256 holds `<` and `>`. */
#define LOCAL_MAX 64
#define DOMAIN_MAX GATE_DOMAIN_MAX
#define ADDRESS_MAX GATE_ADDRESS_MAX
#define LABEL_MAX 63

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Something to click on, in the column for addresses: contact forms mostly. */
static bool is_url(const char *text, size_t len)
{
	static const char *const starts[] = {"http:", "https:", "www.", "//"};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		size_t n = strlen(starts[i]);

		if (len >= n && strncasecmp(text, starts[i], n) == 0) {
			return memchr(text, '/', len) != NULL || memchr(text, '@', len) == NULL;
		}
	}
	return memmem(text, len, "://", 3) != NULL ||
	       (memchr(text, '@', len) == NULL && memchr(text, '/', len) != NULL &&
		   memchr(text, '.', len) != NULL && memchr(text, ' ', len) == NULL);
}

/* RFC 5321 section 4.1.2: Dot-string. */
static bool is_local_part(const char *text, size_t len)
{
	bool dot = true; /* none at the start, at the end, or beside another */

	if (len == 0 || len > LOCAL_MAX) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '.'
			? dot
			: !is_alnum(c) && (c == '\0' || strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL)) {
			return false;
		}
		dot = c == '.';
	}
	return !dot;
}

/* Letters, digits, hyphens within, at most 63: one label of an ASCII domain. */
static bool is_label(const char *text, size_t len)
{
	if (len == 0 || len > LABEL_MAX || text[0] == '-' || text[len - 1] == '-') {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(text[i]) && text[i] != '-') {
			return false;
		}
	}
	return true;
}

/* Two labels at least, the last one with a letter. */
static bool is_domain(const char *text, size_t len)
{
	const char *p = text, *end = text + len, *dot;
	size_t labels = 0;
	bool letter = false;

	if (len > DOMAIN_MAX) {
		return false;
	}
	for (; p <= end; p = dot + 1, labels++) {
		dot = memchr(p, '.', (size_t)(end - p));
		dot = dot != NULL ? dot : end;
		if (!is_label(p, (size_t)(dot - p))) {
			return false;
		}
		letter = strspn(p, "0123456789") < (size_t)(dot - p);
	}
	return labels >= 2 && letter;
}

static bool needs_idna(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] >= 0x80 ||
		    ((i == 0 || text[i - 1] == '.') && len - i >= 4 &&
			strncasecmp(text + i, "xn--", 4) == 0)) {
			return true;
		}
	}
	return false;
}

/* The A-label form, when it is short enough to be a domain; not yet checked. */
static bool convert(const char *text, size_t len, char out[DOMAIN_MAX + 1])
{
	char source[4 * DOMAIN_MAX + 1];
	uint8_t *ascii = NULL;
	bool fits;

	if (len >= sizeof(source) || memchr(text, '\0', len) != NULL) {
		return false;
	}
	memcpy(source, text, len);
	source[len] = '\0';
	if (idn2_lookup_u8((const uint8_t *)source, &ascii,
		IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK) {
		return false;
	}
	fits = strlen((char *)ascii) <= DOMAIN_MAX;
	if (fits) {
		strcpy(out, (char *)ascii);
	}
	idn2_free(ascii);
	return fits;
}

/* The ASCII, lower-case form; false when the text is no domain. */
static bool domain_ascii(const char *text, size_t len, char out[DOMAIN_MAX + 1])
{
	if (needs_idna(text, len)) {
		if (!convert(text, len, out)) {
			return false;
		}
	} else {
		if (len > DOMAIN_MAX || memchr(text, '\0', len) != NULL) {
			return false;
		}
		memcpy(out, text, len);
		out[len] = '\0';
	}
	len = strlen(out);
	text_lower(out, len);
	return is_domain(out, len);
}

static bool top_level_known(const char *domain, const struct gate_lists *l)
{
	return l->psl == NULL || psl_is_public_suffix2(l->psl, strrchr(domain, '.') + 1,
				     PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE) != 0;
}

bool gate_domain(const char *text, size_t len, const struct gate_lists *l, char ret[GATE_DOMAIN_MAX + 1])
{
	return domain_ascii(text, len, ret) && top_level_known(ret, l);
}

const char *gate_address(const struct value *email, const struct gate_lists *l, struct arena *a,
    struct value *ret_normal)
{
	const char *text = email->text, *at;
	char domain[DOMAIN_MAX + 1], *normal;
	size_t len = email->len, local, n;

	if (ret_normal != NULL) {
		*ret_normal = (struct value){.kind = VALUE_NONE};
	}
	if (value_is_blank(email)) {
		return "email-missing";
	}
	if (email->kind != VALUE_STRING) {
		return "email-malformed";
	}
	text_trim(&text, &len);
	if (is_url(text, len)) {
		return "email-is-url";
	}
	at = memrchr(text, '@', len);
	if (at == NULL) {
		return "email-malformed";
	}
	local = (size_t)(at - text);
	if (!is_local_part(text, local) || !domain_ascii(at + 1, len - local - 1, domain) ||
	    local + 1 + strlen(domain) > ADDRESS_MAX) {
		return "email-malformed";
	}
	if (!top_level_known(domain, l)) {
		return "email-domain";
	}
	if (ret_normal != NULL) {
		n = strlen(domain);
		normal = arena_alloc(a, local + 1 + n + 1);
		if (normal !=
		    NULL) { /* without memory there is no normal form, and nothing goes out */
			memcpy(normal, text, local + 1);
			memcpy(normal + local + 1, domain, n + 1);
			*ret_normal = value_string(normal, local + 1 + n);
		}
	}
	return NULL;
}
