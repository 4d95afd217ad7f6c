/* See chance.h. */
#include "lib/base/chance.h"

#include <math.h>

double chance_uniform(struct dice *d)
{
	return ((double)(dice_roll(d) >> 11) + 0.5) / 9007199254740992.0;
}

/* Box and Muller. */
double chance_normal(struct dice *d)
{
	double r = sqrt(-2 * log(chance_uniform(d)));

	return r * cos(2 * M_PI * chance_uniform(d));
}

/* Marsaglia and Tsang; below 1 by way of shape + 1. */
double chance_gamma(struct dice *d, double shape)
{
	double a = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / sqrt(9 * a);

	for (;;) {
		double x = chance_normal(d), v = 1 + c * x;

		v = v * v * v;
		if (v > 0 && log(chance_uniform(d)) < x * x / 2 + a - a * v + a * log(v)) {
			return shape < 1 ? a * v * pow(chance_uniform(d), 1 / shape) : a * v;
		}
	}
}
