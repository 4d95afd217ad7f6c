/*
 * lib/engine/config/config_notify.h: `notify:` of leadd.yaml: who is told what by mail and webhook. For config*.c.
 */
#pragma once

#include "lib/engine/config/config.h"

/* Into c->notify; what is wrong becomes problems. */
void notify_read(struct config *c, const struct yaml_node *root, struct problems *p);
/* Addresses of mail: a string or a list. How many; *ret in y's arena. */
size_t notify_read_addresses(const struct yaml *y, const struct yaml_node *map, const char *key, const char ***ret, struct problems *p);
void notify_diff(const struct config *from, const struct config *to, struct buf *out);
