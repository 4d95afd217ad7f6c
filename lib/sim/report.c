/* lib/sim/report.c: what happened in the world, as JSON and as numbers. */
#include "lib/sim/internal.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/ids.h"
#include "lib/base/json.h"

static const char *const answered_words[ANSWERED_N] = {"ok", "empty", "permanent", "duplicate", "throttle",
    "quota", "auth", "failure", "spoiled", "nothing"};

/* Worst and violations of window i over all keys. */
static struct arrivals over_keys(const struct world *w, enum world_service s, size_t i)
{
	const struct service_state *st = &w->services[s];
	struct arrivals sum = {.worst = st->shared[i].worst,
	    .worst_us = st->shared[i].worst_us,
	    .violations = st->shared[i].violations};

	for (size_t k = 0; k < KEY_SLOTS; k++) {
		const struct arrivals *a = &st->keys[k].windows[i];

		sum.violations += a->violations;
		if (a->worst > sum.worst) {
			sum.worst = a->worst;
			sum.worst_us = a->worst_us;
		}
	}
	return sum;
}

uint64_t world_worst(const struct world *w, enum world_service s, size_t i)
{
	return i < w->s.services[s].n_limits ? over_keys(w, s, i).worst : 0;
}

void world_totals(const struct world *w, enum world_service s, struct world_totals *ret)
{
	const struct account_service *a = &w->account->services[s];

	*ret = (struct world_totals){.calls = w->services[s].calls,
	    .billed_calls = a->billed_calls,
	    .billed_micro = a->billed_micro,
	    .repeats_p3 = a->p3,
	    .repeats_doubt = a->in_doubt,
	    .repeats_declared = a->copy + a->unknown + a->lost};
	memcpy(ret->faults, w->services[s].faults, sizeof(ret->faults));
	for (size_t i = 0; i < w->s.services[s].n_limits; i++) {
		ret->violations += over_keys(w, s, i).violations;
	}
}

static void add_counts(struct buf *out, const char *name, const uint64_t counts[], size_t n,
    size_t first, const char *(*word)(size_t i))
{
	bool any = false;

	buf_printf(out, ",\"%s\":{", name);
	for (size_t i = first; i < n; i++) {
		if (counts[i] > 0) {
			buf_printf(out, "%s\"%s\":%" PRIu64, any ? "," : "", word(i), counts[i]);
			any = true;
		}
	}
	buf_add_char(out, '}');
}

static const char *answered_word(size_t i)
{
	return answered_words[i];
}

static const char *fault_word(size_t i)
{
	return world_fault_word((enum world_fault)i);
}

static void add_windows(const struct world *w, enum world_service s, struct buf *out)
{
	const struct scenario_service *sc = &w->s.services[s];

	buf_add_text(out, ",\"windows\":[");
	for (size_t i = 0; i < sc->n_limits; i++) {
		const struct scenario_limit *l = &sc->limits[i];
		struct arrivals a = over_keys(w, s, i);

		buf_printf(out,
		    "%s{\"limit\":\"%s\",\"per\":\"%s\",\"unit\":\"%s\",\"max\":%" PRIu64
		    ",\"worst\":%" PRIu64 ",\"worst_boot_us\":%" PRId64 ",\"violations\":%" PRIu64
		    "}",
		    i > 0 ? "," : "", l->text, l->per_service ? "service" : "key",
		    l->tokens ? "tokens" : "requests", l->max * w->s.limit_factor, a.worst,
		    a.worst_us, a.violations);
	}
	buf_add_char(out, ']');
}

static void add_service(const struct world *w, enum world_service s, struct buf *out)
{
	const struct account_service *a = &w->account->services[s];
	const struct service_state *st = &w->services[s];
	struct world_totals t;

	world_totals(w, s, &t);
	buf_printf(out, "%s\"%s\":{\"calls\":%" PRIu64, s > 0 ? "," : "", world_service_word(s),
	    st->calls);
	add_counts(out, "answers", st->answered, ANSWERED_N, 0, answered_word);
	add_counts(out, "faults", st->faults, FAULT_N, 1, fault_word);
	add_windows(w, s, out);
	buf_printf(out,
	    ",\"violations\":%" PRIu64 ",\"billed_calls\":%" PRIu64 ",\"billed_micro\":%" PRId64,
	    t.violations, a->billed_calls, a->billed_micro);
	buf_printf(out,
	    ",\"repeats_p3\":%" PRIu64 ",\"repeats_in_doubt\":%" PRIu64 ",\"repeats_copy\":%" PRIu64
	    ",\"repeats_unknown\":%" PRIu64 ",\"repeats_lost\":%" PRIu64 "}",
	    a->p3, a->in_doubt, a->copy, a->unknown, a->lost);
}

