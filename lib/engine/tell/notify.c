/*
 * What is told, and when: the end of a run with its summary (notify_run.c), and conditions that a person may have to look at; here those of
 * services and of the store. A condition is told once until it has ended, and one that comes and goes at most once an hour; marks in the
 * store know it over a restart (notify_mark.c).
 */
#include "lib/engine/tell/notify_parts.h"

#include "lib/engine/call/lane.h"
#include "lib/engine/show/show_put.h"
#include "lib/engine/state.h"
#include "lib/engine/tell/outbox.h"

#include <stdio.h>

/* --- services --- */

/* What of a service: a key's number, or 0. */
static void key_of_service(uint8_t key[TOLD_KEY], enum notice n, const struct lane *l, uint16_t number)
{
	memset(key, 0, TOLD_KEY);
	key[0] = (uint8_t)n;
	key[1] = (uint8_t)(l->number >> 8);
	key[2] = (uint8_t)l->number;
	key[3] = (uint8_t)(number >> 8);
	key[4] = (uint8_t)number;
}

static struct json_object *service_object(const struct lane *l, const char *key, const char *why)
{
	struct json_object *o = json_object_new_object();

	put_word(o, "service", l->name);
	put_text(o, "key", key);
	put_text(o, "why", why);
	return o;
}

struct trouble {
	enum notice event;
	const char *what;            /* `quota is used up` */
	const char *why;             /* the provider's word, "" for none */
	const char *key;             /* NULL: the service as a whole */
	int64_t since_us, until_us;  /* wall; until 0: nobody knows */
};

static void tell_trouble(struct engine *e, const struct lane *l, const struct trouble *x)
{
	char subject[300], text[900], since[32], until[32];
	size_t len;

	time_write_local(x->since_us, since);
	(void)snprintf(subject, sizeof(subject), "%s%s%s: %s", l->name, x->key != NULL ? ", key " : "", x->key != NULL ? x->key : "", x->what);
	len = (size_t)snprintf(text, sizeof(text), "%s since %s%s%s.\n", subject, since, x->why[0] != 0 ? "; it says: " : "", x->why);
	if (x->until_us != 0 && x->until_us != TIME_NEVER) {
		time_write_local(x->until_us, until);
		(void)snprintf(text + len, sizeof(text) - len, "It is tried again at %s; its leads wait.\n", until);
	} else {
		(void)snprintf(text + len, sizeof(text) - len, "Its leads wait. `leadctl service show %s` tells more, `leadctl service reset %s` frees it.\n",
		    l->name, l->name);
	}
	outbox_add(e, &(struct notice_text){.event = x->event, .subject = subject, .text = text, .object_name = "service",
			  .object = service_object(l, x->key, x->why)});
}

static void condition(struct engine *e, const struct lane *l, uint16_t number, bool on, const struct trouble *x)
{
	uint8_t key[TOLD_KEY];

	key_of_service(key, x->event, l, number);
	if (!on) {
		notify_unmark(e, key);
	} else if (notify_is_wanted(e, x->event) && notify_mark(e, key, 0)) {
		tell_trouble(e, l, x);
	}
}

static void look_at_group(struct engine *e, struct lane *l, size_t g, size_t first_key)
{
	struct lane_group *grp = &l->groups[g];
	const struct quota *q = &grp->quota;
	uint16_t number = l->keys[first_key].number;
	bool open = grp->breaker.state != BREAKER_CLOSED;
	struct trouble quota = {NOTICE_QUOTA, "quota is used up", q->why, l->def->keys[first_key].name, q->since_wall_us, q->until_wall_us};
	struct trouble over = {NOTICE_OVERBILLED, "a call was billed above its price ceiling", "", NULL, q->since_wall_us, 0};
	struct trouble breaker = {NOTICE_BREAKER, "does not answer, its breaker is open", "", l->def->n_groups > 1 ? l->def->keys[first_key].name : NULL,
	    e->now.wall_us - (e->now.boot_us - grp->breaker.since_us), e->now.wall_us + (grp->breaker.until_us - e->now.boot_us)};

	grp->proved = grp->proved && !open;
	condition(e, l, number, q->cause == PARK_QUOTA, &quota);
	condition(e, l, number, q->cause == PARK_OVERBILLED, &over);
	if (open || grp->proved) { /* a restart closes a breaker, and proves nothing */
		condition(e, l, number, open, &breaker);
	}
}

static void look_at_lane(struct engine *e, struct lane *l)
{
	for (size_t g = 0; g < l->def->n_groups; g++) {
		for (size_t k = 0; k < l->def->n_keys; k++) {
			if (l->def->keys[k].group_index == g) {
				look_at_group(e, l, g, k);
				break;
			}
		}
	}
	for (size_t k = 0; k < l->def->n_keys; k++) {
		const struct quota *q = &l->keys[k].auth;
		struct trouble refused = {NOTICE_KEY, "is refused", q->why, l->def->keys[k].name, q->since_wall_us, q->until_wall_us};

		condition(e, l, l->keys[k].number, q->cause == PARK_AUTH, &refused);
	}
}

/* --- the store --- */

static void look_at_store(struct engine *e)
{
	uint8_t key[TOLD_KEY] = {NOTICE_STORE};
	struct json_object *o;
	char text[400];

	if (!e->full) {
		notify_unmark(e, key);
	} else if (notify_is_wanted(e, NOTICE_STORE) && notify_mark(e, key, 0)) {
		o = json_object_new_object();
		put_word(o, "why", e->full_why);
		(void)snprintf(text, sizeof(text), "No new work is taken: %s.\nWhat is in flight ends as usual; nothing is lost.\n", e->full_why);
		outbox_add(e, &(struct notice_text){.event = NOTICE_STORE, .subject = "no new work is taken", .text = text,
				  .object_name = "store", .object = o});
	}
}

void notify_step(struct engine *e)
{
	if (e->effects.send == NULL || (!notify_has_receiver(e) && e->told == NULL)) {
		return;
	}
	if (e->recovered) {
		e->more = true; /* there may be no room for it: the turn after this one finds it still so */
		return;
	}
	for (size_t i = 0; i < e->n_lanes; i++) {
		if (e->lanes[i]->def != NULL) {
			look_at_lane(e, e->lanes[i]);
		}
	}
	look_at_store(e);
	notify_tidy(e);
}
