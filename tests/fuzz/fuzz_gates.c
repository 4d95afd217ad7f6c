/*
 * tests/fuzz/fuzz_gates.c: any bytes as address, name, copy and log text. What a gate lets through
 * must keep its promise: a normal address passes again as it is, the parts of a name lie within it.
 *
 * clang -std=gnu11 -D_GNU_SOURCE -g -fsanitize=fuzzer,address,undefined -I.
 * tests/fuzz/fuzz_gates.c, all of lib/lead, lib/table and lib/base, and -lpsl -lidn2 -lyaml -ljq
 * -ljson-c -lsodium -lm
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/lead/gates.h"
#include "lib/lead/mask.h"
#include "lib/lead/name.h"

static void check_address(const struct value *v)
{
	struct gate_lists none = {0};
	struct arena a = {0};
	struct value normal, again;

	if (gate_address(v, &none, &a, &normal) == NULL) {
		if (normal.len > 254 || memchr(normal.text, '\0', normal.len) != NULL ||
		    gate_address(&normal, &none, &a, &again) != NULL ||
		    !value_equal(&normal, &again)) {
			abort();
		}
		(void)gate_role(&normal, &none);
		(void)gate_noreply(&normal, &none);
		(void)gate_portal(&normal, &none);
	}
	arena_free(&a);
}

static void check_name(const struct value *v)
{
	struct gate_lists none = {0};
	struct name_part first, last;

	(void)gate_name(v, &none);
	name_split(v->text, v->len, &first, &last);
	if (first.len + last.len > 2 * (size_t)v->len ||
	    (first.len > 0 &&
		(first.text < v->text || first.text + first.len > v->text + v->len)) ||
	    (last.len > 0 && (last.text < v->text || last.text + last.len > v->text + v->len))) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct value v = value_string((const char *)data, len);
	struct buf masked = {0};

	check_address(&v);
	check_name(&v);
	(void)gate_copy_words(&v, 50, 70);
	(void)gate_copy_signature(&v);
	(void)gate_copy_placeholder(&v);
	mask_addresses(&masked, v.text, v.len);
	mask_email(&masked, v.text, v.len);
	buf_free(&masked);
	return 0;
}
