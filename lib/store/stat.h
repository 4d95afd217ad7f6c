/* lib/store/stat.h: what was seen of a service: parked keys, and counts of outcomes and latency since the store began. */
#pragma once

#include "lib/store/store.h"

struct park_row {
	uint8_t cause; /* enum park_cause */
	int64_t since_wall_us, until_wall_us;
	char why[96];
};
/* what: number of the key's name, or 0 for the whole service (an operator's pause). cause 0 removes the row. */
void park_write(struct txn *t, uint16_t service, uint16_t key, const struct park_row *p);
bool park_read(struct txn *t, uint16_t service, uint16_t key, struct park_row *ret);

#define STAT_CLASSES 16
#define STAT_BUCKETS 24 /* latency: bucket i counts calls under 2^i ms */

/* Since the store began, per service: what `service show` and plan learn from. */
struct stat_row {
	uint64_t outcomes[STAT_CLASSES];
	uint64_t latency[STAT_BUCKETS];
	int64_t settled_micro;
	int64_t latency_us;    /* of all calls counted in `latency`; an estimate for those that an older leadd counted */
};
bool stat_read(struct txn *t, uint16_t service, struct stat_row *ret);
void stat_write(struct txn *t, uint16_t service, const struct stat_row *s);
void stat_count_latency(struct stat_row *s, int64_t us);
/* Milliseconds below which the share q (0..1) of the calls stayed; 0 without calls. */
uint64_t stat_quantile_ms(const struct stat_row *s, double q);
