/* See suppression.h. */
#include "lib/lead/suppression.h"

#include <libpsl.h>
#include <sodium.h>
#include <string.h>

#include "lib/base/ids.h"
#include "lib/base/text.h"

#define MARK_ADDRESS 'a' /* so that the two never meet */
#define MARK_DOMAIN 'd'
#define SHA256 crypto_hash_sha256_BYTES

const char *suppress_word(enum suppress_kind k)
{
	static const char *const words[] = {"address", "hash", "domain"};

	return k < SUPPRESS_KINDS ? words[k] : "?";
}

static uint64_t hash_marked(const uint8_t key[16], char mark, const void *bytes, size_t len)
{
	char text[1 + GATE_ADDRESS_MAX];

	text[0] = mark;
	memcpy(text + 1, bytes, len);
	return hash_keyed(key, text, len + 1);
}

/* Normal forms are ASCII: lower case is what everybody takes it for. */
static uint64_t hash_address(const uint8_t key[16], const struct value *normal)
{
	char text[GATE_ADDRESS_MAX];
	uint8_t sum[SHA256];

	memcpy(text, normal->text, normal->len);
	text_lower(text, normal->len);
	crypto_hash_sha256(sum, (const uint8_t *)text, normal->len);
	return hash_marked(key, MARK_ADDRESS, sum, sizeof(sum));
}

/* NULL: it is a public suffix, under which strangers have their domains. */
static const char *registrable(const char *domain, const struct gate_lists *l)
{
	const char *dot;

	if (l->psl != NULL) {
		return psl_registrable_domain(l->psl, domain);
	}
	dot = strrchr(domain, '.');
	while (dot != NULL && dot > domain && dot[-1] != '.') {
		dot--;
	}
	return dot;
}

/* 64 hex digits, in either case. */
static bool read_sum(const char *text, size_t len, uint8_t sum[SHA256])
{
	size_t n;

	return len == 2 * (size_t)SHA256 && sodium_hex2bin(sum, SHA256, text, len, NULL, &n, NULL) == 0 && n == SHA256;
}

const char *suppress_entry(const char *text, size_t len, const struct gate_lists *l, const uint8_t key[16], struct arena *a,
    struct suppress_id *ret)
{
	struct value address, normal;
	char domain[GATE_DOMAIN_MAX + 1];
	uint8_t sum[SHA256];
	const char *own;

	text_trim(&text, &len);
	if (len == 0) {
		return "it is empty";
	}
	if (read_sum(text, len, sum)) {
		*ret = (struct suppress_id){SUPPRESS_HASH, hash_marked(key, MARK_ADDRESS, sum, sizeof(sum))};
		return NULL;
	}
	if (text[0] != '@' && memchr(text, '@', len) != NULL) {
		address = value_string(text, len);
		if (gate_address(&address, l, a, &normal) != NULL || normal.kind == VALUE_NONE) {
			return "it is no address";
		}
		*ret = (struct suppress_id){SUPPRESS_ADDRESS, hash_address(key, &normal)};
		return NULL;
	}
	own = text[0] == '@' ? text + 1 : len > 2 && memcmp(text, "*.", 2) == 0 ? text + 2 : text;
	if (!gate_domain(own, len - (size_t)(own - text), l, domain)) {
		return "it is no address, no domain and no SHA-256 sum";
	}
	own = registrable(domain, l);
	if (own == NULL) {
		return "it is a public suffix: strangers have their domains under it";
	}
	*ret = (struct suppress_id){SUPPRESS_DOMAIN, hash_marked(key, MARK_DOMAIN, own, strlen(own))};
	return NULL;
}

size_t suppress_ids(const struct value *normal, const struct gate_lists *l, const uint8_t key[16], struct suppress_id ret[2])
{
	char domain[GATE_ADDRESS_MAX + 1];
	const char *at, *own;
	size_t len;

	if (value_is_blank(normal) || normal->len > GATE_ADDRESS_MAX || (at = memrchr(normal->text, '@', normal->len)) == NULL) {
		return 0;
	}
	ret[0] = (struct suppress_id){SUPPRESS_ADDRESS, hash_address(key, normal)};
	len = normal->len - (size_t)(at + 1 - normal->text);
	memcpy(domain, at + 1, len);
	domain[len] = '\0';
	own = registrable(domain, l);
	if (own == NULL) {
		return 1;
	}
	ret[1] = (struct suppress_id){SUPPRESS_DOMAIN, hash_marked(key, MARK_DOMAIN, own, strlen(own))};
	return 2;
}

/* The kind of the first line's cell, SUPPRESS_KINDS when it is no entry. */
static enum suppress_kind kind_of(const struct csv_field *cell, const struct gate_lists *l, struct arena *a)
{
	static const uint8_t key[16] = {0}; /* the hash is not looked at */
	struct suppress_id id;

	return suppress_entry(cell->text, cell->len, l, key, a, &id) == NULL ? id.kind : SUPPRESS_KINDS;
}

/* By letters and digits alone, so that `E-mail Address` is `emailaddress`. */
static bool header_is(const struct csv_field *cell, const char *const words[])
{
	char name[24];
	size_t n = 0;

	for (size_t i = 0; i < cell->len && n + 1 < sizeof(name); i++) {
		char c = cell->text[i];

		c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
			name[n++] = c;
		}
	}
	name[n] = '\0';
	for (size_t i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], name) == 0) {
			return true;
		}
	}
	return false;
}

int suppress_column(const struct csv_field *cells, size_t n, const struct gate_lists *l, struct arena *a, bool *ret_header)
{
	static const char *const words[SUPPRESS_KINDS][7] = {
	    [SUPPRESS_ADDRESS] = {"email", "emailaddress", "mail", "address", "emails", "entry", NULL},
	    [SUPPRESS_HASH] = {"sha256", "hash", "emailsha256", "sha256email", "emailhash", "hashedemail", NULL},
	    [SUPPRESS_DOMAIN] = {"domain", "domains", "emaildomain", "companydomain", NULL},
	};

	*ret_header = false;
	for (enum suppress_kind k = SUPPRESS_ADDRESS; k < SUPPRESS_KINDS; k++) {
		for (size_t i = 0; i < n; i++) {
			if (kind_of(&cells[i], l, a) == k) {
				return (int)i;
			}
		}
	}
	for (enum suppress_kind k = SUPPRESS_ADDRESS; k < SUPPRESS_KINDS; k++) {
		for (size_t i = 0; i < n; i++) {
			if (header_is(&cells[i], words[k])) {
				*ret_header = true;
				return (int)i;
			}
		}
	}
	return n == 1 ? 0 : -1;
}
