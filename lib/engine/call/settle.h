/* lib/engine/call/settle.h: what an answer does to ledger, balances, breakers and item. */
#pragma once

struct answer;
struct call;
struct engine;
struct outcome;

void settle(struct engine *e, struct outcome *o);
/* The call has its result: ledger, balances, item. */
void settle_call(struct engine *e, struct outcome *o);
/* Only ledger, balances and statistics: of a poll. */
void settle_poll(struct engine *e, struct call *c, const struct answer *a);
