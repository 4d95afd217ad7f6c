/* lib/engine/tell/notify_parts.h: marks of what was told, between the notify*.c files. */
#pragma once

#include "lib/engine/config/config.h"
#include "lib/engine/tell/notify.h"

bool notify_has_receiver(const struct engine *e);
/* Somebody wants to be told of that. */
bool notify_is_wanted(const struct engine *e, enum notice n);
/* The condition holds. True when it is to be told now: it began, or it is another limit. */
bool notify_mark(struct engine *e, const uint8_t key[TOLD_KEY], int64_t limit_micro);
/* It holds no more. */
void notify_unmark(struct engine *e, const uint8_t key[TOLD_KEY]);
/* Those that say nothing any more. */
void notify_tidy(struct engine *e);
