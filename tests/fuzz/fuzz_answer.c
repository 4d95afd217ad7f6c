/*
 * An answer of any bytes: two lines of status and headers, then the body.
 *
 * Whatever comes, there is a class, a reason of plain letters, a printable
 * detail of at most 200 bytes, no negative wait and no negative price.
 *
 * Compiled like fuzz_service.c.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/service/answer.h"
#include "lib/service/batch.h"

static const char file[] =
    "service: x\n"
    "base: https://h.example\n"
    "limits: [{limit: [10/s, 100/min], label: a}, {limit: 5/5s, label: b}]\n"
    "hints:\n"
    "  - {header: h, tells: retry-after, unit: ms}\n"
    "  - {header: h, item: burst, field: t, tells: reset, of: 10/s}\n"
    "  - {header: h, item: 1, tells: remaining, of: 10/s}\n"
    "  - {header: h, field: reset, tells: reset, unit: go, of: b}\n"
    "  - {header: h, tells: quota-reset, unit: date}\n"
    "  - {header: h, tells: reset, unit: epoch, of: min, spent: h}\n"
    "  - {body: .wait, tells: retry-after}\n"
    "outcomes:\n"
    "  - {status: 2xx, body: {.a: [1, x, null]}, is: empty}\n"
    "  - {status: 2xx, body: {.a: {not: y}, .b: {contains: z, starts: q}}, is: pending}\n"
    "  - {status: 4xx, text: quota, is: quota, until: month}\n"
    "  - {status: 4xx, header: {h: {present: true}}, body: {.error: {present: true}}, is: "
    "throttle, wait: 1s}\n"
    "calls:\n"
    "  one:\n"
    "    post: /\n"
    "    price: {tokens: {in: .i, out: .o, model: .m, per_million: {g: [1, 2]}}, units: .u, each: "
    "0.5, ceiling: 2}\n"
    "    map: {all: ., a: .a, b: '.b[0].c', h: {header: h}}\n"
    "  two: {get: /, answer: any, price: {body: .cost, ceiling: 1}}\n"
    "  three:\n"
    "    post: /\n"
    "    json: '${.items}'\n"
    "    batch: {size: 3, each: '${.k}', answers: .a, join: [{item: '${.k}', answer: .k}, {position: .p}, order],\n"
    "      outcomes: [{body: {.b: {contains: z}}, is: transient}, {body: {.c: 1}, is: permanent}]}\n"
    "    price: {per_call: 0.5, per_item: 0.25}\n"
    "    map: {all: ., x: .x}\n";

#define ITEMS 3

static void check(const struct answer *a);

/* What is told to the items of a batch. */
static void check_items(const struct service_call *c, const struct http_answer *h, const struct answer *whole, struct arena *arena)
{
	static const struct batch_key keys[ITEMS] = {{{"x"}}, {{"1"}}, {{NULL}}};
	struct answer parts[ITEMS];

	if (batch_answers(c, h, whole, keys, ITEMS, arena, parts) != 0) {
		return;
	}
	for (size_t i = 0; i < ITEMS; i++) {
		check(&parts[i]);
	}
}

static void check(const struct answer *a)
{
	if (a->outcome >= OUTCOME_N || a->reason == NULL || a->retry_after_us < 0 ||
	    a->price_micro < 0 || a->reset_wall_us < 0) {
		__builtin_trap();
	}
	if (strspn(a->reason, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(a->reason)) {
		__builtin_trap();
	}
	if (a->detail != NULL) {
		if (strlen(a->detail) > 200) {
			__builtin_trap();
		}
		for (const char *p = a->detail; *p != '\0'; p++) {
			if ((unsigned char)*p < ' ' || *p == 0x7f) {
				__builtin_trap();
			}
		}
	}
}

/* Up to the newline, which is skipped. */
static char *line(const uint8_t **data, size_t *size, struct arena *arena)
{
	const uint8_t *end = *size == 0 ? NULL : memchr(*data, '\n', *size);
	size_t n = end == NULL ? *size : (size_t)(end - *data);
	char *text = arena_dup(arena, (const char *)*data, n);

	n += end != NULL;
	*data += n;
	*size -= n;
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct service *s;
	struct arena arena = {0};
	struct http_header headers[] = {{"H", ""}, {"Retry-After", ""}};
	struct http_answer h = {
	    .transport = TRANSPORT_ANSWERED, .headers = headers, .n_headers = 2};
	struct now now = {.boot_us = US_PER_S, .wall_us = INT64_C(1795305600000000)};
	struct problems p;

	if (s == NULL) {
		problems_init(&p);
		if (service_parse("x.yaml", file, sizeof file - 1, NULL, &p, &s) != 0) {
			abort();
		}
		problems_fini(&p);
	}
	if (size < 1) {
		return 0;
	}
	h.status = 200 + data[0] % 4 * 100 + (data[0] >> 2) % 30;
	data++;
	size--;
	headers[0].value = line(&data, &size, &arena);
	headers[1].value = line(&data, &size, &arena);
	h.body = (const char *)data;
	h.body_len = size;
	for (size_t i = 0; i < s->n_calls; i++) {
		struct answer a;

		if (answer_read(s, &s->calls[i], &h, now, &arena, &a) == 0) {
			check(&a);
			if (s->calls[i].batch != NULL) {
				check_items(&s->calls[i], &h, &a, &arena);
			}
		}
	}
	arena_free(&arena);
	return 0;
}
