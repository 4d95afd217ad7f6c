/*
 * tests/unit/test_signature.c: signatures of webhooks. The digests were computed with Python's hmac module; that of `hmac`
 * is the example GitHub's documentation gives.
 */
#include "lib/base/signature.h"
#include "lib/base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#define AT INT64_C(1793000000)
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define CLOSE_HEX "22b82e11d2cf4b1f81a2d06d5aa89e6f3d6279eba44a34dc55bb224485b0aaba"
#define CLOSE_TEXT "273d413bc3140d87ff3f6cf6613c6880e9148c91aef6fdb6d634accc694f797f"
#define STRIPE "170688a3034c612bb9a3eb5cc3f0a19f9c3d2389483bf9f92f49e04d0c6e2fba"
#define STRIPE_EMPTY "bfed3629c5de9e51c46b595774f653fd0bdfbe25e4d39eb0be78d174fef01481"
#define HUB "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
#define OTHER "0000000000000000000000000000000000000000000000000000000000000000"
static const char body[] = "{\"subscription_id\":\"whsub_1\",\"event\":{\"id\":\"ev_1\"}}";

struct pair {
	const char *name, *value;
};

static const char *header(void *arg, const char *name)
{
	for (const struct pair *p = arg; p->name != NULL; p++) {
		if (strcasecmp(p->name, name) == 0) {
			return p->value;
		}
	}
	return NULL;
}

static const char *why(const struct signature_rule *r, const char *secret, const struct pair pairs[], const char *text, int64_t away_s)
{
	const char *said = signature_refuses(r, secret, strlen(secret), header, (void *)(uintptr_t)pairs, text, strlen(text), (AT + away_s) * US_PER_S);

	return said != NULL ? said : "ok";
}

static void test_close(void **state)
{
	struct signature_rule r = {.scheme = SIGNATURE_CLOSE, .key = SIGNATURE_KEY_HEX, .tolerance_us = 300 * US_PER_S};
	const struct pair good[] = {{"close-sig-hash", CLOSE_HEX}, {"Close-Sig-Timestamp", "1793000000"}, {NULL, NULL}};
	const struct pair text[] = {{"close-sig-hash", CLOSE_TEXT}, {"close-sig-timestamp", "1793000000"}, {NULL, NULL}};
	const struct pair other[] = {{"close-sig-hash", OTHER}, {"close-sig-timestamp", "1793000000"}, {NULL, NULL}};
	const struct pair later[] = {{"close-sig-hash", CLOSE_HEX}, {"close-sig-timestamp", "1793000001"}, {NULL, NULL}};
	const struct pair cut[] = {{"close-sig-hash", "22b82e11"}, {"close-sig-timestamp", "1793000000"}, {NULL, NULL}};
	const struct pair longer[] = {{"close-sig-hash", CLOSE_HEX "00"}, {"close-sig-timestamp", "1793000000"}, {NULL, NULL}};
	const struct pair odd[] = {{"close-sig-hash", CLOSE_HEX}, {"close-sig-timestamp", "1793000000.5"}, {NULL, NULL}};
	const struct pair half[] = {{"close-sig-hash", CLOSE_HEX}, {NULL, NULL}};

	(void)state;
	assert_string_equal(why(&r, KEY, good, body, 0), "ok");
	assert_string_equal(why(&r, KEY, good, body, 300), "ok");
	assert_string_equal(why(&r, KEY, good, body, 301), "old-signature");
	assert_string_equal(why(&r, KEY, good, body, -300), "ok");
	assert_string_equal(why(&r, KEY, good, body, -301), "old-signature");
	assert_string_equal(why(&r, KEY, good, "{}", 0), "bad-signature");
	assert_string_equal(why(&r, KEY, other, body, 0), "bad-signature");
	assert_string_equal(why(&r, KEY, later, body, 0), "bad-signature"); /* the time is signed too */
	assert_string_equal(why(&r, KEY, cut, body, 0), "bad-signature");
	assert_string_equal(why(&r, KEY, longer, body, 0), "bad-signature");
	assert_string_equal(why(&r, KEY, odd, body, 0), "bad-signature");
	assert_string_equal(why(&r, KEY, half, body, 0), "no-signature");
	assert_string_equal(why(&r, KEY, text, body, 0), "bad-signature");
	assert_string_equal(why(&r, "no hex", good, body, 0), "bad-key");
	assert_string_equal(why(&r, "", good, body, 0), "bad-key");
	r.key = SIGNATURE_KEY_TEXT;
	assert_string_equal(why(&r, KEY, text, body, 0), "ok");
	assert_string_equal(why(&r, KEY, good, body, 0), "bad-signature");
}

