/* lib/engine/tell/outbox.h: messages on their way. */
#pragma once

#include "lib/engine/config/config.h"

struct command;
struct engine;
struct json_object;

struct notice_text {
	enum notice event;
	uint32_t run;                        /* 0: of none */
	const char *organisation;            /* whose people are told; NULL: those of notify.mail */
	const char *subject, *text;
	const char *object_name;             /* in a webhook's body */
	struct json_object *object;          /* taken */
};
void outbox_add(struct engine *e, const struct notice_text *n);
/* Chooses what is due. */
void outbox_step(struct engine *e);
void outbox_release(struct engine *e);       /* after the commit */
void outbox_forget(struct engine *e);        /* there was none */
void outbox_settle(struct engine *e, struct command *c);
