/*
 * lib/service/limits.c: `limits:` of a service file, and the names its windows go by.
 *
 * A limit is one line (`50/60s`) or a map with more to say. The numbers in
 * force are the declared ones times the operator's factor, less the reserve,
 * and at least 1.
 */
#include "lib/service/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"

/* `20%` as a number; 0 when absent or wrong. */
static unsigned reserve_read(struct reading *r, const struct yaml_node *node)
{
	const struct yaml_node *reserve = yaml_get(node, "reserve");
	unsigned long percent;
	char *end;

	if (reserve == NULL) {
		return 0;
	}
	percent = reserve->text == NULL ? 0 : strtoul(reserve->text, &end, 10);
	if (percent < 1 || percent > 90 || strcmp(end, "%") != 0) {
		problems_add(r->p, r->y, reserve, "a reserve is written 1%% to 90%%");
		return 0;
	}
	return (unsigned)percent;
}

static void window_read(
    struct reading *r, const struct yaml_node *node, unsigned reserve, struct service_limit *l)
{
	struct window_spec *w = &l->windows[l->n_windows];
	const struct zone *zone = l->n_windows > 0 ? l->windows[0].zone : NULL;

	if (l->n_windows == LIMIT_WINDOWS) {
		problems_add(r->p, r->y, node, "more than %d windows in one limit", LIMIT_WINDOWS);
		return;
	}
	if (node->text == NULL || !window_parse(node->text, w)) {
		problems_add(r->p, r->y, node,
		    "'%s' is no limit: write 50/60s, 100/min, 10000/day or 5000/month",
		    node->text == NULL ? "" : node->text);
		return;
	}
	l->declared[l->n_windows++] = w->max;
	w->max = w->max > UINT64_MAX / 100 / r->factor ? UINT64_MAX / 100 : w->max * r->factor;
	w->max = w->max * (100 - reserve) / 100;
	w->max = w->max == 0 ? 1 : w->max;
	w->zone = zone;
}

/* The label that a limit has without one: its own windows. */
static const char *own_label(struct reading *r, const struct service_limit *l)
{
	struct buf out = {0};
	const char *label;

	for (size_t i = 0; i < l->n_windows; i++) {
		struct window_spec w = l->windows[i];
		char text[48];

		w.max = l->declared[i];
		window_write(&w, text);
		buf_printf(&out, "%s%s", i == 0 ? "" : ", ", text);
	}
	label =
	    out.failed ? NULL : arena_dup(&r->s->arena, out.data == NULL ? "" : out.data, out.len);
	r->nomem |= label == NULL;
	buf_free(&out);
	return label;
}

static uint32_t calls_bits(
    struct reading *r, const struct yaml_node *node, const struct yaml_node *calls)
{
	const char **wanted = NULL, *names[33] = {NULL};
	size_t n = yaml_read_strings(r->y, node, "calls", &wanted, r->p), n_names = 0;
	uint32_t bits = 0;

	for (const struct yaml_node *v = calls == NULL ? NULL : calls->first;
	     v != NULL && n_names < 32; v = v->next) {
		names[n_names++] = v->key;
	}
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < n_names && strcmp(names[k], wanted[i]) != 0) {
			k++;
		}
		if (k < n_names) {
			bits |= UINT32_C(1) << k;
		} else {
			const char *near = text_nearest(wanted[i], names);

			problems_add(r->p, r->y, yaml_get(node, "calls"),
			    "there is no call '%s'%s%s%s", wanted[i],
			    near == NULL ? "" : ", did you mean '", near == NULL ? "" : near,
			    near == NULL ? "" : "'?");
		}
	}
	return yaml_get(node, "calls") == NULL ? UINT32_MAX : bits;
}

