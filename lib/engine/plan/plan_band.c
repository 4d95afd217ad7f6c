/* What lies in the middle of all repetitions, and between which bounds nine of ten nights lie. */

#include "lib/engine/plan/plan_night.h"

#include <math.h>
#include <stdlib.h>

#define BAND_LEAST 20 /* repetitions from which the band is read off them; with fewer it is reckoned from their spread */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* t-quantiles for 97.5 % with n - 1 degrees of freedom, for one more night beside n of them. */
static double widen(size_t n)
{
	static const double t[] = {12.71, 12.71, 12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26};

	return (n < sizeof(t) / sizeof(t[0]) ? t[n] : 2.1) * sqrt(1 + 1 / (double)n);
}

struct plan_band plan_band(double *values, size_t n)
{
	struct plan_band b = {0};
	double square = 0, spread;

	qsort(values, n, sizeof(values[0]), by_value);
	for (size_t i = 0; i < n; i++) {
		b.mean += values[i] / (double)n;
	}
	b.median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
	if (n >= BAND_LEAST) {
		size_t out = n < 79 ? 1 : (n + 1) / 40; /* half of what may lie beyond either end: what nobody knows has its part in it, too */

		b.early = values[out - 1];
		b.late = values[n - out];
		return b;
	}
	for (size_t i = 0; i < n; i++) {
		square += (values[i] - b.mean) * (values[i] - b.mean);
	}
	spread = widen(n) * (n > 1 ? sqrt(square / (double)(n - 1)) : 0);
	b.early = b.median > spread ? b.median - spread : 0;
	b.late = b.median + spread;
	return b;
}
