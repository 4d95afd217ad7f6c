/*
 * A service file of any bytes: read, told what is wrong with it, or taken.
 *
 * clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. tests/fuzz/fuzz_service.c \
 *     lib/service/[a-z]*.c lib/flow/[a-z]*.c lib/base/[a-z]*.c -lyaml -ljson-c -ljq -lsodium
 */
#include <stddef.h>
#include <stdint.h>

#include "lib/service/service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct service *s = NULL;
	struct problems p;
	int rc;

	problems_init(&p);
	rc = service_parse("fuzz.yaml", (const char *)data, size, NULL, &p, &s);
	if ((rc == 0) != (s != NULL) || (rc == 0) != (p.count == 0)) {
		__builtin_trap();
	}
	service_unref(s);
	problems_fini(&p);
	return 0;
}
