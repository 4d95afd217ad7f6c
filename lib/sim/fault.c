/*
 * lib/sim/fault.c: which call goes wrong, how, and how late its answer is.
 *
 * Scripts are asked first, in the file's order; then the dice. Both depend on the meaning and its
 * attempt, never on the clock, but for scripts that end after a time.
 */
#include "lib/sim/internal.h"

#include <math.h>
#include <string.h>

bool fault_is_done(enum world_fault f)
{
	switch (f) {
	case FAULT_NONE:
	case FAULT_RESET_AFTER:
	case FAULT_DRIP:
	case FAULT_TRUNCATE:
	case FAULT_GARBAGE:
	case FAULT_HUGE:
	case FAULT_LOST_PUSH:
	case FAULT_SLOW:
		return true;
	default:
		return false;
	}
}

static bool is_possible(const struct ask *q, enum world_fault f)
{
	if (f == FAULT_LOST_PUSH) {
		return q->endpoint == EP_CREATE_LEAD || q->endpoint == EP_ADD_LEADS;
	}
	return f != FAULT_SLOW_DOWN || q->service == WORLD_OPENAI || q->service == WORLD_HUBSPOT;
}

static bool script_hits(struct world *w, struct ask *q, size_t i)
{
	const struct scenario_script *c = &w->s.services[q->service].scripts[i];
	struct service_state *st = &w->services[q->service];
	struct script_state *state = &st->scripts[i];
	char purpose[16] = "script";

	purpose[6] = (char)('a' + i);
	if (st->calls < c->from || (c->endpoints >> q->endpoint & 1) == 0 ||
	    !is_possible(q, c->fault) || (c->calls > 0 && state->hits >= c->calls) ||
	    (c->for_us > 0 && state->hits > 0 && q->now.boot_us - state->since_us >= c->for_us) ||
	    ask_roll(q, purpose) % PPM >= c->share_ppm) {
		return false;
	}
	if (state->hits++ == 0) {
		state->since_us = q->now.boot_us;
	}
	return true;
}

static enum world_fault by_chance(struct world *w, struct ask *q)
{
	const struct scenario_service *s = &w->s.services[q->service];
	enum world_fault possible[FAULT_N];
	size_t n = 0;

	if (ask_roll(q, "fault") % PPM >= s->random_ppm) {
		return FAULT_NONE;
	}
	for (enum world_fault f = FAULT_NONE + 1; f < FAULT_N; f++) {
		if ((s->random_kinds >> f & 1) != 0 && is_possible(q, f)) {
			possible[n++] = f;
		}
	}
	return n > 0 ? possible[ask_roll(q, "kind") % n] : FAULT_NONE;
}

enum world_fault fault_choose(struct world *w, struct ask *q)
{
	const struct scenario_service *s = &w->s.services[q->service];

	for (size_t i = 0; i < s->n_scripts; i++) {
		if (script_hits(w, q, i)) {
			return s->scripts[i].fault;
		}
	}
	return by_chance(w, q);
}

/* A page of a proxy in front of the provider. */
static void html_page(struct ask *q, struct world_plan *p)
{
	bool bad_gateway = ask_roll(q, "html") % 2 == 0;

	p->status = bad_gateway ? 502 : 503;
	plan_header(p, "Content-Type", "text/html; charset=UTF-8");
	buf_printf(q->body,
	    "<html>\r\n<head><title>%s</title></head>\r\n<body><center><h1>%s</h1></center></"
	    "body>\r\n</html>\r\n",
	    bad_gateway ? "502 Bad Gateway" : "503 Service Temporarily Unavailable",
	    bad_gateway ? "502 Bad Gateway" : "503 Service Temporarily Unavailable");
}

