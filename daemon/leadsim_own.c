/* daemon/leadsim_own.c: leadsim's own addresses below /_sim/: the report, and what a test changes while it runs. See leadsim(1), CONTROL. */
#include "daemon/leadsim.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/json.h"
#include "lib/sim/scenario.h"

static void reply_error(struct sim_reply *reply, int status, const char *text)
{
	reply->status = status;
	buf_reset(&reply->body);
	buf_add_text(&reply->body, "{\"error\":");
	json_write_string(&reply->body, text, strlen(text));
	buf_add_text(&reply->body, "}\n");
}

static bool has_flag(const struct world_request *r, const char *flag)
{
	return r->query != NULL && strstr(r->query, flag) != NULL;
}

static void own_report(struct leadsim *s, const struct world_request *r, struct sim_reply *reply)
{
	const struct world_report_options o = {
	    .full = has_flag(r, "full=1"), .no_bills = has_flag(r, "bills=0")};

	world_report(s->world, &o, &reply->body);
	buf_add_char(&reply->body, '\n');
}

static void own_health(struct leadsim *s, const struct world_request *r, struct sim_reply *reply)
{
	struct later_counts own = later_queue_counts(s->later);

	buf_printf(&reply->body, "{\"ok\":true,\"pid\":%d,\"connections\":%zu", (int)getpid(),
	    sim_server_connections(s->server));
	buf_printf(&reply->body,
	    ",\"callbacks\":{\"waiting\":%zu,\"delivered\":%zu,\"failed\":%zu}}\n", own.waiting,
	    own.delivered, own.failed);
}

static void own_reset(struct leadsim *s, const struct world_request *r, struct sim_reply *reply)
{
	if (world_reset(s->world) != 0) {
		reply_error(reply, 500, "out of memory");
		return;
	}
	later_queue_clear(s->later);
	buf_add_text(&reply->body, "{\"ok\":true}\n");
}

static void own_scenario(struct leadsim *s, const struct world_request *r, struct sim_reply *reply)
{
	struct scenario next = *world_scenario(s->world);
	struct lead_error err;

	if (scenario_parse("scenario", r->body, r->body_len, true, &next, &err) != 0) {
		reply_error(reply, 422, err.text);
		return;
	}
	world_swap(s->world, &next);
	buf_add_text(&reply->body, "{\"ok\":true}\n");
}

void leadsim_own(void *arg, const struct world_request *r, struct sim_reply *reply)
{
	static const struct {
		const char *method, *path;
		void (*handler)(
		    struct leadsim *s, const struct world_request *r, struct sim_reply *reply);
	} routes[] = {
	    {"GET", "/_sim/report", own_report},
	    {"GET", "/_sim/health", own_health},
	    {"POST", "/_sim/reset", own_reset},
	    {"POST", "/_sim/scenario", own_scenario},
	};

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(r->path, routes[i].path) == 0 &&
		    strcmp(r->method, routes[i].method) == 0) {
			routes[i].handler(arg, r, reply);
			return;
		}
	}
	reply_error(reply, 404,
	    "there are GET /_sim/report, GET /_sim/health, POST /_sim/reset, POST /_sim/scenario");
}
