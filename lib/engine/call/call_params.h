/* lib/engine/call/call_params.h: what a stage gives its call: values by name, over a record. */
#pragma once

#include "lib/engine/config/pipeline.h"

#define PARAMS 32

/* With room for `page`, and `items` of a batch. */
struct params {
	struct fact_field list[PARAMS + 2];
	size_t n;
};

struct value params_field(const void *ctx, const char *name, size_t len);
/* For expressions; p lives as long. */
struct expr_source params_source(const struct params *p);

/* Those of a step over a record, out of the store's pages into a. 0 or an enum lead_err. */
int params_eval(const struct step *step, const struct expr_source *record, struct arena *a, struct params *ret, struct lead_error *err) MUST_CHECK;
/* One more, of JSON. LEAD_ENOMEM: no room, or json is NULL. */
int params_add(struct params *p, const char *name, const char *json) MUST_CHECK;
/* The first page, as an answer would name the next one; NULL: no memory. */
const char *params_first_page(const struct service_call *call, struct arena *a);

/* The first of these that is blank, from *at on; NULL: none. What the call itself can do without is not missed. */
const char *params_missing(const struct service_call *call, const struct params *p, size_t *at);
