/* Configuration in words: what a reload changes, and the order in which a pipeline does things. */
#include "lib/engine/config.h"

#include "lib/base/money.h"

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

void config_diff(const struct config *from, const struct config *to, struct buf *out)
{
	for (size_t i = 0; i < to->n_services; i++) {
		const struct service *old = config_service(from, to->services[i]->name);

		if (old == NULL) {
			buf_printf(out, "service %s: new\n", to->services[i]->name);
		} else {
			diff_service(old, to->services[i], out);
		}
	}
	for (size_t i = 0; i < from->n_services; i++) {
		if (config_service(to, from->services[i]->name) == NULL) {
			buf_printf(out, "service %s: gone\n", from->services[i]->name);
		}
	}
	for (size_t i = 0; i < to->n_pipelines; i++) {
		const struct pipeline *old = config_pipeline(from, to->pipelines[i]->name);

		if (old == NULL || old->text_hash != to->pipelines[i]->text_hash) {
			buf_printf(out, "pipeline %s: %s\n", to->pipelines[i]->name, old == NULL ? "new" : "changed");
		}
	}
	for (size_t i = 0; i < to->n_campaigns; i++) {
		const struct campaign *m = &to->campaigns[i], *old = config_campaign(from, m->name);

		if (old == NULL || strcmp(old->vars_json, m->vars_json) != 0 || strcmp(old->pipeline->name, m->pipeline->name) != 0 ||
		    memcmp(&old->budget, &m->budget, sizeof(m->budget)) != 0) {
			buf_printf(out, "campaign %s: %s\n", m->name, old == NULL ? "new" : "changed");
		}
	}
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

static void describe_stage(const struct pipeline *p, size_t s, struct buf *out)
{
	const struct stage *st = &p->stages[s];

	for (size_t i = 0; i < st->n_steps; i++) {
		char price[32];

		if (st->steps[i].call == NULL) {
			buf_printf(out, "  %-10s %s fallback text\n", i == 0 ? st->name : "", i == 0 ? "" : "then");
			continue;
		}
		money_write(st->steps[i].call->price_micro, price);
		buf_printf(out, "  %-10s %s%s.%s, at most %s\n", i == 0 ? st->name : "", i == 0 ? "" : "then ", st->steps[i].service->name,
		    st->steps[i].call->name, price);
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
