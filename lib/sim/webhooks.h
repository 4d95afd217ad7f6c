/* lib/sim/webhooks.h: the parts of the n8n model, for its own files. */
#pragma once

#include "lib/sim/kept.h"
#include "lib/sim/model.h"

/* How a workflow answers whoever called it. */
enum respond {
	RESPOND_FINISHED, /* when its last node has finished */
	RESPOND_CALLBACK, /* at once, and with its result at the callback_url of the body, if any */
	RESPOND_POLL,     /* at once with a job id to ask for; verify-email when it has finished */
};

/* A string of the body; NULL when absent or no string. */
const char *webhook_text(struct ask *q, const char *key);
/*
 * What the workflow of this endpoint finds out, as one JSON object; outcome and again of q are set.
 * q->body is not touched. */
void webhook_work(struct ask *q, struct buf *out);
