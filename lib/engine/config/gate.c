/* Evaluates the gates of a pipeline over a record. See pipeline.h. */

#include "lib/engine/config/pipeline.h"

#include <string.h>
#include <strings.h>
#include <libpsl.h>

/* A company's domain (or the host of its URL). Its reason when it is none that can be registered. */
static const char *domain_check(const struct gate *g, const struct value *v, const struct gate_lists *lists, struct arena *a)
{
	char *host = value_is_blank(v) || v->kind != VALUE_STRING ? NULL : arena_dup(a, v->text, v->len);
	char domain[GATE_DOMAIN_MAX + 1];
	const char *address;
	struct value normal;

	if (host == NULL) {
		return "domain-missing";
	}
	host = strstr(host, "://") != NULL ? strstr(host, "://") + 3 : host;
	host[strcspn(host, "/?#:")] = 0;
	host += strncasecmp(host, "www.", 4) == 0 ? 4 : 0;
	if (!gate_domain(host, strlen(host), lists, domain)) {
		return "domain-malformed";
	}
	if (lists->psl != NULL && psl_registrable_domain(lists->psl, domain) == NULL) {
		return "domain-public"; /* under which others register theirs */
	}
	address = g->check == CHECK_PORTAL ? arena_printf(a, "x@%s", domain) : NULL;
	if (address == NULL) {
		return NULL;
	}
	normal = value_text(address);
	return gate_portal(&normal, lists);
}

static const char *address_check(const struct gate *g, const struct value *v, const struct gate_lists *lists, struct arena *a)
{
	struct value normal = {0};
	const char *reason = gate_address(v, lists, a, &normal);

	if (g->check == CHECK_ADDRESS || reason != NULL) {
		return reason; /* the other address gates have nothing to look at then */
	}
	switch (g->check) {
	case CHECK_NOREPLY:
		return gate_noreply(&normal, lists);
	case CHECK_ROLE:
		return gate_role(&normal, lists);
	case CHECK_DISPOSABLE:
		return gate_disposable(&normal, lists);
	default:
		return gate_portal(&normal, lists);
	}
}

static bool in_words(const struct gate *g, const struct value *v)
{
	for (size_t i = 0; i < g->n_words; i++) {
		if (v->kind >= VALUE_NUMBER && v->len == strlen(g->words[i]) && memcmp(v->text, g->words[i], v->len) == 0) {
			return true;
		}
	}
	return false;
}

static const char *when_check(const struct gate *g, const struct expr_source *record, struct arena *a)
{
	struct lead_error err;
	struct value v;

	if (expr_eval(g->when, record, a, &v, &err) != 0) {
		return "gate-error";
	}
	return value_is_true(&v) ? NULL : g->reason;
}

/* The reason of a refusal, NULL for pass. */
static const char *gate_check(const struct gate *g, const struct expr_source *record, const struct gate_lists *lists, struct arena *a)
{
	struct value v;

	if (g->check == CHECK_WHEN) {
		return when_check(g, record, a);
	}
	v = record->field(record->ctx, g->field, strlen(g->field));
	if (g->check == CHECK_PORTAL && (v.text == NULL || memchr(v.text, '@', v.len) == NULL)) {
		return strcmp(g->field, "email") == 0 ? address_check(g, &v, lists, a) : domain_check(g, &v, lists, a);
	}
	switch (g->check) {
	case CHECK_DOMAIN:
		return domain_check(g, &v, lists, a);
	case CHECK_NAME:
		return gate_name(&v, lists);
	case CHECK_COPY_WORDS:
		return gate_copy_words(&v, g->min, g->max);
	case CHECK_COPY_SIGNATURE:
		return gate_copy_signature(&v);
	case CHECK_COPY_PLACEHOLDER:
		return gate_copy_placeholder(&v);
	case CHECK_IN:
		return in_words(g, &v) ? NULL : g->reason;
	case CHECK_NOT_IN:
		return in_words(g, &v) ? g->reason : NULL;
	case CHECK_PRESENT:
		return value_is_blank(&v) ? g->reason : NULL;
	default:
		return address_check(g, &v, lists, a);
	}
}

const char *pipeline_gates(const struct pipeline *p, enum item_level of, int after, const struct expr_source *record, const struct gate_lists *lists,
    struct arena *a, const struct gate **ret_gate)
{
	for (size_t i = 0; i < p->n_gates; i++) {
		const struct gate *g = &p->gates[i];
		const char *reason;

		if (g->after != after || p->stages[g->listed].of != of) {
			continue;
		}
		reason = gate_check(g, record, lists, a);
		if (reason != NULL && g->policy != GATE_PASS) {
			*ret_gate = g;
			return g->reason != NULL ? g->reason : reason;
		}
	}
	return NULL;
}
