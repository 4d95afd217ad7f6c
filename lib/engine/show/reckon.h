/*
 * lib/engine/show/reckon.h: what became of a run's money, lead by lead.
 *
 *   receipt  what was bought, wasted, saved, and what needs a person
 *   waste    money spent on leads that died of something that could have been known earlier, and what was missing to know it
 *
 * Both are counted from the leads and their facts alone, as of the turn they begin in, in slices of short transactions like
 * an export: a receipt's sums are those of the ledger without the calls that are still open.
 */
#pragma once

#include "lib/engine/engine.h"

struct json_object;
struct reckoning;
enum reckon_kind { RECKON_RECEIPT, RECKON_WASTE };

/* NULL: no such run, or no memory. */
struct reckoning *reckoning_new(struct engine *e, uint32_t run, enum reckon_kind kind);
/* Looks at up to `rows` more leads. false: that was the end, or it failed (err says so then). */
bool reckoning_next(struct reckoning *x, unsigned rows, struct lead_error *err);
/* The result, owned by the caller, in the shape of daemon/API.md. */
struct json_object *reckoning_json(struct reckoning *x, struct now now);
void reckoning_free(struct reckoning *x);
