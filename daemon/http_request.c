/* daemon/http_request.c: what the application reads of a request: path, query, headers, body. See http.h. */
#include "daemon/http_internal.h"

#include "lib/base/json.h"

#include <string.h>

#include <event2/buffer.h>
#include <json-c/json.h>

static const char *find(const struct http_pair *pairs, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(pairs[i].name, name) == 0) {
			return pairs[i].value;
		}
	}
	return NULL;
}

const char *http_param(struct http_request *r, const char *name)
{
	return find(r->params, r->n_params, name);
}

const char *http_query(struct http_request *r, const char *name)
{
	return find(r->query, r->n_query, name);
}

const char *http_header(struct http_request *r, const char *name)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		if (strcasecmp(r->headers[i].name, name) == 0) {
			return r->headers[i].value;
		}
	}
	return NULL;
}

const void *http_body(struct http_request *r, size_t *ret_len)
{
	*ret_len = r->body != NULL ? evbuffer_get_length(r->body) : 0;
	return *ret_len > 0 ? (const void *)evbuffer_pullup(r->body, -1) : "";
}

struct json_object *http_body_json(struct http_request *r)
{
	struct http_fault fault;
	struct lead_error err;
	const char *text;
	size_t len;

	if (r->json != NULL) {
		return r->json;
	}
	text = http_body(r, &len);
	if (len == 0) {
		r->json = json_object_new_object();
	} else if (json_parse(text, len, &r->json, &err) != 0) {
		http_reply_problem(r, 400, "bad-json", "the body is not JSON: %s", err.text);
		return NULL;
	}
	if (!json_object_is_type(r->json, json_type_object)) {
		http_reply_problem(r, 400, "bad-json", "the body must be a JSON object");
		return NULL;
	}
	json_object_object_foreach(r->json, name, value)
	{
		(void)value;
		if (r->route->body != NULL && !http_name_known(r, r->route->body, "field", name, &fault)) {
			http_reply_problem(r, fault.status, fault.code, "%s", fault.detail);
			return NULL;
		}
	}
	return r->json;
}

uid_t http_peer_uid(struct http_request *r)
{
	return r->uid;
}

static bool parse_uint(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	for (const char *p = text; *p != '\0'; p++) {
		unsigned digit = (unsigned char)*p - '0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10) {
			return false;
		}
		value = value * 10 + digit;
	}
	if (text[0] == '\0' || value < min || value > max) {
		return false;
	}
	*ret = value;
	return true;
}

bool http_param_uint(
    struct http_request *r, const char *name, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *text = http_param(r, name);

	if (text != NULL && !parse_uint(text, min, max, ret)) {
		http_reply_problem(r, 404, "not-found", "there is no %s %s", name, text);
		return false;
	}
	return true;
}

bool http_query_uint(
    struct http_request *r, const char *name, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *text = http_query(r, name);

	if (text != NULL && !parse_uint(text, min, max, ret)) {
		http_reply_problem(r, 400, "bad-parameter",
		    "%s must be a whole number from %llu to %llu", name, (unsigned long long)min,
		    (unsigned long long)max);
		return false;
	}
	return true;
}
