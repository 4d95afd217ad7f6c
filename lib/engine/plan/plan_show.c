/*
 * A plan as people and programs get it: what lies in the middle of all repetitions, and the band that holds nine of ten
 * nights. The shape is that of daemon/API.md.
 */
#include "lib/engine/plan/plan_night.h"

#include "lib/engine/show/show_put.h"
#include "lib/store/names.h"

#include <math.h>
#include <stdio.h>

static void note(struct showing *s, const char *format, ...) PRINTF(2, 3);
static void note(struct showing *s, const char *format, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_object_array_add(s->notes, json_object_new_string(text));
}

static double seconds(const struct showing *s, int64_t boot_us)
{
	return (double)(boot_us - s->q->now.boot_us) / 1e6;
}

static int64_t wall_of(const struct showing *s, double after_s)
{
	return s->q->now.wall_us + (int64_t)(after_s * 1e6);
}

static void put_money_band(struct json_object *o, const char *key, struct plan_band b)
{
	struct json_object *v = json_object_new_object();

	put_int(v, "early", (int64_t)(b.early + 0.5));
	put_int(v, "median", (int64_t)(b.median + 0.5));
	put_int(v, "late", (int64_t)(b.late + 0.5));
	json_object_object_add(o, key, v);
}

static double mean_of(const struct showing *s, size_t offset)
{
	double sum = 0;

	for (size_t i = 0; i < s->n; i++) {
		sum += (double)*(const uint64_t *)(const void *)((const char *)&s->nights[i] + offset);
	}
	return sum / (double)s->n;
}

static int64_t rounded(double v)
{
	return (int64_t)floor(v + 0.5);
}

/* --- finish --- */

static int by_end(const void *a, const void *b)
{
	int64_t x = ((const struct plan_night *)a)->end_us, y = ((const struct plan_night *)b)->end_us;

	x = x == 0 ? INT64_MAX : x;
	y = y == 0 ? INT64_MAX : y;
	return x < y ? -1 : x > y;
}

static void put_finish(struct showing *s)
{
	struct json_object *finish = json_object_new_object(), *took = json_object_new_object();
	struct plan_band b = {0};
	size_t ended = 0;

	while (ended < s->n && s->nights[ended].end_us != 0) {
		s->values[ended] = seconds(s, s->nights[ended].end_us);
		ended++;
	}
	if (2 * ended > s->n) {
		b = plan_band(s->values, ended);
		put_wall(finish, "early", wall_of(s, b.early));
		put_wall(finish, "median", wall_of(s, b.median));
		put_wall(finish, "late", 20 * ended > 19 * s->n ? wall_of(s, b.late) : 0);
		put_int(took, "early", rounded(b.early * 1000));
		put_int(took, "median", rounded(b.median * 1000));
		put_int(took, "late", rounded(b.late * 1000));
	} else {
		note(s, "the run does not come to an end by itself: %s", s->middle->budget_us != 0 ? "the money ends before" : "something it needs is never free again");
	}
	json_object_object_add(s->out, "finish", finish);
	json_object_object_add(s->out, "took_ms", took);
	json_object_object_add(s->out, "ends_share", json_object_new_double((double)ended / (double)s->n));
}

static void put_by(struct showing *s)
{
	struct json_object *by;
	size_t in_time = 0;
	struct plan_band b;

	if (s->q->by_wall_us == 0) {
		return;
	}
	by = json_object_new_object();
	for (size_t i = 0; i < s->n; i++) {
		s->values[i] = (double)s->nights[i].done_by;
		in_time += s->nights[i].end_us != 0 && wall_of(s, seconds(s, s->nights[i].end_us)) <= s->q->by_wall_us;
	}
	b = plan_band(s->values, s->n);
	put_wall(by, "at", s->q->by_wall_us);
	put_int(by, "done", rounded(b.median));
	put_int(by, "done_late", rounded(b.early)); /* fewer are done when it goes slowly */
	put_int(by, "leads", (int64_t)s->middle->rows);
	json_object_object_add(by, "chance", json_object_new_double((double)in_time / (double)s->n));
	put_bool(by, "enough", 20 * in_time >= 19 * s->n);
	json_object_object_add(s->out, "by", by);
}

