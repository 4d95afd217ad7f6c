/*
 * What if: a number of the configuration is another one for this plan. The configuration is the plan's own: nobody else sees it.
 *
 *   SERVICE.limit=2/3s  STAGE.limit=…  SERVICE.concurrency=8  SERVICE.price=0.004  budget=60
 */
#include "lib/engine/plan/plan_night.h"

#include "lib/base/money.h"
#include "lib/base/text.h"
#include "lib/service/batch.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const words[] = {"limit", "concurrency", "price", NULL};

/* The services that are meant: one by its own name, those of a stage by its. */
struct meant {
	size_t list[16];
	size_t n;
};

static void add_meant(struct meant *m, const struct config *c, const struct service *s)
{
	for (size_t i = 0; i < c->n_services; i++) {
		bool known = c->services[i] != s;

		for (size_t k = 0; k < m->n && !known; k++) {
			known = m->list[k] == i;
		}
		if (!known && m->n < 16) {
			m->list[m->n++] = i;
		}
	}
}

static int find_meant(const struct plan_request *q, const char *name, const char *text, struct meant *ret, struct lead_error *err)
{
	const struct campaign *m = config_campaign(q->config, q->start.campaign);
	const char *names[PLAN_SERVICES + RUN_STAGES + 1] = {NULL}, *nearest;
	size_t n = 0;

	for (size_t i = 0; i < q->config->n_services; i++) {
		names[n++] = q->config->services[i]->name;
		if (strcmp(q->config->services[i]->name, name) == 0) {
			add_meant(ret, q->config, q->config->services[i]);
			return 0;
		}
	}
	for (size_t p = 0; m != NULL && p < m->pipeline->n_stages; p++) {
		const struct stage *st = &m->pipeline->stages[p];

		if (st->n_steps > 0 && n < PLAN_SERVICES + RUN_STAGES) {
			names[n++] = st->name;
		}
		for (size_t k = 0; k < st->n_steps && strcmp(st->name, name) == 0; k++) {
			if (st->steps[k].service != NULL) {
				add_meant(ret, q->config, st->steps[k].service);
			}
		}
	}
	if (ret->n > 0) {
		return 0;
	}
	nearest = text_nearest(name, names);
	return lead_fail(err, LEAD_EINPUT, "what if %.60s: there is no service or stage '%.40s'%s%s%s", text, name, nearest != NULL ? "; is '" : "",
	    nearest != NULL ? nearest : "", nearest != NULL ? "' meant?" : "");
}

/* --- one service --- */

static size_t count_windows(const struct service *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_limits; i++) {
		n += s->limits[i].n_windows;
	}
	return n;
}

static void list_windows(const struct service *s, struct buf *out)
{
	char text[48];

	for (size_t i = 0; i < s->n_limits; i++) {
		for (size_t w = 0; w < s->limits[i].n_windows; w++) {
			window_write(&s->limits[i].windows[w], text);
			buf_printf(out, "%s%s", out->len > 0 ? ", " : "", text);
		}
	}
}

/* The window of that length gets the number; where there is but one, it becomes this one. */
static int change_limit(struct service *s, uint32_t factor, const char *value, const char *text, struct lead_error *err)
{
	bool only = count_windows(s) == 1, found = false;
	struct window_spec want;
	struct buf known = {0};

	if (!window_parse(value, &want)) {
		return lead_fail(err, LEAD_EINPUT, "what if %.60s: '%.30s' is no limit; one is a count and a window, such as 2/3s or 10000/day", text, value);
	}
	for (size_t i = 0; i < s->n_limits; i++) {
		for (size_t w = 0; w < s->limits[i].n_windows; w++) {
			struct window_spec *have = &s->limits[i].windows[w];

			if (only || (have->kind == want.kind && have->length_us == want.length_us)) {
				want.zone = have->zone;
				s->limits[i].declared[w] = want.max;
				*have = want;
				have->max *= factor > 1 ? factor : 1;
				found = true;
			}
		}
	}
	if (found) {
		return 0;
	}
	list_windows(s, &known);
	(void)lead_fail(err, LEAD_EINPUT, "what if %.60s: %s has no window of that length; it has %s", text, s->name, known.len > 0 ? known.data : "none");
	buf_free(&known);
	return LEAD_EINPUT;
}

