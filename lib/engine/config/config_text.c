/* Configuration in words: what a reload changes, and the order in which a pipeline does things. */
#include "lib/engine/config/config_agenda.h"

#include "lib/base/money.h"
#include "lib/engine/config/config_access.h"
#include "lib/engine/config/config_intake.h"
#include "lib/engine/config/config_notify.h"
#include "lib/engine/config/config_payment.h"

#include <string.h>

static void write_windows(struct buf *out, const struct service_limit *l)
{
	for (size_t w = 0; w < l->n_windows; w++) {
		char text[48];

		window_write(&l->windows[w], text);
		buf_printf(out, "%s%s", w > 0 ? " + " : "", text);
	}
}

static void diff_limits(const struct service *from, const struct service *to, struct buf *out)
{
	struct buf a = {0}, b = {0};

	for (size_t i = 0; i < from->n_limits; i++) {
		buf_add_text(&a, i > 0 ? ", " : "");
		write_windows(&a, &from->limits[i]);
	}
	for (size_t i = 0; i < to->n_limits; i++) {
		buf_add_text(&b, i > 0 ? ", " : "");
		write_windows(&b, &to->limits[i]);
	}
	if (a.len != b.len || (a.len > 0 && memcmp(a.data, b.data, a.len) != 0)) {
		buf_printf(out, "service %s: limits %s -> %s\n", to->name, a.len > 0 ? a.data : "none", b.len > 0 ? b.data : "none");
	}
	buf_free(&a);
	buf_free(&b);
}

static void diff_service(const struct service *from, const struct service *to, struct buf *out)
{
	size_t before = out->len;

	diff_limits(from, to, out);
	if (from->concurrency != to->concurrency) {
		buf_printf(out, "service %s: concurrency %u -> %u\n", to->name, from->concurrency, to->concurrency);
	}
	if (strcmp(from->base, to->base) != 0) {
		buf_printf(out, "service %s: base %s -> %s\n", to->name, from->base, to->base);
	}
	if (out->len == before && from->text_hash != to->text_hash) {
		buf_printf(out, "service %s: description changed\n", to->name);
	}
}

static void write_amount(struct buf *out, int64_t micro)
{
	char text[32] = "none";

	if (micro >= 0) {
		money_write(micro, text);
	}
	buf_add_text(out, text);
}

static void diff_amount(const char *what, const char *name, const char *period, int64_t from, int64_t to, struct buf *out)
{
	if (from != to) {
		buf_printf(out, "%s %s: budget%s ", what, name, period);
		write_amount(out, from);
		buf_add_text(out, " -> ");
		write_amount(out, to);
		buf_add_char(out, '\n');
	}
}

static void diff_budget(const char *what, const char *name, const struct budget *from, const struct budget *to, struct buf *out)
{
	static const struct budget none = {-1, -1, -1};

	from = from != NULL ? from : &none;
	to = to != NULL ? to : &none;
	diff_amount(what, name, "", from->total_micro, to->total_micro, out);
	diff_amount(what, name, " of the day", from->day_micro, to->day_micro, out);
	diff_amount(what, name, " of the month", from->month_micro, to->month_micro, out);
}

static const struct budget *service_budget(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_services; i++) {
		if (strcmp(c->services[i]->name, name) == 0) {
			return &c->service_budgets[i];
		}
	}
	return NULL;
}

static const struct budget *org_budget(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_orgs; i++) {
		if (strcmp(c->orgs[i].name, name) == 0) {
			return &c->orgs[i].budget;
		}
	}
	return NULL;
}

static void diff_orgs(const struct config *from, const struct config *to, struct buf *out)
{
	for (size_t i = 0; i < to->n_orgs; i++) {
		diff_budget("organisation", to->orgs[i].name, org_budget(from, to->orgs[i].name), &to->orgs[i].budget, out);
	}
	for (size_t i = 0; i < from->n_orgs; i++) {
		if (org_budget(to, from->orgs[i].name) == NULL) {
			diff_budget("organisation", from->orgs[i].name, &from->orgs[i].budget, NULL, out);
		}
	}
}

static void diff_campaign(const struct campaign *from, const struct campaign *to, struct buf *out)
{
	if (strcmp(from->pipeline->name, to->pipeline->name) != 0) {
		buf_printf(out, "campaign %s: pipeline %s -> %s, for new runs\n", to->name, from->pipeline->name, to->pipeline->name);
	}
	if (strcmp(from->organisation, to->organisation) != 0) {
		buf_printf(out, "campaign %s: organisation %s -> %s\n", to->name, from->organisation, to->organisation);
	}
	if (strcmp(from->vars_json, to->vars_json) != 0) {
		buf_printf(out, "campaign %s: vars changed\n", to->name);
	}
	diff_budget("campaign", to->name, &from->budget, &to->budget, out);
	agenda_diff(from, to, out);
	diff_amount("campaign", to->name, " of new runs", from->run_budget_micro, to->run_budget_micro, out);
}

