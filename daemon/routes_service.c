/* Services over the API: what they are at, and what an operator says to them. See routes.h. */
#include "daemon/routes.h"
#include "lib/base/json.h"
#include "lib/base/text.h"
#include "lib/engine/show/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct service *service_param(struct leadd *l, struct http_request *r)
{
	struct config *c = engine_config(l->engine);
	const char *name = http_param(r, "service"), *names[257] = {NULL}, *nearest;
	struct service *s = config_service(c, name);

	for (size_t i = 0; i < c->n_services && i < 256; i++) {
		names[i] = c->services[i]->name;
	}
	if (s == NULL) {
		nearest = text_nearest(name, names);
		http_reply_problem(r, 404, "not-found", "there is no service '%.80s'%s%s%s", name, nearest != NULL ? "; is '" : "",
		    nearest != NULL ? nearest : "", nearest != NULL ? "' meant?" : "");
	}
	return s;
}

void get_services(void *app, struct http_request *r)
{
	struct leadd *l = app;

	http_reply_json(r, 200, show_services(l->engine, clock_now()));
}

void get_service(void *app, struct http_request *r)
{
	struct leadd *l = app;

	if (service_param(l, r) != NULL) {
		reply_or_missing(r, show_service(l->engine, http_param(r, "service"), clock_now()), "service");
	}
}

static void on_service_command(struct leadd *l, struct http_request *r, struct command *c)
{
	if (c->rc != 0) {
		command_problem(r, c);
	} else {
		reply_or_missing(r, show_service(l->engine, c->service, clock_now()), "service");
	}
}

static void service_command(struct leadd *l, struct http_request *r, struct command *c)
{
	if (service_param(l, r) == NULL) {
		free(c);
		return;
	}
	(void)snprintf(c->service, sizeof(c->service), "%s", http_param(r, "service"));
	command_send(l, c, r, on_service_command);
}

void post_service_pause(void *app, struct http_request *r)
{
	service_command(app, r, command_new(COMMAND_SERVICE_PAUSE));
}

void post_service_resume(void *app, struct http_request *r)
{
	service_command(app, r, command_new(COMMAND_SERVICE_RESUME));
}

void post_service_reset(void *app, struct http_request *r)
{
	service_command(app, r, command_new(COMMAND_SERVICE_RESET));
}

/* The service has such a window; else a 404 that lists what it has. */
static bool window_known(struct http_request *r, const struct service *s, const char *label, const struct window_spec *window)
{
	struct buf known = {0};
	char text[48];

	for (size_t i = 0; i < s->n_limits; i++) {
		for (size_t w = 0; w < s->limits[i].n_windows; w++) {
			const struct window_spec *have = &s->limits[i].windows[w];

			if ((label == NULL || strcmp(label, s->limits[i].label) == 0) && have->kind == window->kind && have->length_us == window->length_us) {
				buf_free(&known);
				return true;
			}
			window_write(have, text);
			buf_printf(&known, "%s%s (limit '%s')", known.len > 0 ? ", " : "", text, s->limits[i].label);
		}
	}
	window_write(window, text);
	http_reply_problem(r, 404, "not-found", "'max': %s has no window of the length in %s%s%s%s; it has %s", s->name, text,
	    label != NULL ? " in the limit '" : "", label != NULL ? label : "", label != NULL ? "'" : "", known.len > 0 ? known.data : "none");
	buf_free(&known);
	return false;
}

void put_limit(void *app, struct http_request *r)
{
	struct json_object *body = http_body_json(r);
	const char *max = NULL, *label = NULL;
	struct window_spec window;
	struct lead_error err;
	struct service *s;
	struct command *c;

	if (body == NULL || (s = service_param(app, r)) == NULL) {
		return;
	}
	if (json_get_string(body, "max", "the limit", &max, &err) < 0 || json_get_string(body, "limit", "the limit", &label, &err) < 0) {
		http_reply_error(r, &err);
		return;
	}
	if (max == NULL || !window_parse(max, &window)) {
		http_reply_problem(r, 400, "bad-limit", "'max' is a count and a window, such as 40/60s or 10000/day");
		return;
	}
	if (!window_known(r, s, label, &window)) {
		return;
	}
	c = command_new(COMMAND_SERVICE_LIMIT);
	(void)snprintf(c->limit, sizeof(c->limit), "%s", label != NULL ? label : "");
	c->window = window;
	service_command(app, r, c);
}
