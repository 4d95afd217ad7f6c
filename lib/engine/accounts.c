/*
 * Balances: which ones a call counts in, whether a budget still holds, and writing them once per turn.
 * Every call counts in its run, campaign, organisation and service; a day or a month only where one is budgeted.
 */
#include "lib/engine/state.h"

static int64_t period_start(struct engine *e, enum account_period period, int64_t wall_us)
{
	int64_t start = 0, next;

	if (period == PERIOD_DAY) {
		zone_day(e->config->zone, wall_us, &start, &next);
	} else if (period == PERIOD_MONTH) {
		zone_month(e->config->zone, wall_us, &start, &next);
	}
	return start;
}

/* Outside a turn (why, show) there is no transaction yet: a short one of its own. */
static void read_balance(struct engine *e, struct account *a)
{
	struct txn *t = e->txn;

	if (t == NULL && txn_begin(e->store, false, &t, NULL) != 0) {
		abort();
	}
	(void)account_read(t, a->id, &a->bal);
	if (e->txn == NULL) {
		txn_abort(t);
	}
}

struct account *account_get(struct engine *e, enum account_kind kind, uint32_t owner, enum account_period period, int64_t wall_us)
{
	struct account_id id = {.kind = kind, .owner = owner, .period = period, .start_us = period_start(e, period, wall_us)};
	struct key k = account_key(id);
	struct account *a = NULL;

	HASH_FIND(hh, e->accounts, k.bytes, k.len, a);
	if (a == NULL) {
		a = calloc(1, sizeof(*a));
		if (a == NULL) {
			abort(); /* a balance that is not counted would be money: better to restart */
		}
		a->id = id;
		memcpy(a->key, k.bytes, k.len);
		a->key_len = k.len;
		read_balance(e, a);
		HASH_ADD_KEYPTR(hh, e->accounts, a->key, a->key_len, a);
	}
	return a;
}

static size_t add_periods(struct engine *e, enum account_kind kind, uint32_t owner, const struct budget *b, int64_t wall_us, struct account **ret)
{
	size_t n = 0;

	ret[n++] = account_get(e, kind, owner, PERIOD_TOTAL, wall_us);
	if (b != NULL && b->day_micro >= 0) {
		ret[n++] = account_get(e, kind, owner, PERIOD_DAY, wall_us);
	}
	if (b != NULL && b->month_micro >= 0) {
		ret[n++] = account_get(e, kind, owner, PERIOD_MONTH, wall_us);
	}
	return n;
}

static const struct budget *org_budget(const struct config *c, const struct campaign *m)
{
	for (size_t i = 0; m != NULL && i < c->n_orgs; i++) {
		if (strcmp(c->orgs[i].name, m->organisation) == 0) {
			return &c->orgs[i].budget;
		}
	}
	return NULL;
}

static size_t find_accounts(struct engine *e, struct run *r, struct lane *l, int64_t wall_us, struct account *ret[MAX_ACCOUNTS])
{
	size_t n = 0;

	if (r != NULL) {
		ret[n++] = account_get(e, ACCOUNT_RUN, r->id, PERIOD_TOTAL, wall_us);
		n += add_periods(e, ACCOUNT_CAMPAIGN, r->campaign_no, r->campaign != NULL ? &r->campaign->budget : NULL, wall_us, ret + n);
		n += add_periods(e, ACCOUNT_ORG, r->org_no, org_budget(e->config, r->campaign), wall_us, ret + n);
	}
	return n + add_periods(e, ACCOUNT_SERVICE, l->number, l->budget, wall_us, ret + n);
}

/* Asked three times for each call: the last answer is kept. */
size_t accounts_for(struct engine *e, struct run *r, struct lane *l, int64_t wall_us, struct account *ret[MAX_ACCOUNTS])
{
	struct account_memo *m = &l->accounts;
	uint32_t run = r != NULL ? r->id : 0;

	if (m->n == 0 || m->run != run || m->generation != e->config->generation || m->drops != e->accounts_dropped ||
	    wall_us < m->from_us || wall_us >= m->until_us) {
		m->run = run;
		m->generation = e->config->generation;
		m->drops = e->accounts_dropped;
		zone_day(e->config->zone, wall_us, &m->from_us, &m->until_us);
		m->n = find_accounts(e, r, l, wall_us, m->list);
	}
	memcpy(ret, m->list, m->n * sizeof(ret[0]));
	return m->n;
}

static int64_t of_period(const struct budget *b, enum account_period period)
{
	if (b == NULL) {
		return -1;
	}
	return period == PERIOD_TOTAL ? b->total_micro : period == PERIOD_DAY ? b->day_micro : b->month_micro;
}

int64_t account_limit(struct engine *e, const struct account *a, const struct run *r, const struct lane *l)
{
	switch (a->id.kind) {
	case ACCOUNT_RUN:
		return r->row.budget_micro;
	case ACCOUNT_CAMPAIGN:
		return of_period(r->campaign != NULL ? &r->campaign->budget : NULL, a->id.period);
	case ACCOUNT_ORG:
		return of_period(org_budget(e->config, r->campaign), a->id.period);
	default:
		return of_period(l->budget, a->id.period);
	}
}

struct account *accounts_short(struct engine *e, struct run *r, struct lane *l, int64_t price, int64_t *ret_limit)
{
	struct account *list[MAX_ACCOUNTS];
	size_t n = price > 0 ? accounts_for(e, r, l, e->now.wall_us, list) : 0;

	for (size_t i = 0; i < n; i++) {
		const struct balance *b = &list[i]->bal;
		int64_t limit = account_limit(e, list[i], r, l);

		if (limit >= 0 && b->settled_micro + b->reserved_micro + b->in_doubt_micro + price > limit) {
			*ret_limit = limit;
			return list[i];
		}
	}
	return NULL;
}

void accounts_write(struct engine *e)
{
	struct account *a, *next;

	HASH_ITER(hh, e->accounts, a, next) {
		if (a->dirty) {
			account_write(e->txn, a->id, &a->bal);
			a->dirty = false;
		}
	}
}

void accounts_drop(struct engine *e)
{
	struct account *a, *next;

	e->accounts_dropped++;
	HASH_ITER(hh, e->accounts, a, next) {
		HASH_DEL(e->accounts, a);
		free(a);
	}
}
