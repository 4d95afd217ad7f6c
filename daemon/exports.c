/* GET /v1/runs/{run}/export and /rejects: the rows as they are now, in slices, sent as fast as the client takes them. See leadd.h. */
#include "daemon/leadd.h"
#include "lib/engine/show/export.h"

#include <stdlib.h>

#define EXPORT_ROWS 100

struct stream {
	struct http_request *r;
	struct export *export;
};

static void stream_free(struct stream *s)
{
	export_free(s->export);
	free(s);
}

static void on_stream_closed(void *arg)
{
	stream_free(arg);
}

/* A slice each time the client has taken the last one. */
static void on_stream_drained(void *arg)
{
	struct stream *s = arg;
	struct http_request *r = s->r;
	struct buf b = {0};
	struct lead_error err = {0};
	bool more = true;
	size_t waiting = 0;

	while (more && waiting < 128 * 1024) {
		buf_reset(&b);
		more = export_next(s->export, EXPORT_ROWS, &b, &err);
		waiting = b.len > 0 ? http_stream_write(r, b.data, b.len) : waiting;
		if (waiting == SIZE_MAX) {
			buf_free(&b);
			return; /* gone: closed follows */
		}
		if (waiting > 0 && more) {
			break; /* the loop has others to serve: drained comes back */
		}
	}
	buf_free(&b);
	if (!more) {
		stream_free(s);
		if (err.code != 0) {
			http_stream_abort(r);
		} else {
			http_stream_end(r);
		}
	}
}

void export_start(struct leadd *l, struct http_request *r, uint32_t run, int format, uint32_t outcomes)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct http_stream_events events = {.drained = on_stream_drained, .closed = on_stream_closed, .arg = s};

	if (s == NULL) {
		abort();
	}
	s->r = r;
	s->export = export_new(l->engine, run, LEVEL_LEAD, (enum export_format)format, outcomes);
	if (s->export == NULL) {
		free(s);
		http_reply_problem(r, 404, "not-found", "there is no run %u", run);
		return;
	}
	http_stream_start(r, format == EXPORT_JSONL ? "application/x-ndjson" : "text/csv; charset=utf-8", &events);
	on_stream_drained(s);
}
