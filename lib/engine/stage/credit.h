/* lib/engine/stage/credit.h: which version of a prompt file wrote what. */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct fact;
struct run;
struct stage;
struct step;

/* Number of the versions of the prompt files in that step; 0: it has none. */
int credit_number(struct engine *e, const struct step *step, uint16_t *ret) MUST_CHECK;
/* Says in the fact which version (0: the pipeline's own text) wrote its fields; texts live as long as the turn. */
void credit_fact(struct engine *e, const struct stage *st, uint16_t prompt, struct fact *f);
void credit_count(struct run *r, const struct fact *f, bool passed);