static int change_concurrency(struct service *s, const char *value, const char *text, struct lead_error *err)
{
	char *end = NULL;
	long n = isdigit((unsigned char)value[0]) != 0 ? strtol(value, &end, 10) : 0;

	if (n < 1 || n > 10000 || *end != 0) {
		return lead_fail(err, LEAD_EINPUT, "what if %.60s: '%.30s' is no number of calls at once; nearest: %s", text, value, n > 10000 ? "10000" : "1");
	}
	s->concurrency = (uint32_t)n;
	return 0;
}

static int64_t in_proportion(int64_t micro, int64_t price, int64_t highest)
{
	return highest > 0 ? (int64_t)((double)micro * (double)price / (double)highest) : price;
}

/* The dearest call costs so much, the others in proportion. */
static void scale_call(struct service_call *c, int64_t price, int64_t highest)
{
	c->price_micro = in_proportion(c->price_micro, price, highest);
	if (c->batch != NULL) {
		c->batch->item_micro = in_proportion(c->batch->item_micro, price, highest);
		c->batch->fixed_micro = highest > 0 ? c->price_micro - c->batch->item_micro : 0;
	}
}

static int change_price(struct service *s, double *scale, const char *value, const char *text, struct lead_error *err)
{
	int64_t price, highest = 0;

	if (!money_parse(value, &price) || price < 0) {
		return lead_fail(err, LEAD_EINPUT, "what if %.60s: '%.30s' is no price; one is such as 0.008", text, value);
	}
	for (size_t i = 0; i < s->n_calls; i++) {
		highest = s->calls[i].price_micro > highest ? s->calls[i].price_micro : highest;
	}
	for (size_t i = 0; i < s->n_calls; i++) {
		scale_call(&s->calls[i], price, highest);
	}
	*scale = highest > 0 ? (double)price / (double)highest : 1;
	return 0;
}

static int change_service(struct plan_request *q, size_t i, const char *word, const char *value, const char *text, struct plan_changes *changes,
    struct lead_error *err)
{
	struct service *s = q->config->services[i];
	const char *nearest;

	if (strcmp(word, "limit") == 0) {
		changes->limits[i] = true;
		return change_limit(s, q->config->limit_factor, value, text, err);
	}
	if (strcmp(word, "concurrency") == 0) {
		return change_concurrency(s, value, text, err);
	}
	if (strcmp(word, "price") == 0) {
		return change_price(s, &changes->price[i], value, text, err);
	}
	nearest = text_nearest(word, words);
	return lead_fail(err, LEAD_EINPUT, "what if %.60s: '%.30s' is none of limit, concurrency, price%s%s%s", text, word, nearest != NULL ? "; is '" : "",
	    nearest != NULL ? nearest : "", nearest != NULL ? "' meant?" : "");
}

/* --- the text --- */

int plan_change(struct plan_request *q, const char *text, struct plan_changes *changes, struct lead_error *err)
{
	static const char *const alone[] = {"budget", NULL};
	char name[100];
	struct meant meant = {.n = 0};
	const char *equal = strchr(text, '='), *dot = equal;
	int rc;

	if (equal == NULL || equal == text || strlen(text) >= sizeof(name)) {
		return lead_fail(err, LEAD_EINPUT, "what if %.60s: one is written SERVICE.limit=2/3s, SERVICE.concurrency=8, SERVICE.price=0.004 or budget=60", text);
	}
	while (dot > text && *dot != '.') {
		dot--;
	}
	(void)snprintf(name, sizeof(name), "%.*s", (int)((dot > text ? dot : equal) - text), text);
	if (dot == text) {
		const char *nearest = text_nearest(name, alone);

		if (strcmp(name, "budget") != 0) {
			return lead_fail(err, LEAD_EINPUT, "what if %.60s: '%.40s' is neither budget nor SERVICE.WORD%s", text, name,
			    nearest != NULL ? "; is 'budget' meant?" : "");
		}
		if (!money_parse(equal + 1, &q->start.budget_micro) || q->start.budget_micro < 0) {
			return lead_fail(err, LEAD_EINPUT, "what if %.60s: '%.30s' is no amount; one is such as 60 or 12.50", text, equal + 1);
		}
		return 0;
	}
	rc = find_meant(q, name, text, &meant, err);
	(void)snprintf(name, sizeof(name), "%.*s", (int)(equal - dot - 1), dot + 1);
	for (size_t i = 0; rc == 0 && i < meant.n; i++) {
		rc = change_service(q, meant.list[i], name, equal + 1, text, changes, err);
	}
	return rc;
}
