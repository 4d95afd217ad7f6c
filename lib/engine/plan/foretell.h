/*
 * lib/engine/plan/foretell.h: an engine that calls nobody.
 *
 * With engine_options.blind a granted call is not rendered: what earlier stages would have found out is not known. An
 * input counts as there when an earlier stage gives it; those that come with the row are looked at. The request
 * that `start` gets is empty, and the end of the call comes by engine_foretold instead of engine_answered. Everything else, from the
 * choice of the call to the ways of the item, is the engine's own. Used by plan.
 */
#pragma once

#include "lib/service/service.h"
#include "lib/store/tally.h"

struct engine;
struct gate;
struct run;
struct slot;
struct step;
struct view;

struct foretold {
	enum outcome_class outcome;
	enum tally_end end;  /* when it brings something: what the pipeline makes of it */
	int64_t price_micro; /* at most the call's ceiling */
};
void engine_foretold(struct engine *e, uint64_t call, const struct foretold *f, struct now now);

/* --- for grant_inputs.c and stage.c --- */

/* The first input that neither the record has nor an earlier stage gives; NULL when all are there. */
const char *foretell_missing(struct engine *e, const struct run *r, const struct slot *s, const struct step *step, const struct view *v);
/* The reason and the gate of a refusal after that pipeline stage, NULL when it passes. */
const char *foretell_gates(const struct run *r, int after, enum tally_end end, const struct gate **ret_gate);
/* Is there a gate that could end so? */
bool foretell_possible(const struct run *r, int after, enum tally_end end);
