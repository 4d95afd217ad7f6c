/* lib/engine/config/config_intake.h: `intakes:` and `inbox:` of leadd.yaml: what webhooks come in, and what is made of them. For config*.c. */
#pragma once

#include "lib/engine/config/config.h"

/* Into c, after its campaigns; what is wrong becomes problems. */
void intakes_read(struct config *c, const struct yaml_node *root, struct problems *p);
void intakes_free(struct config *c);
void intakes_diff(const struct config *from, const struct config *to, struct buf *out);
