/* See prometheus.h. */
#include "lib/table/prometheus.h"

#include <math.h>
#include <stdio.h>

#define LABEL_WORDS 16 /* eight labels */
#define EXACT 9007199254740992.0 /* 2^53 */

static void put_number(struct buf *out, double v)
{
	if (isinf(v)) {
		buf_add_text(out, v > 0 ? "+Inf" : "-Inf");
	} else if (isnan(v)) {
		buf_add_text(out, "NaN");
	} else if (v == floor(v) && fabs(v) <= EXACT) {
		buf_printf(out, "%.0f", v);
	} else {
		buf_printf(out, "%.9g", v);
	}
}

/* quotes: within a label's value they are escaped too. */
static void put_escaped(struct buf *out, const char *text, bool quotes)
{
	for (; *text != 0; text++) {
		if (*text == '\n') {
			buf_add_text(out, "\\n");
		} else {
			buf_add_text(out, *text == '\\' || (quotes && *text == '"') ? "\\" : "");
			buf_add_char(out, *text);
		}
	}
}

static void put_labels(struct buf *out, const char *const labels[])
{
	if (labels == NULL || labels[0] == NULL) {
		return;
	}
	for (size_t i = 0; labels[i] != NULL; i += 2) {
		buf_printf(out, "%c%s=\"", i == 0 ? '{' : ',', labels[i]);
		put_escaped(out, labels[i + 1], true);
		buf_add_char(out, '"');
	}
	buf_add_char(out, '}');
}

static void put_sample(struct buf *out, const char *name, const char *suffix, const char *const labels[], double value)
{
	buf_printf(out, "%s%s", name, suffix);
	put_labels(out, labels);
	buf_add_char(out, ' ');
	put_number(out, value);
	buf_add_char(out, '\n');
}

void prometheus_family(struct buf *out, const char *name, enum prometheus_kind kind, const char *help)
{
	static const char *const words[] = {"counter", "gauge", "histogram"};

	buf_printf(out, "# HELP %s ", name);
	put_escaped(out, help, false);
	buf_printf(out, "\n# TYPE %s %s\n", name, words[kind]);
}

void prometheus_sample(struct buf *out, const char *name, const char *const labels[], double value)
{
	put_sample(out, name, "", labels, value);
}

void prometheus_histogram(struct buf *out, const char *name, const char *const labels[], const double edges[], const uint64_t counts[],
    size_t n, double sum)
{
	const char *more[LABEL_WORDS + 3] = {NULL};
	struct buf edge = {0};
	uint64_t seen = 0;
	size_t at = 0;

	while (labels != NULL && labels[at] != NULL && at < LABEL_WORDS) {
		more[at] = labels[at];
		at++;
	}
	more[at] = "le";
	for (size_t i = 0; i <= n; i++) {
		seen += counts[i];
		buf_reset(&edge);
		put_number(&edge, i < n ? edges[i] : INFINITY);
		more[at + 1] = edge.data != NULL ? edge.data : "";
		put_sample(out, name, "_bucket", more, (double)seen);
	}
	buf_free(&edge);
	put_sample(out, name, "_sum", labels, sum);
	put_sample(out, name, "_count", labels, (double)seen);
}
