/* lib/base/json_scan.h: what json_tree.c asks the scanner before it lets json-c see a text. */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* json_check at JSON_DEPTH that also refuses integers beyond int64. *ret_nul_escapes: a \u0000 is
 * among the strings. */
int json_check_for_tree(
    const char *text, size_t len, bool *ret_nul_escapes, struct lead_error *err) MUST_CHECK;