static void put_budget(struct showing *s)
{
	struct json_object *o;
	size_t out = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->nights[i].budget_us != 0) {
			s->values[out++] = seconds(s, s->nights[i].budget_us);
		}
	}
	if (s->q->start.budget_micro < 0 && out == 0) {
		return;
	}
	o = json_object_new_object();
	put_int(o, "budget_micro", s->q->start.budget_micro);
	json_object_object_add(o, "chance", json_object_new_double(1 - (double)out / (double)s->n));
	put_wall(o, "ends", 2 * out > s->n ? wall_of(s, plan_band(s->values, out).median) : 0);
	json_object_object_add(s->out, "budget", o);
	if (2 * out > s->n) {
		note(s, "a budget does not last: leads are not begun, or not finished");
	}
}

/* --- stages --- */

static const char *kind_word(enum stage_kind k)
{
	static const char *const kinds[] = {"gates", "call", "push", "confirm", "approval"};

	return kinds[k];
}

static size_t next_stage(const struct showing *s, size_t p)
{
	do {
		p++;
	} while (p < s->pipeline->n_stages && s->pipeline->stages[p].n_steps == 0);
	return p;
}

static void put_stages(struct showing *s)
{
	struct json_object *list = json_object_new_array();

	for (size_t p = 0; p < s->pipeline->n_stages; p++) {
		size_t base = offsetof(struct plan_night, stages) + p * sizeof(struct stage_count), next = next_stage(s, p);
		struct json_object *o;

		if (s->pipeline->stages[p].n_steps == 0) {
			continue;
		}
		o = json_object_new_object();
		put_word(o, "stage", s->pipeline->stages[p].name);
		put_word(o, "kind", kind_word(s->pipeline->stages[p].kind));
		put_int(o, "in", rounded(mean_of(s, offsetof(struct plan_night, entered) + p * sizeof(uint64_t))));
		put_int(o, "out",
		    rounded(next < s->pipeline->n_stages ? mean_of(s, offsetof(struct plan_night, entered) + next * sizeof(uint64_t))
							 : mean_of(s, base + offsetof(struct stage_count, ok))));
		put_int(o, "calls", rounded(mean_of(s, base + offsetof(struct stage_count, calls))));
		put_int(o, "rejected", rounded(mean_of(s, base + offsetof(struct stage_count, rejected))));
		put_int(o, "failed", rounded(mean_of(s, base + offsetof(struct stage_count, failed))));
		put_int(o, "cost_micro", rounded(mean_of(s, offsetof(struct plan_night, cost_of) + p * sizeof(uint64_t))));
		json_object_array_add(list, o);
	}
	json_object_object_add(s->out, "stages", list);
}

static void put_leads(struct showing *s)
{
	struct json_object *o = json_object_new_object(), *outcomes = json_object_new_object();
	double free_rows = (double)(s->middle->refused + s->middle->duplicates), taken = (double)s->middle->rows - free_rows, calls = 0;

	for (size_t p = 0; p < s->pipeline->n_stages; p++) {
		calls += mean_of(s, offsetof(struct plan_night, stages) + p * sizeof(struct stage_count) + offsetof(struct stage_count, calls));
	}
	for (int i = 0; i < ITEM_OUTCOMES; i++) {
		double n = mean_of(s, offsetof(struct plan_night, outcomes) + (size_t)i * sizeof(uint64_t));

		if (n > 0) {
			put_int(outcomes, item_outcome_word((enum item_outcome)i), rounded(n));
		}
	}
	put_int(o, "rows", (int64_t)s->middle->rows);
	put_int(o, "refused", (int64_t)s->middle->refused);
	put_int(o, "duplicates", (int64_t)s->middle->duplicates);
	put_int(o, "calls_saved", taken > 0 ? rounded(free_rows * calls / taken) : 0);
	json_object_object_add(o, "outcomes", outcomes);
	json_object_object_add(s->out, "leads", o);
}

/* --- services --- */

/* Share of what the tightest sliding window allows from the first to the last call: a whole window at once, then its rate. */
static double used_share(const struct service *def, const struct plan_service *svc, struct window_spec *ret)
{
	double least = 0, most = 0;

	for (size_t i = 0; i < def->n_limits; i++) {
		double groups = def->limits[i].scope == LIMIT_PER_KEY ? (double)def->n_groups : 1;

		for (size_t w = 0; w < def->limits[i].n_windows; w++) {
			const struct window_spec *spec = &def->limits[i].windows[w];
			double rate = spec->kind == WINDOW_SLIDING ? groups * (double)spec->max / ((double)spec->length_us / 1e6) : 0;

			if (rate > 0 && (least == 0 || rate < least)) {
				least = rate;
				most = rate * (double)(svc->last_us - svc->first_us + spec->length_us) / 1e6;
				*ret = *spec;
			}
		}
	}
	return most > 0 ? (double)svc->calls / most : 0;
}

