/* What the engine hands out as results: every lead once, with the outcome that stands in the store.
 */
#include "tests/sim/shell.h"

#include "lib/engine/show/export.h"

#include <stdlib.h>

/* Fields of one line of CSV; quotes only as far as ends of lines are concerned. Returns the start
 * of the next line. */
static const char *next_line(const char *p)
{
	bool quoted = false;

	for (; *p != '\0' && (quoted || *p != '\n'); p++) {
		quoted = quoted != (*p == '"');
	}
	return *p == '\n' ? p + 1 : p;
}

static void check_export(struct engine *e, struct txn *t, uint32_t run, struct result *r)
{
	struct export *x = export_new(e, run, LEVEL_LEAD, EXPORT_CSV, 0);
	struct buf out = {0};
	struct lead_error err;
	uint64_t lines = 0;

	while (x != NULL && export_next(x, 500, &out, &err)) {
	}
	for (const char *p = out.data != NULL ? next_line(out.data) : ""; *p != '\0';
	     p = next_line(p), lines++) {
		char *end;
		uint32_t number = (uint32_t)strtoul(p, &end, 10);
		struct item i;

		if (!item_read(t, run, number, &i) || *end != ',' ||
		    strncmp(end + 1, item_outcome_word(i.outcome),
			strlen(item_outcome_word(i.outcome))) != 0) {
			violate(r, "the export of run %u disagrees with the store about lead %u",
			    run, number);
		}
	}
	if (x == NULL || lines != export_rows(x)) {
		violate(r, "the export of run %u has %llu lines", run, (unsigned long long)lines);
	} else {
		struct run_row row;
		uint64_t all = 0;

		if (run_read(t, run, &row)) {
			for (int o = 0; o < ITEM_OUTCOMES; o++) {
				all += row.outcomes[o];
			}
			run_row_fini(&row);
		}
		if (all != lines) {
			violate(r, "the export of run %u has %llu lines, the run %llu leads", run,
			    (unsigned long long)lines, (unsigned long long)all);
		}
	}
	export_free(x);
	buf_free(&out);
}

void check_exports(struct engine *e, struct store *s, struct result *r)
{
	struct txn *t = NULL;

	if (e == NULL || txn_begin(s, false, &t, NULL) != 0) {
		return;
	}
	for (uint32_t run = 1; run <= run_last_id(t); run++) {
		check_export(e, t, run, r);
	}
	txn_abort(t);
}
