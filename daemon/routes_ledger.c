/* Calls and their sums over the API. See routes.h. */
#include "daemon/routes.h"
#include "lib/base/ids.h"
#include "lib/engine/show/show.h"
#include "lib/store/ledger.h"

void get_ledger(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct call_filter f = {.service = http_query(r, "service")};
	const char *state = http_query(r, "state"), *cursor = http_query(r, "cursor");
	uint64_t run = 0, limit;
	enum call_state s;
	struct txn *t;

	if (!http_query_uint(r, "run", 1, UINT32_MAX, &run) || !list_limit(r, &limit) || (run != 0 && !run_known(l, r, run))) {
		return;
	}
	if (state != NULL && state[0] != 0) {
		if (!call_state_parse(state, &s)) {
			http_reply_problem(r, 400, "bad-state", "'state' is one of reserved, sent, settled, refunded, in-doubt");
			return;
		}
		f.states = 1u << s;
	}
	if (f.service != NULL && !show_service_known(l->engine, f.service)) {
		http_reply_problem(r, 400, "bad-service", "'service': there has never been a service '%.60s'", f.service);
		return;
	}
	if (cursor != NULL && !ids_parse(cursor, &f.before)) {
		http_reply_problem(r, 400, "bad-cursor", "'cursor' is what 'next' of the page before said");
		return;
	}
	f.run = (uint32_t)run;
	f.limit = (unsigned)limit;
	t = read_begin(l, r);
	if (t != NULL) {
		http_reply_json(r, 200, show_ledger(l->engine, t, &f));
		txn_abort(t);
	}
}

void get_summary(void *app, struct http_request *r)
{
	struct leadd *l = app;
	uint64_t run = 0;
	struct txn *t;

	if (!http_query_uint(r, "run", 1, UINT32_MAX, &run) || (run != 0 && !run_known(l, r, run)) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	http_reply_json(r, 200, show_ledger_summary(l->engine, t, (uint32_t)run));
	txn_abort(t);
}
