/*
 * lib/engine/show/preview.h: what would be asked for one lead, before anybody is asked.
 *
 * A row of a file, or a lead of a run with what its stages gave so far -> the parameters of one step -> its request, with the secret as
 * ***; what is missing for it; the most it may cost; and the gates that will look at what comes back. Nothing is called or written.
 */
#pragma once

#include "lib/engine/config/config.h"
#include "lib/store/runs.h"

struct json_object;

struct preview_request {
	struct config *config;
	struct store *store;        /* only read; needed for leads of runs */
	const char *campaign;
	const char *stage;          /* NULL: the first with a prompt file, else the first that takes a prompt, else the first with a call */
	size_t step;                /* of its chain; 0 is the first */
	uint32_t run, lead;         /* a lead of a run; run 0: `row` of the file; lead 0: `row` of the run */
	uint64_t row;               /* the header is row 1 */
	struct run_row file;        /* upload, map, encoding, delimiter */
	/* Up to max bytes of an upload at offset into out: how many, 0 at the end, below 0 when it cannot be read. */
	long (*read)(void *ctx, const char *upload, uint64_t offset, void *out, size_t max);
	void *ctx;
};

/*
 * The preview as daemon/API.md describes it; owned by the caller. LEAD_EINPUT: there is no such campaign, stage, step, row, lead, or the file is no
 * table, with the nearest right word.
 */
int preview_make(const struct preview_request *q, struct json_object **ret, struct lead_error *err) MUST_CHECK;
