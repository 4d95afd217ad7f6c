/* See config_agenda.h. */
#include "lib/engine/config/config_agenda.h"

#include "lib/base/json.h"
#include "lib/base/text.h"
#include "lib/engine/config/config_read.h"
#include "lib/engine/item/params.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <json-c/json.h>

static const char *const day_words[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

/* `HH:MM`, in quotes or not. False when absent or reported. */
static bool read_time(struct config *c, const struct yaml_node *map, const char *key, unsigned *ret, struct problems *p)
{
	const struct yaml_node *n = yaml_get(map, key);
	const char *t = n != NULL && n->text != NULL ? n->text : "";

	if (n == NULL) {
		return false;
	}
	if (strlen(t) == 5 && isdigit((unsigned char)t[0]) && isdigit((unsigned char)t[1]) && t[2] == ':' && isdigit((unsigned char)t[3]) &&
	    isdigit((unsigned char)t[4])) {
		unsigned hour = (unsigned)(t[0] - '0') * 10 + (unsigned)(t[1] - '0'), minute = (unsigned)(t[3] - '0') * 10 + (unsigned)(t[4] - '0');

		if (hour < 24 && minute < 60) {
			*ret = hour * 60 + minute;
			return true;
		}
	}
	problems_add(p, c->yaml, n, "'%s' must be a time of day such as \"22:00\"", key);
	return false;
}

static uint8_t read_days(struct config *c, const struct yaml_node *map, struct problems *p)
{
	const char **words = NULL;
	size_t n = yaml_get(map, "days") != NULL ? yaml_read_strings(c->yaml, map, "days", &words, p) : 0;
	uint8_t days = 0;

	for (size_t i = 0; i < n; i++) {
		size_t d = 0;

		while (day_words[d] != NULL && strcmp(day_words[d], words[i]) != 0) {
			d++;
		}
		if (day_words[d] == NULL) {
			const char *near = text_nearest(words[i], day_words);

			problems_add(p, c->yaml, yaml_get(map, "days"), near != NULL ? "'%s' is no day, did you mean '%s'?" : "'%s' is no day: mon, tue, …",
			    words[i], near);
		} else {
			days |= (uint8_t)(1u << d);
		}
	}
	return days != 0 ? days : 0x7f;
}

static const char *params_json(struct config *c, const struct yaml_node *map, struct problems *p)
{
	const struct yaml_node *params = yaml_get(map, "params");
	struct buf b = {0};
	char *text;

	if (params == NULL) {
		return NULL;
	}
	buf_add_char(&b, '{');
	config_write_members(c->yaml, params, "'params' are single values", &b, p);
	buf_add_char(&b, '}');
	text = b.failed ? NULL : arena_dup(&c->arena, b.data, b.len);
	buf_free(&b);
	return text;
}

/* Would a run begin with them? */
static void check_params(struct config *c, const struct yaml_node *map, const struct campaign *m, const struct campaign_agenda *a, struct problems *p)
{
	struct json_object *given = NULL;
	struct run_row row = {.quantity = a->quantity};
	struct lead_error err;

	if (m->pipeline == NULL) {
		return;
	}
	if (!pipeline_finds(m->pipeline)) {
		problems_add(p, c->yaml, map, "campaign '%s' has a schedule, but pipeline %s has no stage that finds leads", m->name, m->pipeline->name);
		return;
	}
	if ((a->params_json != NULL && json_parse(a->params_json, strlen(a->params_json), &given, &err) != 0) ||
	    params_set(m->pipeline, given, &row, &err) != 0) {
		problems_add(p, c->yaml, map, "%s", err.text);
	}
	json_object_put(given);
	run_row_fini(&row);
}

static const char *agenda_text(struct config *c, const struct campaign_agenda *a)
{
	struct buf b = {0};
	char *text;

	buf_printf(&b, "%02u:%02u", a->when.minute / 60, a->when.minute % 60);
	for (int d = 1; a->when.days != 0x7f && d <= 7; d++) {
		if ((a->when.days >> (d % 7) & 1) != 0) {
			buf_printf(&b, " %s", day_words[d % 7]);
		}
	}
	text = b.failed ? NULL : arena_dup(&c->arena, b.data, b.len);
	buf_free(&b);
	return text;
}

const struct campaign_agenda *agenda_read(struct config *c, const struct yaml_node *campaign, const struct campaign *m, struct problems *p)
{
	static const char *const keys[] = {"at", "days", "missed", "within", "by", "params", "quantity", NULL};
	static const char *const missed_words[] = {"skip", "run-late", NULL};
	const struct yaml_node *map = yaml_get(campaign, "schedule");
	struct campaign_agenda *a;
	unsigned until = 0;
	int missed = 0;
	int64_t n = 0;

	if (map == NULL || !yaml_only_keys(c->yaml, map, keys, "schedule", p) || (a = arena_zalloc(&c->arena, sizeof(*a))) == NULL) {
		return NULL;
	}
	if (yaml_get(map, "at") == NULL) {
		problems_add(p, c->yaml, map, "a schedule needs 'at', a time of day such as \"22:00\"");
	}
	(void)read_time(c, map, "at", &a->when.minute, p);
	a->when.days = read_days(c, map, p);
	(void)yaml_read_word(c->yaml, map, "missed", missed_words, &missed, p);
	a->late = missed == 1;
	a->within_us = US_PER_DAY;
	(void)yaml_read_duration(c->yaml, map, "within", 60 * US_PER_S, 7 * US_PER_DAY, &a->within_us, p);
	a->until = read_time(c, map, "by", &until, p) ? (int)until : -1;
	(void)yaml_read_int(c->yaml, map, "quantity", 1, UINT32_MAX / 2, &n, p);
	a->quantity = (uint64_t)n;
	a->params_json = params_json(c, map, p);
	a->text = agenda_text(c, a);
	check_params(c, map, m, a, p);
	return a;
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

void agenda_diff(const struct campaign *from, const struct campaign *to, struct buf *out)
{
	const struct campaign_agenda *a = from->agenda, *b = to->agenda;
	bool same = (a == NULL) == (b == NULL);

	if (a != NULL && b != NULL) {
		same = same_text(a->text, b->text) && a->late == b->late && a->within_us == b->within_us && a->until == b->until &&
		       a->quantity == b->quantity && same_text(a->params_json, b->params_json);
	}
	if (!same) {
		buf_printf(out, "campaign %s: schedule %s -> %s\n", to->name, a != NULL ? a->text : "none", b != NULL ? b->text : "none");
	}
}
