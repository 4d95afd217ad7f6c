/*
 * Balances: which ones a call counts in, whether a budget still holds, and writing them once per turn.
 * Every call counts in its run, and in its campaign, organisation and service: for ever, in the day and in the month of
 * its reservation, so that a budget written down later knows what was spent before.
 */
#include "lib/engine/call/accounts.h"

#include "lib/engine/call/call.h"
#include "lib/engine/call/finish.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/config/config.h"
#include "lib/engine/run/run.h"
#include "lib/engine/state.h"

/* 0 to never for PERIOD_TOTAL. */
static void period_of(const struct engine *e, enum account_period period, int64_t wall_us, int64_t *ret_start_us, int64_t *ret_next_us)
{
	*ret_start_us = 0;
	*ret_next_us = TIME_NEVER;
	if (period == PERIOD_DAY) {
		zone_day(e->config->zone, wall_us, ret_start_us, ret_next_us);
	} else if (period == PERIOD_MONTH) {
		zone_month(e->config->zone, wall_us, ret_start_us, ret_next_us);
	}
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

static struct account *account_get(struct engine *e, struct account_id id)
{
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

static size_t add_periods(struct engine *e, enum account_kind kind, uint32_t owner, int64_t wall_us, struct account **ret)
{
	for (int p = PERIOD_TOTAL; p <= PERIOD_MONTH; p++) {
		struct account_id id = {.kind = kind, .owner = owner, .period = (enum account_period)p};
		int64_t next;

		period_of(e, id.period, wall_us, &id.start_us, &next);
		ret[p] = account_get(e, id);
	}
	return PERIOD_MONTH + 1;
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
		ret[n++] = account_get(e, (struct account_id){.kind = ACCOUNT_RUN, .owner = r->id});
		n += add_periods(e, ACCOUNT_CAMPAIGN, r->campaign_no, wall_us, ret + n);
		n += add_periods(e, ACCOUNT_ORG, r->org_no, wall_us, ret + n);
	}
	return n + add_periods(e, ACCOUNT_SERVICE, l->number, wall_us, ret + n);
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

static int64_t account_limit(struct engine *e, const struct account *a, const struct run *r, const struct lane *l)
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

/* Boot time: when the account begins anew and has room for the price; never where it has no next period, or less in all. */
static int64_t next_period(const struct engine *e, const struct account *a, int64_t price, int64_t limit)
{
	int64_t start, next;

	period_of(e, a->id.period, e->now.wall_us, &start, &next);
	return price > limit || next == TIME_NEVER ? TIME_NEVER : e->now.boot_us + (next - e->now.wall_us);
}

int64_t accounts_earliest(struct engine *e, struct run *r, struct lane *l, int64_t price, struct account **ret_short, int64_t *ret_limit)
{
	struct account *list[MAX_ACCOUNTS];
	size_t n = price > 0 ? accounts_for(e, r, l, e->now.wall_us, list) : 0;
	int64_t earliest_us = e->now.boot_us;

	*ret_short = NULL;
	for (size_t i = 0; i < n && earliest_us != TIME_NEVER; i++) {
		const struct balance *b = &list[i]->bal;
		int64_t limit = account_limit(e, list[i], r, l), next_us;

		if (limit < 0 || b->settled_micro + b->reserved_micro + b->in_doubt_micro + price <= limit) {
			continue;
		}
		next_us = next_period(e, list[i], price, limit);
		if (next_us > earliest_us) {
			earliest_us = next_us;
			*ret_short = list[i];
			*ret_limit = limit;
		}
	}
	return earliest_us;
}

/* What a lead would take of this account. */
static int64_t share_of(const struct account *a, int64_t all, int64_t here)
{
	return a->id.kind == ACCOUNT_SERVICE ? here : all;
}

int64_t accounts_start(struct engine *e, struct run *r, struct lane *l, int64_t all, int64_t here, struct account **ret_short, int64_t *ret_limit)
{
	struct account *list[MAX_ACCOUNTS];
	size_t n = accounts_for(e, r, l, e->now.wall_us, list);
	int64_t earliest_us = e->now.boot_us;

	*ret_short = NULL;
	for (size_t i = 0; i < n && earliest_us != TIME_NEVER; i++) {
		const struct balance *b = &list[i]->bal;
		int64_t limit = account_limit(e, list[i], r, l), price = share_of(list[i], all, here);
		int64_t next_us, left = limit - b->settled_micro - b->reserved_micro - b->in_doubt_micro - price;

		if (limit < 0 || price == 0 || (left >= 0 && finish_need(e, list[i], l) <= left)) {
			continue;
		}
		next_us = next_period(e, list[i], price, limit);
		if (next_us > earliest_us) {
			earliest_us = next_us;
			*ret_short = list[i];
			*ret_limit = limit;
		}
	}
	return earliest_us;
}

int64_t accounts_room(struct engine *e, struct run *r, struct lane *l)
{
	struct account *list[MAX_ACCOUNTS];
	size_t n = accounts_for(e, r, l, e->now.wall_us, list);
	int64_t room = TIME_NEVER;

	for (size_t i = 0; i < n; i++) {
		const struct balance *b = &list[i]->bal;
		int64_t limit = account_limit(e, list[i], r, l), left;

		if (limit >= 0) {
			left = limit - b->settled_micro - b->reserved_micro - b->in_doubt_micro;
			left = left > 0 ? left - finish_need(e, list[i], l) : 0;
			room = left < room ? left : room;
		}
	}
	return room;
}

bool accounts_over(struct engine *e, struct run *r, struct lane *l, int64_t all, int64_t here)
{
	struct account *list[MAX_ACCOUNTS];
	size_t n = accounts_for(e, r, l, e->now.wall_us, list);

	for (size_t i = 0; i < n; i++) {
		const struct balance *b = &list[i]->bal;
		int64_t limit = account_limit(e, list[i], r, l), price = share_of(list[i], all, here);
		int64_t gone = list[i]->id.period == PERIOD_TOTAL ? b->settled_micro + b->in_doubt_micro : 0;

		if (limit >= 0 && price > 0 && gone + price > limit) {
			return true;
		}
	}
	return false;
}

int64_t accounts_left(struct engine *e, struct run *r)
{
	struct account *list[MAX_ACCOUNTS] = {account_get(e, (struct account_id){.kind = ACCOUNT_RUN, .owner = r->id})};
	int64_t left = TIME_NEVER;
	size_t n = 1;

	n += add_periods(e, ACCOUNT_CAMPAIGN, r->campaign_no, e->now.wall_us, list + n);
	n += add_periods(e, ACCOUNT_ORG, r->org_no, e->now.wall_us, list + n);
	for (size_t i = 0; i < n; i++) {
		const struct balance *b = &list[i]->bal;
		int64_t limit = account_limit(e, list[i], r, NULL), here;

		if (limit >= 0 && list[i]->id.period == PERIOD_TOTAL) { /* days begin anew */
			here = limit - b->settled_micro - b->in_doubt_micro;
			left = here < left ? here : left;
		}
	}
	return left > 0 ? left : 0;
}

struct balance accounts_run(struct engine *e, const struct run *r)
{
	return account_get(e, (struct account_id){.kind = ACCOUNT_RUN, .owner = r->id})->bal;
}

void accounts_reserve_part(struct engine *e, const struct call *c, const struct call_part *p, int times)
{
	struct account *list[MAX_ACCOUNTS];
	size_t n = accounts_for(e, run_get(e, p->run), c->lane, c->row.granted_wall_us, list);

	for (size_t i = 0; i < n; i++) {
		list[i]->bal.reserved_micro += times * p->reserved_micro;
		list[i]->bal.calls[CALL_RESERVED] += p == &c->row.parts[0] ? (uint64_t)(int64_t)times : 0; /* counted where its first part is */
		list[i]->dirty = true;
	}
}

void accounts_reserve(struct engine *e, const struct call *c, int times)
{
	for (size_t i = 0; i < c->row.n_parts; i++) {
		accounts_reserve_part(e, c, i == 0 ? &c->row.parts[0] : &c->row.more[i - 1], times);
	}
}

void accounts_reserve_open(struct engine *e, int times)
{
	struct call *c, *next;

	HASH_ITER(hh, e->calls, c, next) {
		if (c->row.state == CALL_RESERVED) {
			accounts_reserve(e, c, times);
		}
	}
}

static bool on_account(void *arg, struct slice key, struct slice value)
{
	struct engine *e = arg;
	struct account_id id;
	struct balance b;

	if (account_decode(key, value, &id, &b) && (b.reserved_micro != 0 || b.calls[CALL_RESERVED] != 0)) {
		struct account *a = account_get(e, id);

		a->bal.reserved_micro = 0;
		a->bal.calls[CALL_RESERVED] = 0;
		a->dirty = true;
	}
	return true;
}

void accounts_restart(struct engine *e)
{
	txn_walk(e->txn, TABLE_ACCOUNT, key_of(), key_of(), on_account, e);
	accounts_reserve_open(e, 1);
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
