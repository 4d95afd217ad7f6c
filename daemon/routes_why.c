/* Why a lead, a run or a service waits, over the API. See routes.h. */
#include "daemon/routes.h"
#include "lib/engine/show/show.h"

void get_why_lead(void *app, struct http_request *r)
{
	struct leadd *l = app;
	uint64_t run = 0, lead = 0;
	struct txn *t;

	if (!lead_params(r, &run, &lead) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	reply_or_missing(r, why_lead(l->engine, t, (uint32_t)run, (uint32_t)lead, clock_now()), "lead");
	txn_abort(t);
}

void get_why_run(void *app, struct http_request *r)
{
	struct leadd *l = app;
	uint64_t run = 0;
	struct txn *t;

	if (!http_param_uint(r, "run", 1, UINT32_MAX, &run) || (t = read_begin(l, r)) == NULL) {
		return;
	}
	reply_or_missing(r, why_run(l->engine, t, (uint32_t)run, clock_now()), "run");
	txn_abort(t);
}

void get_why_service(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct txn *t = service_param(l, r) != NULL ? read_begin(l, r) : NULL;

	if (t != NULL) {
		reply_or_missing(r, why_service(l->engine, t, http_param(r, "service"), clock_now()), "service");
		txn_abort(t);
	}
}
