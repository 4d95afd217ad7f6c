/* daemon/leadsim_parse.c: HTTP/1.1 heads, strictly: what could be read in two ways is refused. */
#include "daemon/leadsim_parse.h"

#include <string.h>
#include <strings.h>

size_t sim_body_bytes(const char *head, size_t len, bool *ret_expect)
{
	size_t body = 0;
	bool seen = false;

	*ret_expect = false;
	for (const char *p = memchr(head, '\n', len); p != NULL && p + 1 < head + len;
	     p = memchr(p + 1, '\n', (size_t)(head + len - p - 1))) {
		const char *line = p + 1;

		if (strncasecmp(line, "Transfer-Encoding:", 18) == 0) {
			return SIZE_MAX;
		}
		*ret_expect = *ret_expect || strncasecmp(line, "Expect: 100", 11) == 0;
		if (strncasecmp(line, "Content-Length:", 15) != 0) {
			continue;
		}
		for (line += 15; *line == ' ' || *line == '\t'; line++) {
		}
		if (seen || *line < '0' || *line > '9') {
			return SIZE_MAX;
		}
		for (seen = true; *line >= '0' && *line <= '9' && body <= SIM_BODY_BYTES_MAX;
		     line++) {
			body = body * 10 + (size_t)(*line - '0');
		}
		if ((*line != '\r' && *line != ' ') || body > SIM_BODY_BYTES_MAX) {
			return SIZE_MAX;
		}
	}
	return body;
}

/* Cuts the next line off and ends it with NUL. The head ends with an empty line, so there is always
 * one. */
static char *next_line(char **p)
{
	char *line = *p, *end = strchr(line, '\n');

	*p = end + 1;
	*end = '\0';
	if (end > line && end[-1] == '\r') {
		end[-1] = '\0';
	}
	return line;
}

static bool parse_headers(char *p, struct sim_request *ret)
{
	char *line;

	while (*(line = next_line(&p)) != '\0') {
		char *colon = strchr(line, ':'), *value, *end;

		if (colon == NULL || colon == line || ret->r.n_headers == SIM_HEADERS_MAX) {
			return false;
		}
		*colon = '\0';
		for (value = colon + 1; *value == ' ' || *value == '\t'; value++) {
		}
		for (end = value + strlen(value);
		     end > value && (end[-1] == ' ' || end[-1] == '\t'); *--end = '\0') {
		}
		ret->headers[ret->r.n_headers++] = (struct world_header){line, value};
		if (strcasecmp(line, "Host") == 0) {
			ret->r.host = value;
		} else if (strcasecmp(line, "Connection") == 0) {
			ret->close = strcasecmp(value, "close") == 0;
		}
	}
	return true;
}

bool sim_parse(char *head, struct sim_request *ret)
{
	char *p = head, *line = next_line(&p), *path = strchr(line, ' '),
	     *version = path != NULL ? strchr(path + 1, ' ') : NULL, *query;

	*ret = (struct sim_request){.r = {.headers = ret->headers}};
	if (version == NULL || path[1] != '/' || strncmp(version + 1, "HTTP/1.", 7) != 0) {
		return false;
	}
	*path++ = '\0';
	*version++ = '\0';
	ret->close = strcmp(version, "HTTP/1.0") == 0;
	ret->r.method = line;
	ret->r.path = path;
	query = strchr(path, '?');
	if (query != NULL) {
		*query = '\0';
		ret->r.query = query + 1;
	}
	return parse_headers(p, ret);
}