static void add_repeats(const struct world *w, struct buf *out)
{
	buf_add_text(out, ",\"repeats\":[");
	for (size_t i = 0; i < w->account->n_listed; i++) {
		const struct account_line *first = &w->account->lines[w->account->listed[i].first];
		const struct account_line *second =
		    &w->account->lines[w->account->listed[i].second];

		buf_printf(out,
		    "%s{\"service\":\"%s\",\"endpoint\":\"%s\",\"meaning\":\"%016" PRIx64
		    "\",\"first\":",
		    i > 0 ? "," : "", world_service_word(first->service),
		    endpoint_words[first->endpoint], first->meaning);
		json_write_string(out, first->call, strlen(first->call));
		buf_add_text(out, ",\"second\":");
		json_write_string(out, second->call, strlen(second->call));
		buf_printf(out,
		    ",\"first_at_us\":%" PRId64 ",\"first_delivered_us\":%" PRId64
		    ",\"second_at_us\":%" PRId64 "}",
		    first->at_us, first->delivered_us, second->at_us);
	}
	buf_add_char(out, ']');
}

static void add_bills(const struct world *w, struct buf *out)
{
	bool any = false;

	buf_add_text(out, ",\"bills\":[");
	for (size_t i = 0; i < w->account->n; i++) {
		const struct account_line *line = &w->account->lines[i];

		if (!line->billed) {
			continue;
		}
		buf_add_text(out, any ? ",{\"call\":" : "{\"call\":");
		json_write_string(out, line->call, strlen(line->call));
		buf_printf(out,
		    ",\"service\":\"%s\",\"endpoint\":\"%s\",\"outcome\":\"%s\",\"price_micro\":"
		    "%" PRId64 ",\"at_us\":%" PRId64 ",\"meaning\":\"%016" PRIx64
		    "\",\"delivered\":%s}",
		    world_service_word(line->service), endpoint_words[line->endpoint],
		    account_words[line->outcome], line->price_micro, line->at_us, line->meaning,
		    line->whole && line->delivered_us != 0 ? "true" : "false");
		any = true;
	}
	buf_add_char(out, ']');
}

static void add_pushed(const struct world *w, bool full, struct buf *out)
{
	const struct leads *l = &w->leads;

	buf_printf(out, ",\"pushed\":{\"count\":%zu,\"deleted\":%zu,\"doubled\":%zu,\"leads\":[",
	    l->n - l->n_deleted, l->n_deleted, l->n_doubled);
	for (size_t i = 0; i < l->n; i++) {
		const struct pushed *p = &l->all[i];

		buf_add_text(out, i > 0 ? ",{\"email\":" : "{\"email\":");
		if (full) {
			json_write_string(out, p->text[LEAD_EMAIL], strlen(p->text[LEAD_EMAIL]));
		} else {
			buf_printf(out, "\"%016" PRIx64 "\"",
			    hash_plain(p->text[LEAD_EMAIL], strlen(p->text[LEAD_EMAIL])));
		}
		buf_add_text(out, ",\"campaign\":");
		json_add(out, p->text[LEAD_CAMPAIGN]);
		buf_printf(out, ",\"id\":\"%s\",\"doubled\":%s,\"deleted\":%s}", p->id,
		    p->doubled ? "true" : "false", p->deleted ? "true" : "false");
	}
	buf_add_text(out, "]}");
}

/* What stands at HubSpot, Supabase and n8n. */
static void add_kept(const struct world *w, struct buf *out)
{
	const struct kept *k = &w->kept;

	buf_printf(out, ",\"kept\":{\"hubspot_contacts\":%zu,\"hubspot_lists\":[", k->n_made);
	for (size_t i = 0; i < k->n_lists; i++) {
		buf_add_text(out, i > 0 ? ",{\"name\":" : "{\"name\":");
		json_add(out, k->lists[i].name);
		buf_printf(
		    out, ",\"object\":\"%s\",\"members\":%zu}", k->lists[i].object, k->lists[i].n);
	}
	buf_printf(out, "],\"supabase_rows\":%zu,\"n8n_jobs\":%zu,\"n8n_callbacks\":%" PRIu64 "}",
	    k->n_rows, k->n_jobs, k->callbacks);
}

void world_report(const struct world *w, const struct world_report_options *o, struct buf *out)
{
	struct world_totals t, sum = {0};

	buf_printf(out, "{\"seed\":%" PRIu64 ",\"limit_factor\":%" PRIu64 ",\"services\":{",
	    w->s.seed, w->s.limit_factor);
	for (enum world_service s = 0; s < WORLD_SERVICES; s++) {
		add_service(w, s, out);
		world_totals(w, s, &t);
		sum.calls += t.calls;
		sum.violations += t.violations;
		sum.billed_calls += t.billed_calls;
		sum.billed_micro += t.billed_micro;
		sum.repeats_p3 += t.repeats_p3;
		sum.repeats_doubt += t.repeats_doubt;
	}
	buf_printf(out,
	    "},\"calls\":%" PRIu64 ",\"violations\":%" PRIu64 ",\"billed_calls\":%" PRIu64
	    ",\"billed_micro\":%" PRId64 ",\"repeats_p3\":%" PRIu64
	    ",\"repeats_in_doubt\":%" PRIu64,
	    sum.calls, sum.violations, sum.billed_calls, sum.billed_micro, sum.repeats_p3,
	    sum.repeats_doubt);
	add_repeats(w, out);
	add_pushed(w, o->full, out);
	add_kept(w, out);
	if (!o->no_bills) {
		add_bills(w, out);
	}
	buf_add_char(out, '}');
}
