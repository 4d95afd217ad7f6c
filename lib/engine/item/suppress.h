/* lib/engine/item/suppress.h: whom nobody may write to. */
#pragma once

#include <stdbool.h>

struct command;
struct engine;
struct run;
struct value;

/* Does the run's organisation have anybody on its list? */
bool suppress_has(struct engine *e, const struct run *r);
/* NULL, or why nobody may write there for that run: suppressed-address, suppressed-domain. What is no address is not on any list. */
const char *suppress_reason(struct engine *e, const struct run *r, const struct value *email);
void command_suppress(struct engine *e, struct command *c);
