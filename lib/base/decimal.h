/* lib/base/decimal.h: decimal numbers as text, read exactly, without double. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the JSON number (RFC 8259 section 6) that text begins with; 0 when it begins with none.
 */
size_t decimal_length(const char *text, size_t len);

/*
 * The number times 10^scale, cut towards zero; *ret_exact tells whether
 * anything was cut off. False when text is not wholly a JSON number or the
 * result does not fit.
 */
bool decimal_scaled(const char *text, size_t len, int scale, int64_t *ret, bool *ret_exact);

/* Whether a JSON number (as measured by decimal_length) has a finite double. */
bool decimal_is_finite(const char *number, size_t len);
