/* lib/base/endpoint.h: where a server listens: `127.0.0.1:8420`, `[::1]:8420`. Numbers only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint {
	bool v6;
	uint8_t address[16]; /* network order; the first 4 when not v6 */
	uint16_t port;       /* 0: any that is free */
};

/* False for anything else; *ret is then untouched. */
bool endpoint_parse(const char *text, struct endpoint *ret);
/* Nothing from outside this machine gets there: 127.0.0.0/8, ::1. */
bool endpoint_is_loopback(const struct endpoint *e);

#define ENDPOINT_TEXT 64
void endpoint_write(const struct endpoint *e, char out[ENDPOINT_TEXT]);
