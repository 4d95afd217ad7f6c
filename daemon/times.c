/* How long things took: what the status and the metrics tell of turns and commits. See leadd.h. */
#include "daemon/leadd.h"

void times_add(struct times *t, int64_t us)
{
	double edge = 50;
	int i = 0;

	while (i < TIMES_BUCKETS - 1 && (double)us > edge) {
		edge *= 1.25;
		i++;
	}
	t->buckets[i]++;
	t->n++;
	t->sum_us += us > 0 ? us : 0;
	t->max_us = us > t->max_us ? us : t->max_us;
}

double times_quantile_ms(const struct times *t, double q)
{
	double edge = 50;
	uint64_t seen = 0;

	for (int i = 0; i < TIMES_BUCKETS && t->n > 0; i++, edge *= 1.25) {
		seen += t->buckets[i];
		if ((double)seen >= q * (double)t->n) {
			return edge / 1000;
		}
	}
	return 0;
}
