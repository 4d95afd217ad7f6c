/*
 * lib/engine/run/masked.h: who the leads of a run are, unreadable until it is approved (`mask: until-approved` of its campaign).
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/value.h"

struct run;

bool masked_is(const struct run *r);
/* The same value as somebody sees who has not bought it; its text is in b, until the next one. */
struct value masked_value(const char *name, size_t name_len, const struct value *v, struct buf *b);
