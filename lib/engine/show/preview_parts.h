/* lib/engine/show/preview_parts.h: a preview that is being made, for the preview*.c files. */
#pragma once

#include "lib/engine/call/call_params.h"
#include "lib/engine/run/run.h"
#include "lib/engine/show/preview.h"
#include "lib/engine/stage/view.h"

struct preview {
	const struct preview_request *q;
	struct lead_error *err;
	struct run run;             /* the one that carries */
	struct buf row;             /* of a file, as it is stored */
	struct txn *txn;
	struct item item;           /* of a run */
	struct view view;
	struct arena arena;
	const struct stage *stage;
	const struct step *step;
	struct params params;
	struct json_object *out;
};

/* preview_source.c: the record and its columns. 0 or an enum lead_err, told in p->err. */
int preview_open_row(struct preview *p);
int preview_open_lead(struct preview *p);

/* preview_ask.c: into p->out. */
int preview_ask(struct preview *p);
