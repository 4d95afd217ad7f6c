/* lib/engine/call/accounts.h: what is spent, reserved and in doubt, by budget: and whether there is room for more. */
#pragma once

#include "lib/base/uthash.h"
#include "lib/store/account.h"
#include "lib/store/ledger.h"

struct call;
struct engine;
struct lane;
struct run;

#define MAX_ACCOUNTS 12

struct account {
	struct account_id id;
	struct balance bal;
	bool dirty;
	char key[24];
	size_t key_len;
	UT_hash_handle hh;
};

/* What accounts_for found last for a service: calls of one run and one day come in rows. */
struct account_memo {
	uint32_t run;
	uint64_t generation, drops;      /* of the configuration; of the accounts */
	int64_t from_us, until_us;       /* the day, wall clock */
	size_t n;                        /* 0: nothing yet */
	struct account *list[MAX_ACCOUNTS];
};

size_t accounts_for(struct engine *e, struct run *r, struct lane *l, int64_t wall_us, struct account *ret[MAX_ACCOUNTS]);
/* When all budgets hold `price` more: now, the next day or month, or never. ret_short: the one that is waited for, NULL when none is. */
int64_t accounts_earliest(struct engine *e, struct run *r, struct lane *l, int64_t price, struct account **ret_short, int64_t *ret_limit);
/*
 * The same for a lead that is not begun: `all` is what it may cost in all, `here` of that at this service. Besides it every
 * budget must hold what the leads begun still need.
 */
int64_t accounts_start(struct engine *e, struct run *r, struct lane *l, int64_t all, int64_t here, struct account **ret_short,
    int64_t *ret_limit);
/* How much of all budgets is neither spent, reserved nor needed by leads begun; TIME_NEVER: there is none. */
int64_t accounts_room(struct engine *e, struct run *r, struct lane *l);
/* No settling of calls and no new day will ever make room for it: some budget would have to be raised. */
bool accounts_over(struct engine *e, struct run *r, struct lane *l, int64_t all, int64_t here);
/* What the run, its campaign and its organisation may still reserve; TIME_NEVER: as much as they like. */
int64_t accounts_left(struct engine *e, struct run *r);
struct balance accounts_run(struct engine *e, const struct run *r);
/* Takes what a call may cost into every balance it counts in; times -1: out again. */
void accounts_reserve(struct engine *e, const struct call *c, int times);
void accounts_reserve_part(struct engine *e, const struct call *c, const struct call_part *p, int times);
/* The same for all unsettled calls: out before the configuration changes, in again after it. */
void accounts_reserve_open(struct engine *e, int times);
/* What is reserved follows from the open calls alone, under whatever configuration there is now. */
void accounts_restart(struct engine *e);
void accounts_write(struct engine *e);
void accounts_drop(struct engine *e);
