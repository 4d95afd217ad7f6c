/* See signature.h. */
#include "lib/base/signature.h"

#include "lib/base/time.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define MAC crypto_auth_hmacsha256_BYTES
#define KEY_MOST 1024

const char *const signature_words[SIGNATURE_SCHEMES + 1] = {"close", "stripe", "hmac", "header", NULL};

struct part {
	const void *bytes;
	size_t len;
};

static void hmac(const struct part *key, const struct part parts[], size_t n, unsigned char out[MAC])
{
	crypto_auth_hmacsha256_state h;

	crypto_auth_hmacsha256_init(&h, key->bytes, key->len);
	for (size_t i = 0; i < n; i++) {
		crypto_auth_hmacsha256_update(&h, parts[i].bytes, parts[i].len);
	}
	crypto_auth_hmacsha256_final(&h, out);
	sodium_memzero(&h, sizeof(h));
}

/* Exactly one digest in hex, of either case; a digest is no secret. */
static bool read_mac(const char *text, size_t len, unsigned char out[MAC])
{
	size_t got = 0;

	return len == 2 * (size_t)MAC && sodium_hex2bin(out, MAC, text, len, NULL, &got, NULL) == 0 && got == MAC;
}

static bool equal(const unsigned char a[MAC], const unsigned char b[MAC])
{
	return sodium_memcmp(a, b, MAC) == 0;
}

/* Seconds since 1970, digits only. */
static bool read_seconds(const char *text, size_t len, int64_t *ret)
{
	int64_t s = 0;

	if (len == 0 || len > 12) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9') {
			return false;
		}
		s = s * 10 + (text[i] - '0');
	}
	*ret = s;
	return true;
}

static bool fresh(const struct signature_rule *r, int64_t at_s, int64_t wall_us)
{
	int64_t away_us = wall_us - at_s * US_PER_S;

	return (away_us < 0 ? -away_us : away_us) <= r->tolerance_us;
}

static const char *check_close(const struct signature_rule *r, const struct part *key, signature_header_fn header, void *arg,
    const struct part *body, int64_t wall_us)
{
	const char *hash = header(arg, r->header != NULL ? r->header : "close-sig-hash"), *at = header(arg, "close-sig-timestamp");
	unsigned char said[MAC], right[MAC];
	int64_t at_s = 0;

	if (hash == NULL || at == NULL) {
		return "no-signature";
	}
	if (!read_seconds(at, strlen(at), &at_s) || !read_mac(hash, strlen(hash), said)) {
		return "bad-signature";
	}
	hmac(key, (const struct part[]){{at, strlen(at)}, *body}, 2, right);
	return !equal(said, right) ? "bad-signature" : fresh(r, at_s, wall_us) ? NULL : "old-signature";
}

/* The next `name=value` of a list with commas; false at its end. */
static bool next_pair(const char **at, struct part *name, struct part *value)
{
	size_t whole = strcspn(*at, ","), before;
	const char *p = *at;

	if (*p == 0) {
		return false;
	}
	*at += whole + (p[whole] == ',');
	while (whole > 0 && *p == ' ') {
		p++;
		whole--;
	}
	before = strcspn(p, "=,");
	before = before < whole ? before : whole;
	*name = (struct part){p, before};
	*value = before < whole ? (struct part){p + before + 1, whole - before - 1} : (struct part){p, 0};
	return true;
}

static bool is_name(const struct part *name, const char *want)
{
	return name->len == strlen(want) && memcmp(name->bytes, want, name->len) == 0;
}

