/* A read-back as JSON: how far it is, and page by page what was found. See show.h. */
#include "lib/engine/show/show.h"

#include "lib/engine/run/run.h"
#include "lib/engine/show/show_put.h"
#include "lib/store/verify.h"

#include <stdio.h>

struct list_arg {
	struct engine *e;
	struct txn *t;
	struct run *r;
	struct json_object *items;
	unsigned limit;
	uint32_t next;
	bool more;
};

static bool on_finding(void *arg, uint32_t at, const struct verify_finding *f)
{
	struct list_arg *a = arg;
	struct json_object *o;

	if (a->limit == 0) {
		a->next = at;
		a->more = true;
		return false;
	}
	a->limit--;
	o = json_object_new_object();
	put_word(o, "kind", verify_kind_word(f->kind));
	json_object_object_add(o, "lead", f->number != 0 ? json_object_new_int64(f->number) : NULL);
	put_text(o, "who", f->who);
	put_text(o, "field", f->field);
	put_text(o, "id", f->id);
	json_object_array_add(a->items, o);
	return true;
}

static void put_counts(struct json_object *o, const struct verify_row *v)
{
	uint64_t wrong = 0;

	put_int(o, "pushed", (int64_t)v->pushed);
	put_int(o, "pages", (int64_t)v->pages);
	put_int(o, "seen", (int64_t)v->seen);
	put_int(o, "others", (int64_t)v->others);
	for (int k = 0; k < VERIFY_KINDS; k++) {
		put_int(o, verify_kind_word((enum verify_kind)k), (int64_t)v->counts[k]);
		wrong += v->counts[k];
	}
	put_bool(o, "repair", v->repair);
	put_int(o, "repaired", (int64_t)v->repaired);
	put_bool(o, "clean", v->state == VERIFY_DONE && wrong == 0);
}

struct json_object *show_verify(struct engine *e, struct txn *t, uint32_t run, uint32_t at, unsigned limit)
{
	struct list_arg a = {.e = e, .t = t, .r = run_get(e, run), .limit = limit};
	struct verify_row v;
	struct json_object *o;

	if (a.r == NULL) {
		return NULL;
	}
	(void)verify_row_read(t, run, &v);
	o = json_object_new_object();
	a.items = json_object_new_array();
	put_int(o, "run", run);
	put_word(o, "state", verify_state_word(v.state));
	put_text(o, "why", v.why);
	put_wall(o, "started", v.started_us);
	put_wall(o, "ended", v.ended_us);
	put_counts(o, &v);
	verify_walk(t, run, at, on_finding, &a);
	put_page(o, a.items, a.more, a.next);
	return o;
}
