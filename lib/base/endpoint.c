/* See endpoint.h. */
#include "lib/base/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool read_port(const char *text, uint16_t *ret)
{
	unsigned port = 0;
	size_t n = strlen(text);

	if (n == 0 || n > 5 || strspn(text, "0123456789") != n) {
		return false;
	}
	for (const char *p = text; *p != 0; p++) {
		port = port * 10 + (unsigned)(*p - '0');
	}
	*ret = (uint16_t)port;
	return port <= UINT16_MAX;
}

bool endpoint_parse(const char *text, struct endpoint *ret)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon != NULL ? (size_t)(colon - text) : 0;
	bool v6 = len > 2 && text[0] == '[' && text[len - 1] == ']';
	struct endpoint e = {.v6 = v6};
	char host[INET6_ADDRSTRLEN + 1];

	len -= v6 ? 2 : 0;
	if (colon == NULL || len == 0 || len >= sizeof(host) || !read_port(colon + 1, &e.port)) {
		return false;
	}
	memcpy(host, text + v6, len);
	host[len] = 0;
	if (inet_pton(v6 ? AF_INET6 : AF_INET, host, e.address) != 1) {
		return false;
	}
	*ret = e;
	return true;
}

bool endpoint_is_loopback(const struct endpoint *e)
{
	static const uint8_t one[16] = {[15] = 1};

	return e->v6 ? memcmp(e->address, one, sizeof(one)) == 0 : e->address[0] == 127;
}

void endpoint_write(const struct endpoint *e, char out[ENDPOINT_TEXT])
{
	char host[INET6_ADDRSTRLEN];

	if (inet_ntop(e->v6 ? AF_INET6 : AF_INET, e->address, host, sizeof(host)) == NULL) {
		host[0] = 0;
	}
	(void)snprintf(out, ENDPOINT_TEXT, "%s%s%s:%u", e->v6 ? "[" : "", host, e->v6 ? "]" : "", e->port);
}
