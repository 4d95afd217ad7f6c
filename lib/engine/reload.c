/*
 * Another configuration, all of it, at one moment. What is under way goes on as it was granted; windows, breakers and quotas stay, as far as
 * their keys are there; runs are bound to the pipelines as they are now. A process that cannot do it to the end is better started anew.
 */
#include "lib/engine/command.h"

#include "lib/engine/call/accounts.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/call/override.h"
#include "lib/engine/item/inbox.h"
#include "lib/engine/load.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"

/* What the configuration has no more. True: a service, a key, a limit is there (again) that has no windows yet. */
static bool leave_lanes(struct engine *e, struct config *old)
{
	bool back = false;

	for (size_t i = 0; i < e->n_lanes; i++) {
		if (config_service(e->config, e->lanes[i]->name) == NULL) {
			e->lanes[i]->share.n = 0; /* nothing is granted there any more; calls in flight end as they are */
			e->lanes[i]->budget = NULL;
			e->lanes[i]->last = e->lanes[i]->last != NULL ? e->lanes[i]->last : config_ref(old);
		}
		back = back || e->lanes[i]->n_fresh > 0;
	}
	return back;
}

void command_reload(struct engine *e, struct command *c)
{
	struct config *old = e->config;
	struct run *r, *next;
	int rc;

	accounts_reserve_open(e, -1); /* a campaign may change its organisation, a day its beginning */
	config_keep(c->config, old);
	e->config = c->config;
	c->config = NULL;
	rc = lanes_bind(e, e->config, &c->err);
	if (rc != 0) {
		abort(); /* out of memory half way: the restart reads the new configuration */
	}
	if (leave_lanes(e, old) && load_windows(e, &c->err) != 0) {
		abort();
	}
	overrides_drop(e);
	e->answers_us = e->outbox_us = e->agenda_us = 0;
	inbox_reload(e);
	HASH_ITER(hh, e->runs, r, next) {
		run_bind(e, r);
		if (r->row.state == RUN_RUNNING || r->row.state == RUN_PAUSED) { /* the others are as they were: not thousands of rows to write */
			run_touch(r);
		}
	}
	accounts_reserve_open(e, 1);
	config_unref(old);
	command_answer(e, c);
}
