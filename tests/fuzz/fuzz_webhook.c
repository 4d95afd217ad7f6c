/*
 * tests/fuzz/fuzz_webhook.c: what strangers write into the headers of a webhook, and addresses to listen on.
 *
 * The first line is a header of every scheme, the second a timestamp, the rest the body. Whatever is made of our own
 * signature with the same body must be taken, and what is not must not crash.
 */
#include "lib/base/endpoint.h"
#include "lib/base/signature.h"
#include "lib/base/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MUST(condition) ((condition) ? (void)0 : abort())
#define WALL_US (INT64_C(1793000000) * US_PER_S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const char *value, *at;
};

static const char *header(void *arg, const char *name)
{
	const struct input *in = arg;

	return strcasecmp(name, "close-sig-timestamp") == 0 ? in->at : in->value;
}

static void check_endpoint(const char *text)
{
	struct endpoint e, again;
	char written[ENDPOINT_TEXT];

	if (endpoint_parse(text, &e)) {
		endpoint_write(&e, written);
		MUST(endpoint_parse(written, &again) && memcmp(&e, &again, sizeof(e)) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *at, *body, own[SIGNATURE_TEXT];
	struct input in = {.value = text};

	MUST(text != NULL);
	memcpy(text, data, size);
	text[size] = 0;
	at = text + strcspn(text, "\n");
	at += *at == '\n' ? (*at = 0, 1) : 0;
	body = at + strcspn(at, "\n");
	body += *body == '\n' ? (*body = 0, 1) : 0;
	in.at = at;
	check_endpoint(text);
	for (int scheme = 0; scheme < SIGNATURE_SCHEMES; scheme++) {
		struct signature_rule r = {.scheme = (enum signature_scheme)scheme, .tolerance_us = 300 * US_PER_S, .header = "x"};
		const char *why = signature_refuses(&r, "secret", 6, header, &in, body, strlen(body), WALL_US);

		MUST(why == NULL || why[0] != 0);
		r.key = SIGNATURE_KEY_HEX;
		MUST(signature_refuses(&r, text, strlen(text), header, &in, body, strlen(body), WALL_US) == NULL || why != text);
	}
	signature_write("secret", 6, body, strlen(body), WALL_US, own);
	in.value = own;
	MUST(signature_refuses(&(struct signature_rule){.scheme = SIGNATURE_STRIPE, .tolerance_us = 1}, "secret", 6, header, &in, body, strlen(body),
		 WALL_US) == NULL);
	free(text);
	return 0;
}
