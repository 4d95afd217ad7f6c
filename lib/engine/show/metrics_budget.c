/* Metrics of budgets that are set: what they are, and what counts against each in its present period. See metrics.c. */
#include "lib/engine/show/metrics_parts.h"

#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/store/account.h"
#include "lib/store/names.h"

enum budget_value { BUDGET_LIMIT, BUDGET_SETTLED, BUDGET_RESERVED, BUDGET_IN_DOUBT };

struct budget_owner {
	enum account_kind kind;
	const char *scope, *name;
	uint32_t owner;             /* 0: nothing was ever spent under the name */
	const struct budget *budget;
};

static double balance_of(struct engine *e, struct txn *t, const struct budget_owner *o, enum account_period period, enum budget_value what,
    struct now now)
{
	struct account_id id = {.kind = o->kind, .owner = o->owner, .period = period};
	struct balance b = {0};
	int64_t next;

	if (period == PERIOD_DAY) {
		zone_day(e->config->zone, now.wall_us, &id.start_us, &next);
	} else if (period == PERIOD_MONTH) {
		zone_month(e->config->zone, now.wall_us, &id.start_us, &next);
	}
	if (o->owner != 0) {
		(void)account_read(t, id, &b);
	}
	return (double)(what == BUDGET_SETTLED ? b.settled_micro : what == BUDGET_RESERVED ? b.reserved_micro : b.in_doubt_micro);
}

/* Only of budgets that are set. */
static void put_budget(struct engine *e, struct txn *t, const struct budget_owner *o, bool limit, const char *name, struct now now,
    struct buf *out)
{
	static const char *const periods[] = {"total", "day", "month"};
	static const char *const states[] = {"", "settled", "reserved", "in-doubt"};
	const int64_t limits[] = {o->budget->total_micro, o->budget->day_micro, o->budget->month_micro};

	for (int p = PERIOD_TOTAL; p <= PERIOD_MONTH; p++) {
		if (limits[p] < 0) {
			continue;
		}
		if (limit) {
			prometheus_sample(out, name,
			    LABELS("scope", o->scope, "name", o->name, "period", periods[p], "currency", e->config->currency), (double)limits[p]);
		}
		for (int s = BUDGET_SETTLED; !limit && s <= BUDGET_IN_DOUBT; s++) {
			prometheus_sample(out, name,
			    LABELS("scope", o->scope, "name", o->name, "period", periods[p], "state", states[s], "currency", e->config->currency),
			    balance_of(e, t, o, (enum account_period)p, (enum budget_value)s, now));
		}
	}
}

static void each_budget(struct engine *e, struct txn *t, bool limit, const char *name, struct now now, struct buf *out)
{
	const struct config *c = e->config;

	for (size_t i = 0; i < c->n_campaigns; i++) {
		struct budget_owner o = {ACCOUNT_CAMPAIGN, "campaign", c->campaigns[i].name,
		    names_find(e->names, NAME_OWNER, c->campaigns[i].name), &c->campaigns[i].budget};

		put_budget(e, t, &o, limit, name, now, out);
	}
	for (size_t i = 0; i < c->n_orgs; i++) {
		char org[RUN_TEXT];
		struct budget_owner o = {ACCOUNT_ORG, "organisation", c->orgs[i].name, 0, &c->orgs[i].budget};

		o.owner = names_find(e->names, NAME_OWNER, run_org_name(c->orgs[i].name, org));
		put_budget(e, t, &o, limit, name, now, out);
	}
	for (size_t i = 0; i < c->n_services; i++) {
		struct budget_owner o = {ACCOUNT_SERVICE, "service", c->services[i]->name,
		    names_find(e->names, NAME_SERVICE, c->services[i]->name), &c->service_budgets[i]};

		put_budget(e, t, &o, limit, name, now, out);
	}
}

void metrics_budgets(struct engine *e, struct txn *t, struct now now, struct buf *out)
{
	prometheus_family(out, "leadd_budget_limit_micro", PROMETHEUS_GAUGE, "Budgets that are set, in millionths of the currency.");
	each_budget(e, t, true, "leadd_budget_limit_micro", now, out);
	prometheus_family(out, "leadd_budget_used_micro", PROMETHEUS_GAUGE,
	    "What counts against a budget in its present period, in millionths of the currency.");
	each_budget(e, t, false, "leadd_budget_used_micro", now, out);
}
