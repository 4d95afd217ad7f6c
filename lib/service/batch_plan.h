/* lib/service/batch_plan.h: how a batch's items and the elements of its answer find each other: written by batch.c, read by batch_answer.c. */
#pragma once

#include "lib/service/parts.h"

enum join_kind {
	JOIN_KEY,
	JOIN_POSITION, /* the element names the number of its item, from 0 */
	JOIN_ORDER,    /* the element's own number */
};

struct batch_join {
	enum join_kind kind;
	struct pieces item; /* KEY */
	struct look answer; /* KEY, POSITION */
};

struct batch_plan {
	struct pieces each;
	struct look answers;
	struct batch_join joins[BATCH_JOINS];
	size_t n_joins;
	enum outcome_class missing;
	struct reader *element;
};

/* A key as it is compared: without the space around it, in lower case. NULL for nothing but space, and without memory. */
const char *batch_fold(struct arena *a, const char *text, size_t len);
