/* daemon/leadctl_notify.c: do mail and webhooks arrive? */
#include "daemon/leadctl.h"

#include <json-c/json.h>

int cmd_notify_test(struct ctl *c, const struct args *a)
{
	struct json_object *answer, *items;
	struct table t;
	int rc = api_send(c, "POST", NULL, &answer, "/v1/notify/test");

	(void)a;
	if (rc != CTL_OK) {
		return rc;
	}
	items = get_list(answer, "items");
	table_init(&t, "WAY TO RESULT ANSWER*");
	for (size_t i = 0; i < list_length(items); i++) {
		struct json_object *one = list_at(items, i);
		bool ok = get_bool(one, "ok");

		table_cell(c, &t, "%s", get_text(one, "way"));
		table_cell(c, &t, "%s", show_text(c, one, "to"));
		table_cell(c, &t, "%s", ok ? "taken" : "failed");
		table_color(&t, ok ? GREEN : RED);
		table_cell(c, &t, "%s", show_text(c, one, "said"));
		rc = ok ? rc : CTL_FOUND;
	}
	if (c->json) {
		print_json(answer);
		t.n_cells = 0;
	}
	table_print(c, &t);
	json_object_put(answer);
	return rc;
}
