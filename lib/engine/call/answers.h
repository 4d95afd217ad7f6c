/* lib/engine/call/answers.h: answers as they came, kept for a while. */
#pragma once

#include <stddef.h>

struct engine;
struct http_answer;
struct outcome;

/* Before the answer is read: takes what will be kept of it; the key is blotted out of the body. */
void answers_gather(struct engine *e, struct outcome *o, const struct http_answer *h, char *body);
void answers_write(struct engine *e, const struct outcome *o);
void answers_expire(struct engine *e);