void fault_refuse(struct world *w, struct ask *q, enum world_fault f, struct world_plan *p)
{
	static const enum refusal refusals[FAULT_N] = {[FAULT_THROTTLE] = REFUSAL_THROTTLE,
	    [FAULT_THROTTLE_BARE] = REFUSAL_THROTTLE,
	    [FAULT_SLOW_DOWN] = REFUSAL_SLOW_DOWN,
	    [FAULT_QUOTA] = REFUSAL_QUOTA,
	    [FAULT_BILLING] = REFUSAL_BILLING,
	    [FAULT_AUTH] = REFUSAL_AUTH,
	    [FAULT_500] = REFUSAL_500,
	    [FAULT_OVERLOAD] = REFUSAL_OVERLOAD,
	    [FAULT_ERROR_200] = REFUSAL_200};
	enum refusal why = refusals[f];

	switch (f) {
	case FAULT_HTML:
		html_page(q, p);
		return;
	case FAULT_RESET_BEFORE:
		p->end = WORLD_RESET;
		return;
	case FAULT_HANG:
		p->end = WORLD_HANG;
		return;
	case FAULT_THROTTLE_BARE: /* ZeroBounce's shield is a 403 */
		why = q->service == WORLD_ZEROBOUNCE ? REFUSAL_SLOW_DOWN : why;
		break;
	default:
		break;
	}
	model_of(q->service)
	    ->refuse(q, why, false,
		f == FAULT_THROTTLE || f == FAULT_SLOW_DOWN ? w->s.retry_after_us : 0, p);
}

static void make_garbage(struct ask *q, struct world_plan *p)
{
	static const char *const garbage[] = {
	    "{\"id\": \"abc\", \"choices\": [{\"index\": 0, \"mess",
	    "upstream connect error or disconnect", "{'status': 'valid'}",
	    "\xef\xbf\xbd\x01\x02\xff\xfe", "[]]"};

	p->status = 200;
	buf_reset(q->body);
	buf_add_text(
	    q->body, garbage[ask_roll(q, "garbage") % (sizeof(garbage) / sizeof(garbage[0]))]);
}

void fault_spoil(struct world *w, struct ask *q, enum world_fault f, struct world_plan *p)
{
	switch (f) {
	case FAULT_RESET_AFTER:
		p->end = WORLD_RESET;
		break;
	case FAULT_DRIP:
		p->drip_bytes = w->s.drip_bytes;
		p->drip_us = w->s.drip_us;
		break;
	case FAULT_TRUNCATE:
		p->end = WORLD_CUT;
		p->cut_bytes = q->body->len / 2 + 1;
		break;
	case FAULT_GARBAGE:
		make_garbage(q, p);
		break;
	case FAULT_HUGE:
		p->pad_bytes = w->s.huge_bytes;
		break;
	case FAULT_SLOW:
		p->delay_us += w->s.slow_us;
		break;
	default:
		break;
	}
}

/*
 * About lognormal: the median times e to a bell-shaped draw, stretched so that 5 % are later than
 * p95. The bell is the sum of four uniform draws: never further out than 3.5 sigma.
 */
int64_t fault_latency(struct world *w, struct ask *q)
{
	const struct scenario_service *s = &w->s.services[q->service];
	uint64_t roll = ask_roll(q, "latency");
	double sum = 0, us;

	if (s->p95_us == 0 || s->median_us == 0) {
		return s->min_us;
	}
	for (int i = 0; i < 4; i++) {
		sum += (double)(roll >> (i * 16) & 0xffff) / 65536.0;
	}
	us = (double)s->median_us *
	     exp((sum - 2.0) / 0.57735 * log((double)s->p95_us / (double)s->median_us) / 1.66);
	return us > (double)s->min_us ? (int64_t)us : s->min_us;
}

enum answered fault_answered(enum world_fault f)
{
	switch (f) {
	case FAULT_THROTTLE:
	case FAULT_THROTTLE_BARE:
	case FAULT_SLOW_DOWN:
		return ANSWERED_THROTTLE;
	case FAULT_QUOTA:
	case FAULT_BILLING:
		return ANSWERED_QUOTA;
	case FAULT_AUTH:
		return ANSWERED_AUTH;
	case FAULT_RESET_BEFORE:
	case FAULT_HANG:
		return ANSWERED_NOTHING;
	case FAULT_RESET_AFTER:
	case FAULT_TRUNCATE:
	case FAULT_GARBAGE:
	case FAULT_HUGE:
		return ANSWERED_SPOILED;
	default:
		return ANSWERED_FAILURE;
	}
}