static void diff_campaigns(const struct config *from, const struct config *to, struct buf *out)
{
	for (size_t i = 0; i < to->n_campaigns; i++) {
		const struct campaign *old = config_campaign(from, to->campaigns[i].name);

		if (old == NULL) {
			buf_printf(out, "campaign %s: new\n", to->campaigns[i].name);
		} else {
			diff_campaign(old, &to->campaigns[i], out);
		}
	}
	for (size_t i = 0; i < from->n_campaigns; i++) {
		if (config_campaign(to, from->campaigns[i].name) == NULL) {
			buf_printf(out, "campaign %s: gone\n", from->campaigns[i].name);
		}
	}
}

static void diff_services(const struct config *from, const struct config *to, struct buf *out)
{
	for (size_t i = 0; i < to->n_services; i++) {
		const char *name = to->services[i]->name;
		const struct service *old = config_service(from, name);

		if (old == NULL) {
			buf_printf(out, "service %s: new\n", name);
		} else {
			diff_service(old, to->services[i], out);
		}
		diff_budget("service", name, service_budget(from, name), &to->service_budgets[i], out);
	}
	for (size_t i = 0; i < from->n_services; i++) {
		if (config_service(to, from->services[i]->name) == NULL) {
			buf_printf(out, "service %s: gone\n", from->services[i]->name);
		}
	}
}

static void diff_pipelines(const struct config *from, const struct config *to, struct buf *out)
{
	for (size_t i = 0; i < to->n_pipelines; i++) {
		const struct pipeline *old = config_pipeline(from, to->pipelines[i]->name);

		if (old == NULL || old->text_hash != to->pipelines[i]->text_hash) {
			buf_printf(out, "pipeline %s: %s\n", to->pipelines[i]->name, old == NULL ? "new" : "changed");
		}
	}
	for (size_t i = 0; i < from->n_pipelines; i++) {
		if (config_pipeline(to, from->pipelines[i]->name) == NULL) {
			buf_printf(out, "pipeline %s: gone\n", from->pipelines[i]->name);
		}
	}
}

/* By their versions. */
static void diff_prompts(const struct config *from, const struct config *to, struct buf *out)
{
	const char *nearest;

	for (size_t i = 0; i < to->prompts->n; i++) {
		const struct prompt *new = &to->prompts->list[i], *old = prompts_find(from->prompts, new->name, &nearest);

		if (old == NULL || strcmp(old->version, new->version) != 0) {
			buf_printf(out, "prompt %s: %s%s%s\n", new->name, old == NULL ? "new, " : old->version, old == NULL ? "" : " -> ", new->version);
		}
	}
	for (size_t i = 0; i < from->prompts->n; i++) {
		if (prompts_find(to->prompts, from->prompts->list[i].name, &nearest) == NULL) {
			buf_printf(out, "prompt %s: gone\n", from->prompts->list[i].name);
		}
	}
}

/* Never what they are. */
static void diff_secrets(const struct config *from, const struct config *to, struct buf *out)
{
	for (size_t i = 0; i < to->n_secrets; i++) {
		const struct secret *s = &to->secrets[i], *old = config_secret(from, s->name);

		if (old == NULL || old->len != s->len || memcmp(old->text, s->text, s->len) != 0) {
			buf_printf(out, "credential %s: %s\n", s->name, old == NULL ? "new" : "changed");
		}
	}
	for (size_t i = 0; i < from->n_secrets; i++) {
		if (config_secret(to, from->secrets[i].name) == NULL) {
			buf_printf(out, "credential %s: gone\n", from->secrets[i].name);
		}
	}
}

