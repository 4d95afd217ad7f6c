/*
 * lib/service/hint.c: what answers tell about limits and waits, in any of the units providers use.
 *
 * Everything becomes microseconds from now. An instant is compared with the
 * answer's own Date header when there is one, so that the skew between our
 * clock and the provider's drops out (RFC 9110 section 10.2.3). Negative
 * numbers, empty headers and nonsense say nothing.
 */
#include "lib/service/parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/text.h"

#define LONGEST_WAIT_US (31 * US_PER_DAY) /* no provider means more than a month */

static const char *const tells_words[] = {"retry-after", "remaining", "reset", "quota-reset", "limit", NULL};
static const char *const unit_words[] = {"s", "ms", "go", "epoch", "epoch-ms", "date", NULL};

/* --- compiling ------------------------------------------------------------ */

static void window_read(struct reading *r, const struct yaml_node *node, struct hint *hint)
{
	const char *of = NULL;
	bool about_window = hint->tells == TELLS_REMAINING || hint->tells == TELLS_RESET || hint->tells == TELLS_LIMIT;

	yaml_read_string(r->y, node, "of", &of, r->p);
	if (about_window) {
		limits_find(r, node, of, &hint->limit, &hint->window);
	} else if (of != NULL) {
		problems_add(r->p, r->y, yaml_get(node, "of"),
		    "'of' is for 'tells: remaining', 'reset' and 'limit'");
	}
}

static void hint_read(struct reading *r, const struct yaml_node *node, struct hint *hint)
{
	static const char *const keys[] = {
	    "header", "item", "field", "body", "tells", "unit", "of", "spent", NULL};
	const char *spent = NULL;
	int word;

	if (!yaml_only_keys(r->y, node, keys, "hint", r->p) || !look_read(r, node, &hint->look)) {
		return;
	}
	if (yaml_get(node, "tells") == NULL) {
		problems_add(r->p, r->y, node, "a hint needs 'tells'");
	} else if (yaml_read_word(r->y, node, "tells", tells_words, &word, r->p)) {
		hint->tells = (enum hint_tells)word;
	}
	if (yaml_read_word(r->y, node, "unit", unit_words, &word, r->p)) {
		hint->unit = (enum hint_unit)word;
		if (hint->tells == TELLS_REMAINING || hint->tells == TELLS_LIMIT) {
			problems_add(r->p, r->y, yaml_get(node, "unit"),
			    "'%s' is a count and has no unit", tells_words[hint->tells]);
		}
	}
	if (yaml_read_string(r->y, node, "spent", &spent, r->p)) {
		look_header(r, yaml_get(node, "spent"), spent, &hint->spent);
	}
	window_read(r, node, hint);
}

void hints_read(struct reading *r, const struct yaml_node *list, struct hint **ret, size_t *ret_n)
{
	if (list == NULL) {
		return;
	}
	if (list->kind != YAML_LIST) {
		problems_add(r->p, r->y, list, "'hints' must be a list");
		return;
	}
	*ret = reading_alloc(r, list->n, sizeof **ret);
	for (const struct yaml_node *v = list->first; *ret != NULL && v != NULL; v = v->next) {
		hint_read(r, v, &(*ret)[(*ret_n)++]);
	}
}

/* --- units ---------------------------------------------------------------- */

static int64_t clamp_us(double us)
{
	return us < 0 ? -1 : us > (double)LONGEST_WAIT_US ? LONGEST_WAIT_US : (int64_t)us;
}

/* The present as the provider sees it. */
static int64_t their_wall_us(const struct seen *seen, struct now now)
{
	const char *date = look_line(seen->h, "date");
	int64_t wall_us;

	return date != NULL && time_parse_http_date(date, &wall_us) ? wall_us : now.wall_us;
}

static int64_t until_us(int64_t instant_us, const struct seen *seen, struct now now)
{
	int64_t us = instant_us - their_wall_us(seen, now);

	return us < 0 ? 0 : us > LONGEST_WAIT_US ? LONGEST_WAIT_US : us;
}

/* -1 when the text is no date in any form. */
static int64_t date_us(const char *text, const struct seen *seen, struct now now)
{
	int64_t instant_us;

	if (time_parse_rfc3339(text, &instant_us) || time_parse_http_date(text, &instant_us)) {
		return until_us(instant_us, seen, now);
	}
	return -1;
}

