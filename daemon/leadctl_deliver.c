/* daemon/leadctl_deliver.c: what a run brought to its destination: taken out again. */
#include "daemon/leadctl.h"

#include <inttypes.h>

#include <json-c/json.h>

/* Those that would stay, each with its reason, and how many would go. */
static void print_beforehand(struct ctl *c, const struct args *a, uint64_t run, struct json_object *list)
{
	struct json_object *items = get_list(list, "items");
	size_t goes = 0;
	struct table t;

	table_init(&t, "LEAD> OUTCOME RECALL WHY*");
	for (size_t i = 0; i < list_length(items); i++) {
		struct json_object *one = list_at(items, i);
		bool go = get_bool(one, "goes");

		goes += go;
		table_cell(c, &t, "%" PRIu64 "/%" PRId64, run, get_int(one, "lead"));
		table_cell(c, &t, "%s", show_text(c, one, "outcome"));
		table_cell(c, &t, "%s", !go ? "stays" : args_has(a, "unsent-only") ? "if unsent" : "goes");
		table_color(&t, go ? PLAIN : YELLOW);
		table_cell(c, &t, "%s", show_text(c, one, "why"));
	}
	table_print(c, &t);
	print_line(c, BOLD, "run %" PRIu64 ": %zu leads would %s, %zu stay", run, goes,
	    args_has(a, "unsent-only") ? "be looked at, and go when nothing was sent to them" : "go", list_length(items) - goes);
}

static int beforehand(struct ctl *c, const struct args *a, uint64_t run)
{
	struct json_object *list, *first;
	struct buf path = {0};
	int rc;

	buf_printf(&path, "/v1/runs/%" PRIu64 "/recall%s", run, args_has(a, "unsent-only") ? "?unsent_only=1" : "");
	rc = api_list(c, path.data, 0, &list);
	if (rc != CTL_OK) {
		buf_free(&path);
		return rc;
	}
	if (c->json) {
		print_json(list);
	} else {
		print_beforehand(c, a, run, list);
		if (api_get(c, &first, "%s", path.data) == CTL_OK) {
			if (get_has(first, "refused")) {
				print_line(c, YELLOW, "not now: %s", get_text(first, "refused"));
			}
			json_object_put(first);
		}
	}
	buf_free(&path);
	json_object_put(list);
	return CTL_OK;
}

int cmd_recall_run(struct ctl *c, const struct args *a)
{
	struct json_object *body, *answer;
	uint64_t run;
	int rc;

	if (!args_run(a, 0, &run)) {
		return CTL_USAGE;
	}
	if (args_has(a, "dry-run")) {
		return beforehand(c, a, run);
	}
	body = json_object_new_object();
	json_object_object_add(body, "unsent_only", json_object_new_boolean(args_has(a, "unsent-only")));
	rc = api_send(c, "POST", body, &answer, "/v1/runs/%" PRIu64 "/recall", run);
	json_object_put(body);
	if (rc != CTL_OK) {
		return rc;
	}
	if (args_has(a, "watch") && get_int(answer, "recalling") > 0) {
		rc = watch_run(c, run);
	} else if (c->json) {
		print_json(answer);
	} else {
		print_line(c, PLAIN, "run %" PRIu64 ": %" PRId64 " leads are being recalled", run, get_int(answer, "recalling"));
	}
	json_object_put(answer);
	return rc;
}
