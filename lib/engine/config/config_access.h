/*
 * lib/engine/config/config_access.h: `listen:` and `tokens:` of leadd.yaml: where the API is served besides the Unix socket, and
 * who may call it there. For config*.c.
 */
#pragma once

#include "lib/engine/config/config.h"

/* Into c; what is wrong becomes problems. */
void access_read(struct config *c, const struct yaml_node *root, struct problems *p);
void access_diff(const struct config *from, const struct config *to, struct buf *out);