/* Microseconds from now; -1 when the value says nothing. */
static int64_t unit_us(
    enum hint_unit unit, const struct value *v, const struct seen *seen, struct now now)
{
	char text[64];
	double number;
	int64_t us;

	if ((v->kind != VALUE_STRING && v->kind != VALUE_NUMBER) || v->len >= sizeof text) {
		return -1;
	}
	memcpy(text, v->text, v->len);
	text[v->len] = '\0';
	if (unit == UNIT_GO) {
		return duration_parse_go(text, &us) ? clamp_us((double)us) : -1;
	}
	if (unit == UNIT_DATE || !value_to_double(v, &number)) {
		return date_us(
		    text, seen, now); /* a date where seconds were promised is as clear */
	}
	switch (unit) {
	case UNIT_MS:
		return clamp_us(number * (double)US_PER_MS);
	case UNIT_EPOCH:
	case UNIT_EPOCH_MS:
		number *= unit == UNIT_EPOCH ? 1e6 : 1e3;
		return number > 0 && number < 9e18 ? until_us((int64_t)number, seen, now) : -1;
	default:
		return clamp_us(number * (double)US_PER_S);
	}
}

/* --- reading -------------------------------------------------------------- */

static bool says_zero(const struct look *look, const struct seen *seen)
{
	struct value v = look_at(look, seen);
	double number;

	return value_to_double(&v, &number) && number == 0;
}

static bool counts(const struct hint *hint, const struct seen *seen)
{
	return hint->spent.header == NULL || says_zero(&hint->spent, seen);
}

/* The entry of this window, made when there is none; NULL when all are taken. */
static struct answer_hint *entry(struct answer *ret, const struct hint *hint)
{
	struct answer_hint *h;

	for (size_t i = 0; i < ret->n_hints; i++) {
		if (ret->hints[i].limit == hint->limit && ret->hints[i].window == hint->window) {
			return &ret->hints[i];
		}
	}
	if (ret->n_hints == sizeof ret->hints / sizeof *ret->hints) {
		return NULL;
	}
	h = &ret->hints[ret->n_hints++];
	*h = (struct answer_hint){
	    .limit = hint->limit, .window = hint->window, .remaining = UINT64_MAX, .reset_us = -1};
	return h;
}

void hints_windows(
    const struct hint *hints, size_t n, const struct seen *seen, struct now now, struct answer *ret)
{
	for (size_t i = 0; i < n; i++) {
		const struct hint *hint = &hints[i];
		struct answer_hint *e;
		struct value v;
		double number;
		int64_t us;

		if (hint->tells == TELLS_REMAINING && counts(hint, seen)) {
			v = look_at(&hint->look, seen);
			if (value_to_double(&v, &number) && number >= 0 && number < 9e15 &&
			    (e = entry(ret, hint)) != NULL) {
				e->remaining = (uint64_t)number;
			}
		} else if (hint->tells == TELLS_LIMIT && counts(hint, seen)) {
			v = look_at(&hint->look, seen);
			if (value_to_double(&v, &number) && number >= 1 && number < 9e15 && (e = entry(ret, hint)) != NULL) {
				e->max = (uint64_t)number;
			}
		} else if (hint->tells == TELLS_RESET && counts(hint, seen)) {
			v = look_at(&hint->look, seen);
			us = unit_us(hint->unit, &v, seen, now);
			if (us >= 0 && (e = entry(ret, hint)) != NULL) {
				e->reset_us = us;
			}
		}
	}
}

int64_t hints_wait(const struct hint *hints, size_t n, enum hint_tells tells,
    const struct seen *seen, struct now now)
{
	bool declared = false;
	const char *line;

	for (size_t i = 0; i < n; i++) {
		const struct hint *hint = &hints[i];
		struct value v;
		int64_t us;

		if (hint->tells != tells || !counts(hint, seen)) {
			continue;
		}
		v = look_at(&hint->look, seen);
		us = unit_us(hint->unit, &v, seen, now);
		if (us > 0) {
			return us;
		}
		declared |=
		    hint->look.header != NULL && strcasecmp(hint->look.header, "retry-after") == 0;
	}
	line = tells == TELLS_RETRY_AFTER && !declared ? look_line(seen->h, "retry-after") : NULL;
	if (line != NULL) {
		size_t len = strlen(line);
		struct value v;
		int64_t us;

		text_trim(&line, &len);
		v = value_string(line, len);
		us = unit_us(UNIT_S, &v, seen, now);
		return us > 0 ? us : 0;
	}
	return 0;
}
