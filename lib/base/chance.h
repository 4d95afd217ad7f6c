/* lib/base/chance.h: numbers drawn from distributions, by dice that come from outside (ids.h). */
#pragma once

#include "lib/base/ids.h"

/* In (0, 1). */
double chance_uniform(struct dice *d);
/* Mean 0, deviation 1. */
double chance_normal(struct dice *d);
/* Gamma with scale 1; shape above 0. Several of them, divided by their sum, are a draw from a Dirichlet distribution. */
double chance_gamma(struct dice *d, double shape);
