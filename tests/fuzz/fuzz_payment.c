/*
 * tests/fuzz/fuzz_payment.c: any bytes as the body of a payment's webhook, read by rules as they are shipped. What comes out is text
 * that can be shown, and amounts that can be counted.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/engine/run/payment.h"

static struct expr *compiled(const char *text)
{
	struct lead_error err;
	struct expr *e = NULL;

	if (expr_compile(text, NULL, &e, &err) != 0) {
		abort();
	}
	return e;
}

static struct payment stripe;

static void forget(void)
{
	expr_free(stripe.id);
	expr_free(stripe.type);
	expr_free(stripe.session);
	expr_free(stripe.run);
	expr_free(stripe.amount);
	expr_free(stripe.currency);
	expr_free(stripe.paid);
}

static const struct payment *rules(void)
{
	static const char *events[] = {"checkout.session.completed"};

	if (stripe.name == NULL) {
		stripe = (struct payment){.name = "stripe", .events = events, .n_events = 1, .digits = 2, .price_micro = -1};
		stripe.id = compiled(".id");
		stripe.type = compiled(".type");
		stripe.session = compiled(".data.object.id");
		stripe.run = compiled(".data.object.metadata.run");
		stripe.amount = compiled(".data.object.amount_total");
		stripe.currency = compiled(".data.object.currency");
		stripe.paid = compiled(".data.object.payment_status == \"paid\"");
		(void)atexit(forget);
	}
	return &stripe;
}

static void check_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	if (len == size) {
		abort();
	}
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
			abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct payment_event p;
	struct lead_error err;

	if (payment_parse(rules(), (const char *)data, len, &p, &err) != 0) {
		return 0;
	}
	check_text(p.id, sizeof(p.id));
	check_text(p.session, sizeof(p.session));
	check_text(p.currency, sizeof(p.currency));
	if (p.amount_micro < -1 || p.amount_micro >= INT64_C(1000000000000000) || (p.result == PAYMENT_RELEASED && p.id[0] == 0)) {
		abort();
	}
	return 0;
}