/* What was read once, when leadd started. */
static void diff_settings(const struct config *from, const struct config *to, struct buf *out)
{
	const struct {
		const char *name, *from, *to;
	} texts[] = {{"state_dir", from->state_dir, to->state_dir}, {"socket", from->socket, to->socket}, {"ca_file", from->ca_file, to->ca_file}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *a = texts[i].from != NULL ? texts[i].from : "none", *b = texts[i].to != NULL ? texts[i].to : "none";

		if (strcmp(a, b) != 0) {
			buf_printf(out, "%s: %s -> %s, from the next start on\n", texts[i].name, a, b);
		}
	}
	if (from->map_bytes != to->map_bytes) {
		buf_printf(out, "store: map %zu -> %zu MiB, from the next start on\n", from->map_bytes >> 20, to->map_bytes >> 20);
	}
	if (from->max_in_flight != to->max_in_flight) {
		buf_printf(out, "max_in_flight: %u -> %u, from the next start on\n", from->max_in_flight, to->max_in_flight);
	}
	if (from->allow_private != to->allow_private) {
		buf_printf(out, "allow_private: %s, from the next start on\n", to->allow_private ? "true" : "false");
	}
}

static void diff_results(const struct config *from, const struct config *to, struct buf *out)
{
	const char *old_url = from->callback_url != NULL ? from->callback_url : "none", *url = to->callback_url != NULL ? to->callback_url : "none";
	char a[32], b[32];

	if (strcmp(old_url, url) != 0) {
		buf_printf(out, "callback_url: %s -> %s\n", old_url, url);
	}

	if (from->results_keep_us != to->results_keep_us) {
		duration_write(from->results_keep_us, a);
		duration_write(to->results_keep_us, b);
		buf_printf(out, "results: keep %s -> %s\n", a, b);
	}
	if (from->run_log_bytes != to->run_log_bytes) {
		buf_printf(out, "results: log %zu -> %zu MiB\n", from->run_log_bytes >> 20, to->run_log_bytes >> 20);
	}
	if (from->formats != to->formats) {
		buf_printf(out, "results: other formats\n");
	}
}

static void diff_answers(const struct config *from, const struct config *to, struct buf *out)
{
	char a[32], b[32];

	if (from->keep_us != to->keep_us) {
		duration_write(from->keep_us, a);
		duration_write(to->keep_us, b);
		buf_printf(out, "answers: keep %s -> %s\n", a, b);
	}
}

void config_diff(const struct config *from, const struct config *to, struct buf *out)
{
	diff_settings(from, to, out);
	diff_answers(from, to, out);
	diff_results(from, to, out);
	access_diff(from, to, out);
	intakes_diff(from, to, out);
	diff_secrets(from, to, out);
	diff_services(from, to, out);
	diff_prompts(from, to, out);
	diff_pipelines(from, to, out);
	diff_orgs(from, to, out);
	diff_campaigns(from, to, out);
	payments_diff(from, to, out);
	notify_diff(from, to, out);
}

static void describe_gates(const struct pipeline *p, int after, struct buf *out)
{
	for (size_t i = 0; i < p->n_gates; i++) {
		const struct gate *g = &p->gates[i];

		if (g->after != after) {
			continue;
		}
		buf_printf(out, "    gate  %s", g->text);
		if (g->listed != after && p->stages[g->listed].n_steps > 0) {
			buf_printf(out, " (listed in %s)", p->stages[g->listed].name);
		}
		buf_add_char(out, '\n');
	}
}

static void describe_prompt(const struct step *s, struct buf *out)
{
	buf_printf(out, "%s%s\n", s->prompt != NULL ? ", prompt " : "", s->prompt != NULL ? s->prompt : "");
}

static void describe_stage(const struct pipeline *p, size_t s, struct buf *out)
{
	const struct stage *st = &p->stages[s];

	if (st->kind == STAGE_APPROVAL) {
		buf_printf(out, "  %-10s waits for approval%s%s\n", st->name, st->text != NULL ? ": " : "", st->text != NULL ? st->text : "");
	}
	for (size_t i = 0; i < st->n_steps; i++) {
		char price[32];

		if (st->steps[i].call == NULL) {
			buf_printf(out, "  %-10s %s fallback text", i == 0 ? st->name : "", i == 0 ? "" : "then");
			describe_prompt(&st->steps[i], out);
			continue;
		}
		money_write(st->steps[i].call->price_micro, price);
		buf_printf(out, "  %-10s %s%s.%s, at most %s", i == 0 ? st->name : "", i == 0 ? "" : "then ", st->steps[i].service->name,
		    st->steps[i].call->name, price);
		describe_prompt(&st->steps[i], out);
	}
	describe_gates(p, (int)s, out);
}

void config_describe(const struct config *c, struct buf *out)
{
	for (size_t i = 0; i < c->n_pipelines; i++) {
		const struct pipeline *p = c->pipelines[i];

		buf_printf(out, "pipeline %s\n  intake\n", p->name);
		describe_gates(p, AFTER_INTAKE, out);
		for (size_t s = 0; s < p->n_stages; s++) {
			describe_stage(p, s, out);
		}
	}
}
