/* What a recall of the run would take out, and what would stay, as JSON. See show.h. */
#include "lib/engine/show/show.h"

#include "lib/engine/run/run.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/stage/recall.h"

struct list_arg {
	struct json_object *items;
	unsigned n, limit, looked;
	uint32_t last;
	bool more;
};

static bool on_state(void *arg, struct slice key, struct slice value)
{
	struct list_arg *a = arg;
	struct item i;
	const char *why;
	struct json_object *o;

	if (a->n == a->limit || a->looked++ == 20000) {
		a->more = true;
		return false;
	}
	if (!item_decode(key, value, &i)) {
		return true;
	}
	a->last = i.number;
	why = recall_stays(&i);
	if (why != NULL && why[0] == 0) {
		return true;
	}
	o = json_object_new_object();
	put_int(o, "lead", i.number);
	put_text(o, "outcome", i.outcome == ITEM_OPEN ? NULL : item_outcome_word(i.outcome));
	put_bool(o, "goes", why == NULL);
	put_text(o, "why", why);
	json_object_array_add(a->items, o);
	a->n++;
	return true;
}

struct json_object *show_recall(struct engine *e, struct txn *t, uint32_t run, bool unsent_only, uint32_t after, unsigned limit)
{
	struct list_arg a = {.limit = limit};
	struct run *r = run_get(e, run);
	struct json_object *o;
	char text[200];

	if (r == NULL) {
		return NULL;
	}
	o = json_object_new_object();
	a.items = json_object_new_array();
	put_int(o, "run", run);
	put_bool(o, "looks", unsent_only);
	put_text(o, "refused", recall_refused(r, unsent_only, text) ? text : NULL);
	txn_walk(t, TABLE_STATE, item_key(run, after + 1), run_prefix(run), on_state, &a);
	put_page(o, a.items, a.more, a.last);
	return o;
}
