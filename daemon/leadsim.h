/* daemon/leadsim.h: what the program's files share. */
#pragma once

#include "daemon/leadsim_http.h"
#include "daemon/leadsim_later.h"

struct leadsim {
	struct event_base *base;
	struct world *world;
	struct sim_server *server;
	struct later_queue *later;
	const char *listen, *scenario_file, *report_file;
	int64_t seed, limit_factor; /* -1: as the scenario says */
	int ready_fd;
	bool any_address;
};

/* leadsim_own.c: answers requests below /_sim/; arg is struct leadsim. */
void leadsim_own(void *arg, const struct world_request *r, struct sim_reply *reply);