static void put_dry(struct showing *s, struct json_object *o, size_t i)
{
	const struct service *def = s->q->config->services[i];
	const struct plan_service *svc = &s->middle->services[i];
	char text[48];

	put_wall(o, "dry", svc->dry_us != 0 ? wall_of(s, seconds(s, svc->dry_us)) : 0);
	if (svc->dry_us != 0 && svc->dry_quota) {
		put_word(o, "dry_limit", "quota");
		note(s, "%s: the provider's allowance is used up", def->name);
	} else if (svc->dry_us != 0) {
		window_write(&def->limits[svc->dry_limit].windows[svc->dry_window], text);
		put_word(o, "dry_limit", text);
		note(s, "%s: %s runs dry on the way", def->name, text);
	}
}

static void put_service(struct showing *s, struct json_object *list, size_t i)
{
	const struct service *def = s->q->config->services[i];
	size_t at = offsetof(struct plan_night, services) + i * sizeof(struct plan_service);
	struct json_object *o;
	struct window_spec limit = {0};
	uint16_t number = 0;
	uint64_t known;
	char text[48] = "";
	double used;

	if (mean_of(s, at + offsetof(struct plan_service, calls)) == 0) {
		return;
	}
	o = json_object_new_object();
	put_word(o, "service", def->name);
	put_int(o, "calls", rounded(mean_of(s, at + offsetof(struct plan_service, calls))));
	for (size_t k = 0; k < s->n; k++) {
		s->values[k] = (double)s->nights[k].services[i].cost_micro;
	}
	put_money_band(o, "cost_micro", plan_band(s->values, s->n));
	used = used_share(def, &s->middle->services[i], &limit);
	json_object_object_add(o, "used", json_object_new_double(floor(used * 1000 + 0.5) / 1000));
	if (used > 0) {
		window_write(&limit, text);
	}
	put_text(o, "limit", text);
	known = names_number(s->names, NAME_SERVICE, def->name, &number, NULL) == 0 ? odds_known(s->odds, number) : 0;
	put_int(o, "known_answers", (int64_t)known);
	if (known < 50) {
		note(s, "%s: %s is known of it, so much here is guessed", def->name, known == 0 ? "nothing" : "little");
	}
	put_dry(s, o, i);
	json_object_array_add(list, o);
}

static void put_services(struct showing *s)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < s->q->config->n_services; i++) {
		put_service(s, list, i);
	}
	json_object_object_add(s->out, "services", list);
}

/* --- the whole --- */

static void put_head(struct showing *s)
{
	struct plan_band b;

	put_word(s->out, "campaign", s->q->start.campaign);
	put_word(s->out, "pipeline", s->pipeline->name);
	put_wall(s->out, "now", s->q->now.wall_us);
	put_int(s->out, "repetitions", (int64_t)s->n);
	put_word(s->out, "currency", s->q->config->currency != NULL ? s->q->config->currency : "");
	for (size_t i = 0; i < s->n; i++) {
		s->values[i] = (double)s->nights[i].cost_micro;
	}
	b = plan_band(s->values, s->n);
	put_money_band(s->out, "cost_micro", b);
}

struct json_object *plan_show(const struct plan_request *q, const struct odds *odds, struct names *names, struct plan_night *nights, size_t n)
{
	struct showing s = {.q = q, .odds = odds, .names = names, .nights = nights, .n = n};
	const struct campaign *m = config_campaign(q->config, q->start.campaign);

	s.values = calloc(n, sizeof(s.values[0]));
	s.out = json_object_new_object();
	s.notes = json_object_new_array();
	if (s.values == NULL || s.out == NULL || s.notes == NULL) {
		free(s.values);
		json_object_put(s.out);
		json_object_put(s.notes);
		return NULL;
	}
	s.pipeline = m->pipeline;
	qsort(nights, n, sizeof(nights[0]), by_end);
	s.middle = &nights[n / 2];
	put_head(&s);
	put_finish(&s);
	put_by(&s);
	put_budget(&s);
	put_leads(&s);
	put_stages(&s);
	put_services(&s);
	plan_show_time(&s);
	json_object_object_add(s.out, "notes", s.notes);
	free(s.values);
	return s.out;
}