static const char *check_stripe(const struct signature_rule *r, const struct part *key, signature_header_fn header, void *arg,
    const struct part *body, int64_t wall_us)
{
	const char *text = header(arg, r->header != NULL ? r->header : "Stripe-Signature"), *at = text;
	unsigned char said[MAC], right[MAC];
	struct part name, value, stamp = {NULL, 0};
	int64_t at_s = 0;
	bool found = false;

	if (text == NULL) {
		return "no-signature";
	}
	while (next_pair(&at, &name, &value)) {
		if (is_name(&name, "t") && stamp.len == 0) {
			stamp = value;
		}
	}
	if (stamp.len == 0 || !read_seconds(stamp.bytes, stamp.len, &at_s)) {
		return "bad-signature";
	}
	hmac(key, (const struct part[]){stamp, {".", 1}, *body}, 3, right);
	for (at = text; next_pair(&at, &name, &value);) {
		found = (is_name(&name, "v1") && read_mac(value.bytes, value.len, said) && equal(said, right)) || found;
	}
	return !found ? "bad-signature" : fresh(r, at_s, wall_us) ? NULL : "old-signature";
}

/* The value of the rule's header behind its prefix. */
static const char *after_prefix(const struct signature_rule *r, const char *standard, signature_header_fn header, void *arg)
{
	const char *text = header(arg, r->header != NULL ? r->header : standard), *prefix = r->prefix != NULL ? r->prefix : "";

	return text != NULL && strncmp(text, prefix, strlen(prefix)) == 0 ? text + strlen(prefix) : NULL;
}

static const char *check_hmac(const struct signature_rule *r, const struct part *key, signature_header_fn header, void *arg, const struct part *body)
{
	const char *text = after_prefix(r, "X-Hub-Signature-256", header, arg);
	unsigned char said[MAC], right[MAC];

	if (text == NULL) {
		return "no-signature";
	}
	hmac(key, body, 1, right);
	return read_mac(text, strlen(text), said) && equal(said, right) ? NULL : "bad-signature";
}

/* Digests are compared, so that the time tells nothing of the secret's length either. */
static const char *check_header(const struct signature_rule *r, const struct part *key, signature_header_fn header, void *arg)
{
	static const unsigned char none[1];
	const char *text = after_prefix(r, "", header, arg);
	const struct part fixed = {none, sizeof(none)};
	unsigned char said[MAC], right[MAC];

	if (text == NULL) {
		return "no-signature";
	}
	hmac(&fixed, &(struct part){text, strlen(text)}, 1, said);
	hmac(&fixed, key, 1, right);
	return equal(said, right) ? NULL : "bad-signature";
}

const char *signature_refuses(const struct signature_rule *r, const char *secret, size_t secret_len, signature_header_fn header, void *arg,
    const void *body, size_t len, int64_t wall_us)
{
	unsigned char decoded[KEY_MOST];
	struct part key = {secret, secret_len}, whole = {body, len};
	const char *why = "bad-key";
	size_t n = 0;

	if (r->key == SIGNATURE_KEY_HEX) {
		if (sodium_hex2bin(decoded, sizeof(decoded), secret, secret_len, NULL, &n, NULL) != 0 || 2 * n != secret_len) {
			n = 0;
		}
		key = (struct part){decoded, n};
	}
	if (key.len > 0) { /* an empty key signs for everybody */
		why = r->scheme == SIGNATURE_CLOSE    ? check_close(r, &key, header, arg, &whole, wall_us)
		      : r->scheme == SIGNATURE_STRIPE ? check_stripe(r, &key, header, arg, &whole, wall_us)
		      : r->scheme == SIGNATURE_HMAC   ? check_hmac(r, &key, header, arg, &whole)
						      : check_header(r, &key, header, arg);
	}
	sodium_memzero(decoded, sizeof(decoded));
	return why;
}

void signature_write(const char *secret, size_t secret_len, const void *body, size_t len, int64_t wall_us, char out[SIGNATURE_TEXT])
{
	const struct part key = {secret, secret_len};
	unsigned char mac[MAC];
	char hex[2 * MAC + 1], at[24];

	(void)snprintf(at, sizeof(at), "%lld", (long long)(wall_us / US_PER_S));
	hmac(&key, (const struct part[]){{at, strlen(at)}, {".", 1}, {body, len}}, 3, mac);
	(void)sodium_bin2hex(hex, sizeof(hex), mac, sizeof(mac));
	(void)snprintf(out, SIGNATURE_TEXT, "t=%s,v1=%s", at, hex);
}
