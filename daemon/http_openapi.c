/* daemon/http_openapi.c: the table of routes as an OpenAPI 3.1 document. */
#include "daemon/http.h"

#include "lib/base/text.h"

#include <string.h>

#include <json-c/json.h>

static void add(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

/* {name: value}, given to o under key */
static struct json_object *child(struct json_object *o, const char *key)
{
	struct json_object *c = json_object_new_object();

	json_object_object_add(o, key, c);
	return c;
}

static struct json_object *parameters(const char *pattern)
{
	struct json_object *list = json_object_new_array();

	for (const char *p = strchr(pattern, '{'); p != NULL; p = strchr(p + 1, '{')) {
		struct json_object *one = json_object_new_object();
		size_t len = strcspn(p + 1, "}");

		json_object_object_add(one, "name", json_object_new_string_len(p + 1, (int)len));
		add(one, "in", "path");
		json_object_object_add(one, "required", json_object_new_boolean(1));
		add(child(one, "schema"), "type", "string");
		json_object_array_add(list, one);
	}
	return list;
}

/* Each name of a list with blanks between; f gets an owned text. */
static void each_name(const char *names,
    void (*f)(struct json_object *to, struct json_object *name), struct json_object *to)
{
	for (const char *p = names != NULL ? names : ""; *p != '\0';) {
		size_t len = strcspn(p, " ");

		f(to, json_object_new_string_len(p, (int)len));
		p += len + strspn(p + len, " ");
	}
}

static void add_query(struct json_object *list, struct json_object *name)
{
	struct json_object *one = json_object_new_object();

	json_object_object_add(one, "name", name);
	add(one, "in", "query");
	add(child(one, "schema"), "type", "string");
	json_object_array_add(list, one);
}

static void add_member(struct json_object *properties, struct json_object *name)
{
	json_object_object_add(properties, json_object_get_string(name), json_object_new_object());
	json_object_put(name);
}

static void add_problem(struct json_object *responses)
{
	struct json_object *o = child(responses, "default");

	add(o, "description", "what went wrong");
	o = child(child(child(o, "content"), "application/problem+json"), "schema");
	add(o, "$ref", "#/components/schemas/Problem");
}

/* `get_v1_runs_run`: stable as long as the path is */
static void add_id(struct json_object *o, const struct route *route)
{
	struct buf id = {0};

	buf_add_text(&id, route->method);
	for (const char *p = route->pattern; *p != '\0'; p++) {
		if (strchr("{}", *p) == NULL) {
			buf_add_char(&id, strchr("/.-", *p) != NULL ? '_' : *p);
		}
	}
	if (id.data != NULL && !id.failed) {
		text_lower(id.data, id.len);
		add(o, "operationId", id.data);
	}
	buf_free(&id);
}

static void add_operation(struct json_object *path, const struct route *route)
{
	static const char *const rights[] = {[HTTP_READ] = "read", [HTTP_OPERATE] = "operate", [HTTP_ADMIN] = "admin", [HTTP_APPROVE] = "approve",
	    [HTTP_INTAKE] = "intake", [HTTP_PUBLIC] = "public"};
	struct json_object *o, *list;
	char method[8] = "";

	strncpy(method, route->method, sizeof(method) - 1);
	text_lower(method, strlen(method));
	o = child(path, method);
	add_id(o, route);
	add(o, "summary", route->summary);
	add(o, "x-right", rights[route->right]);
	list = parameters(route->pattern);
	each_name(route->query, add_query, list);
	if (json_object_array_length(list) > 0) {
		json_object_object_add(o, "parameters", list);
	} else {
		json_object_put(list);
	}
	if (strcmp(route->method, "POST") == 0) {
		struct json_object *body = child(child(o, "requestBody"), "content");

		body = child(child(body, "application/json"), "schema");
		add(body, "type", "object");
		if (route->body != NULL) {
			each_name(route->body, add_member, child(body, "properties"));
			json_object_object_add(
			    body, "additionalProperties", json_object_new_boolean(0));
		}
	} else if (strcmp(route->method, "PUT") == 0) {
		struct json_object *body = child(child(o, "requestBody"), "content");

		child(child(body, "*/*"), "schema");
	}
	o = child(o, "responses");
	add(child(o, "2XX"), "description", "done");
	add_problem(o);
}

static void add_components(struct json_object *doc)
{
	static const char *const fields[] = {"type", "title", "code", "detail", NULL};
	struct json_object *problem = child(child(child(doc, "components"), "schemas"), "Problem");
	struct json_object *properties;

	add(problem, "type", "object");
	properties = child(problem, "properties");
	for (size_t i = 0; fields[i] != NULL; i++) {
		add(child(properties, fields[i]), "type", "string");
	}
	add(child(properties, "status"), "type", "integer");
}

struct json_object *http_openapi(const struct route *routes, const char *version)
{
	struct json_object *doc = json_object_new_object();
	struct json_object *info, *paths, *path;

	add(doc, "openapi", "3.1.0");
	info = child(doc, "info");
	add(info, "title", "leadd control API");
	add(info, "version", version);
	paths = child(doc, "paths");
	for (; routes->method != NULL; routes++) {
		if (!json_object_object_get_ex(paths, routes->pattern, &path)) {
			path = child(paths, routes->pattern);
		}
		add_operation(path, routes);
	}
	add_components(doc);
	return doc;
}
