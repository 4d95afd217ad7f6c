/*
 * lib/engine/config/config_payment.h: `payments:` of leadd.yaml: which webhooks release runs. For config*.c.
 */
#pragma once

#include "lib/engine/config/config.h"
#include "lib/engine/run/payment.h"

/* Into c->payments; what is wrong becomes problems. */
void payments_read(struct config *c, const struct yaml_node *root, struct problems *p);
void payments_diff(const struct config *from, const struct config *to, struct buf *out);
void payments_free(struct config *c);
