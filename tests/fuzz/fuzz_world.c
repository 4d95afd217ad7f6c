/*
 * Any request to the simulated world: `METHOD PATH QUERY`, a line end, and the body; sent twice.
 *
 * Whatever comes, the answer has a status, headers of one line, and what says it is JSON is JSON.
 *
 * Compiled like fuzz_service.c.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/sim/scenario.h"

static const struct world_header sent[] = {{"Authorization", "Bearer k"}, {"x-api-key", "k"},
    {"apikey", "k"}, {"Prefer", "return=representation"}};

static struct world *new_world(void)
{
	struct scenario s;
	struct world *w;

	scenario_default(&s);
	s.people.count = 20;
	for (size_t i = 0; i < WORLD_SERVICES; i++) {
		s.services[i].n_limits = 0;
	}
	w = world_new(&s);
	if (w == NULL) {
		abort();
	}
	return w;
}

static void check(const struct world_plan *p)
{
	const char *type = "";

	if (p->end == WORLD_ANSWER && (p->status < 200 || p->status > 599)) {
		__builtin_trap();
	}
	for (size_t i = 0; i < p->n_headers; i++) {
		if (strpbrk(p->headers[i].value, "\r\n") != NULL) {
			__builtin_trap();
		}
		type = strcmp(p->headers[i].name, "Content-Type") == 0 ? p->headers[i].value : type;
	}
	if (strncmp(type, "application/json", 16) == 0 && p->body_len > 0 &&
	    json_check(p->body, p->body_len, 512, NULL) != 0) {
		__builtin_trap();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world *w;
	static unsigned uses;
	static char line[4096];
	const uint8_t *end = memchr(data, '\n', size);
	char *path, *query;

	if (end == NULL || (size_t)(end - data) >= sizeof(line)) {
		return 0;
	}
	memcpy(line, data, (size_t)(end - data));
	line[end - data] = '\0';
	path = strchr(line, ' ');
	if (path == NULL || path[1] != '/') {
		return 0;
	}
	*path++ = '\0';
	query = strchr(path, ' ');
	if (query != NULL) {
		*query++ = '\0';
	}
	if (w == NULL || uses++ % 100 == 0) { /* what is kept must not grow for ever */
		world_free(w);
		w = new_world();
	}
	for (int i = 0; i < 2; i++) {
		struct world_request r = {.method = line,
		    .path = path,
		    .query = query,
		    .headers = sent,
		    .n_headers = sizeof(sent) / sizeof(sent[0]),
		    .body = (const char *)end + 1,
		    .body_len = size - (size_t)(end + 1 - data)};
		struct world_plan p;

		world_handle(w, &r, (struct now){uses, INT64_C(1795305600000000) + uses}, &p);
		check(&p);
		world_delivered(w, p.token, (struct now){uses, INT64_C(1795305600000000) + uses});
	}
	return 0;
}