static void limit_map(struct reading *r, const struct yaml_node *node,
    const struct yaml_node *calls, struct service_limit *l)
{
	static const char *const keys[] = {
	    "limit", "per", "calls", "reserve", "label", "zone", NULL};
	static const char *const scopes[] = {"key", "service", NULL};
	const struct yaml_node *limit;
	unsigned reserve;
	int scope;

	if (!yaml_only_keys(r->y, node, keys, "limit", r->p)) {
		return;
	}
	if (yaml_read_word(r->y, node, "per", scopes, &scope, r->p)) {
		l->scope = scope == 0 ? LIMIT_PER_KEY : LIMIT_PER_SERVICE;
	}
	l->calls = calls_bits(r, node, calls);
	yaml_read_string(r->y, node, "label", &l->label, r->p);
	reading_zone(r, node, &l->windows[0].zone);
	reserve = reserve_read(r, node);
	limit = yaml_get(node, "limit");
	if (limit == NULL) {
		problems_add(r->p, r->y, node, "a limit needs 'limit', such as {limit: 50/60s}");
		return;
	}
	for (const struct yaml_node *v = reading_first(limit); v != NULL;
	     v = v == limit ? NULL : v->next) {
		struct window_spec *w =
		    &l->windows[l->n_windows < LIMIT_WINDOWS ? l->n_windows : 0];

		w->zone = l->windows[0].zone;
		window_read(r, v, reserve, l);
	}
}

/* No call may count in more limits than its tickets can hold. */
static void check_crowding(
    struct reading *r, const struct yaml_node *list, const struct yaml_node *calls)
{
	size_t index = 0;

	for (const struct yaml_node *v = calls == NULL ? NULL : calls->first;
	     v != NULL && index < 32; v = v->next) {
		size_t n = 0;

		for (size_t i = 0; i < r->s->n_limits; i++) {
			n += (r->s->limits[i].calls >> index & 1u) != 0;
		}
		if (n > CALL_LIMITS) {
			problems_add(r->p, r->y, list,
			    "call '%s' counts in %zu limits, at most %d are possible: "
			    "put windows of one kind into one limit",
			    v->key, n, CALL_LIMITS);
		}
		index++;
	}
}

void limits_read(struct reading *r, const struct yaml_node *list, const struct yaml_node *calls)
{
	struct service *s = r->s;

	if (list == NULL) {
		return;
	}
	s->limits = reading_alloc(r, list->n + 1, sizeof *s->limits);
	for (const struct yaml_node *v = reading_first(list); s->limits != NULL && v != NULL;
	     v = v == list ? NULL : v->next) {
		struct service_limit *l = &s->limits[s->n_limits++];

		l->calls = UINT32_MAX;
		if (v->kind == YAML_MAP) {
			limit_map(r, v, calls, l);
		} else {
			window_read(r, v, 0, l);
		}
		if (l->label == NULL) {
			l->label = own_label(r, l);
		}
	}
	if (!r->nomem) {
		check_crowding(r, list, calls);
	}
}

/* --- names of windows ----------------------------------------------------- */

/* By its limit's label, as `50/60s`, or as `60s` alone, which stays right when the number is
 * changed. */
static bool window_called(const struct service_limit *l, size_t i, const char *of)
{
	const struct window_spec *own = &l->windows[i];
	bool whole = strchr(of, '/') != NULL;
	struct window_spec w;
	char text[48];

	if (l->n_windows == 1 && text_equal_nocase(l->label, of)) {
		return true;
	}
	if (snprintf(text, sizeof text, "%s%s", whole ? "" : "1/", of) >= (int)sizeof text ||
	    !window_parse(text, &w)) {
		return false;
	}
	return w.kind == own->kind && (w.kind != WINDOW_SLIDING || w.length_us == own->length_us) &&
	       (!whole || w.max == l->declared[i]);
}

bool limits_find(struct reading *r, const struct yaml_node *map, const char *of, size_t *ret_limit,
    size_t *ret_window)
{
	const struct service *s = r->s;
	const struct yaml_node *blamed = of == NULL ? map : yaml_get(map, "of");
	size_t found = 0;

	for (size_t i = 0; i < s->n_limits; i++) {
		for (size_t k = 0; k < s->limits[i].n_windows; k++) {
			if (of == NULL || window_called(&s->limits[i], k, of)) {
				*ret_limit = i;
				*ret_window = k;
				found++;
			}
		}
	}
	if (found == 1) {
		return true;
	}
	if (of == NULL) {
		problems_add(r->p, r->y, blamed,
		    "say which window this is about: 'of' with a label or a limit");
	} else if (found > 1) {
		problems_add(r->p, r->y, blamed,
		    "'%s' names more than one window: give the limits labels", of);
	} else {
		problems_add(r->p, r->y, blamed, "no window is called '%s'%s%s%s", of,
		    s->n_limits == 0 ? "" : "; there is '",
		    s->n_limits == 0 ? "" : s->limits[0].label, s->n_limits == 0 ? "" : "'");
	}
	return false;
}
