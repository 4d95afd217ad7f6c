/* lib/base/money.h: exact amounts: int64 micro-units of one currency. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MONEY_MAX (INT64_C(1) << 53)

/* `12`, `0.008`, `-1.5`; at most 6 decimals; false when it is none or beyond MONEY_MAX. */
bool money_parse(const char *text, int64_t *ret_micro);
/* `48.13`, `0.0080`: two decimals, four or six where two would cut something off. */
void money_write(int64_t micro, char out[32]);
/* A provider's JSON number of currency (0.00512, 5.12e-3), rounded up to a whole micro-unit. */
bool money_from_number(const char *text, int64_t *ret_micro);
