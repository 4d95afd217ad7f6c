/* lib/base/json_scan.h: what json_tree.c asks the scanner before it lets json-c see a text. */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * json_check at JSON_DEPTH that also refuses integers beyond int64.
 * *ret_troublesome: there are escapes of NUL or of surrogate pairs.
 */
int json_check_for_tree(
    const char *text, size_t len, bool *ret_troublesome, struct lead_error *err) MUST_CHECK;