static void test_stripe(void **state)
{
	static const struct {
		const char *value, *text, *why;
	} cases[] = {
	    {"t=1793000000,v1=" STRIPE, body, "ok"},
	    {"t=1793000000,v1=" OTHER ",v1=" STRIPE, body, "ok"}, /* while a secret is rotated */
	    {"v1=" STRIPE ", t=1793000000, v0=" OTHER, body, "ok"},
	    {"t=1793000000,v1=" STRIPE_EMPTY, "", "ok"},
	    {"t=1793000000,v0=" STRIPE, body, "bad-signature"},
	    {"t=1793000000", body, "bad-signature"},
	    {"v1=" STRIPE, body, "bad-signature"},
	    {"t=1793000001,v1=" STRIPE, body, "bad-signature"},
	    {"t=1793000001,t=1793000000,v1=" STRIPE, body, "bad-signature"},
	    {"t=,v1=" STRIPE, body, "bad-signature"},
	    {"t=-1793000000,v1=" STRIPE, body, "bad-signature"},
	    {"t=1793000000,v1=" STRIPE "00", body, "bad-signature"},
	    {"t=1793000000,v1=", body, "bad-signature"},
	    {"t=1793000000,v1=" STRIPE, "{}", "bad-signature"},
	    {"", body, "bad-signature"},
	    {",,=,=,t,v1,", body, "bad-signature"},
	};
	struct signature_rule r = {.scheme = SIGNATURE_STRIPE, .tolerance_us = 300 * US_PER_S};
	struct pair none[] = {{NULL, NULL}}, own[] = {{"X-Leadd-Signature", NULL}, {NULL, NULL}};
	char text[SIGNATURE_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct pair pairs[] = {{"stripe-signature", cases[i].value}, {NULL, NULL}};

		assert_string_equal(why(&r, "whsec_test", pairs, cases[i].text, 0), cases[i].why);
		assert_string_not_equal(why(&r, "whsec_tesT", pairs, cases[i].text, 0), "ok");
		assert_string_not_equal(why(&r, "whsec_test", pairs, cases[i].text, 301), "ok");
	}
	assert_string_equal(why(&r, "whsec_test", none, body, 0), "no-signature");
	signature_write("whsec_test", 10, body, strlen(body), AT * US_PER_S, text);
	assert_string_equal(text, "t=1793000000,v1=" STRIPE);
	own[0].value = text;
	r.header = "X-Leadd-Signature";
	assert_string_equal(why(&r, "whsec_test", own, body, 0), "ok");
}

static void test_plain(void **state)
{
	struct signature_rule hub = {.scheme = SIGNATURE_HMAC, .prefix = "sha256="}, token = {.scheme = SIGNATURE_HEADER, .header = "X-Token"};
	const struct pair good[] = {{"X-Hub-Signature-256", "sha256=" HUB}, {"x-token", "tiger"}, {NULL, NULL}};
	const struct pair bare[] = {{"X-Hub-Signature-256", HUB}, {"x-token", "tiger "}, {NULL, NULL}};
	const struct pair none[] = {{"X-Hub-Signature-256", ""}, {NULL, NULL}};

	(void)state;
	assert_string_equal(why(&hub, "It's a Secret to Everybody", good, "Hello, World!", 9999999), "ok");
	assert_string_equal(why(&hub, "It's a Secret to Everybody", good, "Hello, World?", 0), "bad-signature");
	assert_string_equal(why(&hub, "It's a Secret to Everybody", bare, "Hello, World!", 0), "no-signature");
	hub.prefix = NULL;
	assert_string_equal(why(&hub, "It's a Secret to Everybody", bare, "Hello, World!", 0), "ok");
	assert_string_equal(why(&hub, "It's a Secret to Everybody", none, "Hello, World!", 0), "bad-signature");
	assert_string_equal(why(&token, "tiger", good, body, 0), "ok");
	assert_string_equal(why(&token, "tiger", bare, body, 0), "bad-signature");
	assert_string_equal(why(&token, "tiger", none, body, 0), "no-signature");
	token.prefix = "tig";
	assert_string_equal(why(&token, "er", good, body, 0), "ok");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_close), cmocka_unit_test(test_stripe), cmocka_unit_test(test_plain)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
