/*
 * lib/store/account.h: balances of runs, campaigns, organisations and services, over all time and by period. settled + reserved + in doubt
 * never exceed a budget. Written in the same transaction as the calls (ledger.h) whose parts they are the sums of.
 */
#pragma once

#include "lib/store/ledger.h"

enum account_kind { ACCOUNT_RUN, ACCOUNT_CAMPAIGN, ACCOUNT_ORG, ACCOUNT_SERVICE };
enum account_period { PERIOD_TOTAL, PERIOD_DAY, PERIOD_MONTH };

struct account_id {
	enum account_kind kind;
	uint32_t owner;        /* run number, or number of a name */
	enum account_period period;
	int64_t start_us;      /* wall start of the period; 0 for PERIOD_TOTAL */
};

struct balance {
	int64_t settled_micro, reserved_micro, in_doubt_micro;
	int64_t refunded_micro; /* reserved and given back whole, for people */
	uint64_t calls[CALL_STATES];
};
bool account_read(struct txn *t, struct account_id id, struct balance *ret); /* zeros and false when new */
void account_write(struct txn *t, struct account_id id, const struct balance *b);
struct key account_key(struct account_id id);
/* From a walk over TABLE_ACCOUNT. */
bool account_decode(struct slice key, struct slice value, struct account_id *ret_id, struct balance *ret);
