/*
 * lib/base/signature.h: does a webhook come from whom it says: the schemes in use, over the raw bytes of its body.
 *
 *   close   `close-sig-hash`: hex HMAC-SHA256 over `close-sig-timestamp` and the body, nothing between; the key is hex
 *   stripe  `Stripe-Signature: t=SECONDS,v1=HEX[,v1=HEX…]`: hex HMAC-SHA256 over `SECONDS.body`; any v1 may fit
 *   hmac    `X-Hub-Signature-256: sha256=HEX` and the like: hex HMAC-SHA256 over the body alone
 *   header  a header that holds the secret itself
 *
 * All comparisons take the same time whatever is wrong. Schemes with a time refuse what is older (or further in the future) than
 * the tolerance; within it, and for those without one, a repeat is known by its event's id alone.
 * Sources: public descriptions of the named services; RFC 2104, RFC 4231.
 */
#pragma once

#include "lib/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum signature_scheme { SIGNATURE_CLOSE, SIGNATURE_STRIPE, SIGNATURE_HMAC, SIGNATURE_HEADER, SIGNATURE_SCHEMES };
extern const char *const signature_words[SIGNATURE_SCHEMES + 1]; /* close, stripe, hmac, header, NULL */

enum signature_key {
	SIGNATURE_KEY_TEXT, /* the secret's bytes as they are */
	SIGNATURE_KEY_HEX,  /* what they say in hex digits */
};

struct signature_rule {
	enum signature_scheme scheme;
	enum signature_key key;
	const char *header;   /* NULL: the scheme's own; HEADER has none */
	const char *prefix;   /* HMAC, HEADER: before the digest or secret, such as `sha256=`; NULL: none */
	int64_t tolerance_us; /* CLOSE, STRIPE */
};

/* Value of a header, any case of its name; NULL when there is none. */
typedef const char *(*signature_header_fn)(void *arg, const char *name);

/* NULL when it is signed right. Else one word why not, which lives for ever: no-signature, bad-signature, old-signature, bad-key. */
const char *signature_refuses(const struct signature_rule *r, const char *secret, size_t secret_len, signature_header_fn header, void *arg,
    const void *body, size_t len, int64_t wall_us);

/* Ours on the way out, in the way of stripe: `t=SECONDS,v1=HEX`. */
#define SIGNATURE_TEXT 96
void signature_write(const char *secret, size_t secret_len, const void *body, size_t len, int64_t wall_us, char out[SIGNATURE_TEXT]);
