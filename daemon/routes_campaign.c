/* What can be started, and what starts by itself. See routes.h. */
#include "daemon/routes.h"
#include "lib/base/text.h"
#include "lib/engine/show/show.h"

#include <stdlib.h>

void get_campaigns(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct txn *t = read_begin(l, r);

	if (t != NULL) {
		http_reply_json(r, 200, show_campaigns(l->engine, t, clock_now()));
		txn_abort(t);
	}
}

void get_campaign(void *app, struct http_request *r)
{
	struct leadd *l = app;
	const struct config *c = engine_config(l->engine);
	const char *name = http_param(r, "campaign"), *nearest = NULL;
	const char **names = calloc(c->n_campaigns + 1, sizeof(*names));
	struct json_object *o;
	struct txn *t;

	for (size_t i = 0; names != NULL && i < c->n_campaigns; i++) {
		names[i] = c->campaigns[i].name;
	}
	nearest = names != NULL ? text_nearest(name, names) : NULL;
	free(names);
	if ((t = read_begin(l, r)) == NULL) {
		return;
	}
	o = show_campaign(l->engine, t, name, clock_now());
	txn_abort(t);
	if (o != NULL) {
		http_reply_json(r, 200, o);
	} else {
		http_reply_problem(r, 404, "not-found", "there is no campaign '%.80s'%s%s%s", name, nearest != NULL ? "; is '" : "",
		    nearest != NULL ? nearest : "", nearest != NULL ? "' meant?" : "");
	}
}
