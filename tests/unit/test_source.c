/*
 * lib/engine/item/source.c, makes.c, birth.c: a run that finds companies and leads itself: set-up, pages, rounds, companies and what
 * comes out of them, and all of it again after a restart.
 */
#include "engine_rig.h"

#define LEADD "campaigns: {c: {pipeline: p, vars: {goal: dinner}}}\n"
#define ONE                                                                                                                              \
	"service: one\n"                                                                                                                 \
	"base: https://one.example\n"                                                                                                    \
	"breaker: off\n"                                                                                                                 \
	"outcomes: [{status: 404, is: empty}]\n"                                                                                         \
	"calls:\n"                                                                                                                       \
	"  campaign: {get: /campaign, query: {name: '${.name}'}, map: {campaign_id: .id}}\n"                                             \
	"  list:\n"                                                                                                                      \
	"    get: /list\n"                                                                                                               \
	"    query: {state: '${.state}', offset: '${.page.offset}'}\n"                                                                   \
	"    map: {people: .people}\n"                                                                                                   \
	"    paging: {items: people, size: 2}\n"                                                                                         \
	"  fit:\n"                                                                                                                       \
	"    get: /fit\n"                                                                                                                \
	"    query: {offset: '${.page.offset}', size: '${.page.size}'}\n"                                                                \
	"    map: {people: .people}\n"                                                                                                   \
	"    paging: {items: people, size: 200, fit: true}\n"                                                                                         \
	"  cursor:\n"                                                                                                                    \
	"    get: /cursor\n"                                                                                                             \
	"    query: {after: '${.page.cursor}'}\n"                                                                                        \
	"    map: {people: .people, next: .next}\n"                                                                                      \
	"    paging: {items: people, cursor: next}\n"                                                                                    \
	"  discover:\n"                                                                                                                  \
	"    post: /discover\n"                                                                                                          \
	"    json: {state: '${.state}', city: '${.city}', count: '${.count}', round: '${.round}'}\n"                                     \
	"    optional: [city]\n"                                                                                                         \
	"    price: {per_call: 0.5}\n"                                                                                                   \
	"    map: {companies: .companies}\n"                                                                                             \
	"  enrich: {post: /enrich, json: {domain: '${.domain}'}, price: {per_call: 0.1}, map: {people: .people, size: .size}}\n"         \
	"  verify: {get: /verify, query: {email: '${.email}', of: '${.of}'}, optional: [of], price: {per_call: 0.01}, map: {good: .good}}\n"

#define PEOPLE                                                                                                                           \
	"    makes:\n"                                                                                                                   \
	"      level: contact\n"                                                                                                         \
	"      from: '${.people}'\n"                                                                                                     \
	"      fields: {email: '${.email}', full_name: '${.name}', place: '${.address.city}'}\n"

#define VERIFY                                                                                                                           \
	"  - stage: verify\n"                                                                                                            \
	"    call: one.verify\n"                                                                                                         \
	"    with: {email: '${.email}'}\n"

static struct rig rig;

static void open_with(const char *pipeline)
{
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", pipeline);
	rig_write(&rig, "leadd.yaml", LEADD);
	rig_open(&rig);
}

static bool asked(size_t call, const char *part)
{
	return strstr(rig.calls[call].url, part) != NULL || (rig.calls[call].body != NULL && strstr(rig.calls[call].body, part) != NULL);
}

static void answer(size_t call, const char *body)
{
	rig_answer(&rig, call, 200, body);
}

static void good(size_t from, size_t to)
{
	for (size_t i = from; i <= to; i++) {
		answer(i, "{\"good\":true}");
	}
}

static void test_pages_become_leads(void **state)
{
	(void)state;
	open_with("pipeline: p\nparams: {state: {required: true}}\nstages:\n"
		  "  - stage: search\n    of: run\n    call: one.list\n    with: {state: '${.state}'}\n" PEOPLE VERIFY);
	assert_int_equal(rig_find(&rig, "c", "{\"state\":\"CA\"}", 0), 1);
	assert_int_equal(rig.n_calls, 1);
	assert_true(asked(0, "state=CA&offset=0"));
	answer(0, "{\"people\":[{\"email\":\"a@x.org\",\"name\":\"Ann Abel\",\"address\":{\"city\":\"Ulm\"}},{\"email\":\"b@x.org\",\"name\":\"Bob Best\"}]}");
	assert_true(asked(3, "offset=2") || asked(1, "offset=2") || asked(2, "offset=2"));
	assert_string_equal(rig_field(&rig, 1, 1, "email"), "a@x.org");
	assert_string_equal(rig_field(&rig, 1, 1, "place"), "Ulm");
	for (size_t i = 1; i < 4; i++) {
		if (asked(i, "offset=2")) {
			/* one that was there, one that is new: shorter than a page would be the last; two are not */
			answer(i, "{\"people\":[{\"email\":\"A@x.org\",\"name\":\"Ann Abel\"},{\"email\":\"c@x.org\",\"name\":\"Cid Cole\"}]}");
		} else {
			answer(i, "{\"good\":true}");
		}
	}
	assert_string_equal(rig_state(&rig, 1, 3), "duplicate duplicate-email");
	for (size_t i = 4; i < rig.n_calls; i++) {
		answer(i, asked(i, "offset=4") ? "{\"people\":[]}" : "{\"good\":true}");
	}
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 3);
	rig_check(&rig);
	rig_end(&rig);
}

static void test_a_quantity_is_not_passed(void **state)
{
	(void)state;
	open_with("pipeline: p\nparams: {state: {default: CA}}\nstages:\n"
		  "  - stage: search\n    of: run\n    call: one.list\n    with: {state: CA}\n" PEOPLE VERIFY);
	assert_int_equal(rig_find(&rig, "c", NULL, 1), 1);
	answer(0, "{\"people\":[{\"email\":\"a@x.org\",\"name\":\"Ann Abel\"},{\"email\":\"b@x.org\",\"name\":\"Bob Best\"}]}");
	assert_int_equal(rig.n_calls, 2);
	good(1, 1);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 1);
	rig_end(&rig);
}

/* A table of hundreds, a run that wants two good ones: not all of them are worked on. */
static void test_a_page_fits_what_is_wanted(void **state)
{
	(void)state;
	open_with("pipeline: p\nstages:\n  - stage: search\n    of: run\n    call: one.fit\n" PEOPLE "      until: good\n      rounds: {most: 1, buffer: 1.5}\n" VERIFY);
	assert_int_equal(rig_find(&rig, "c", NULL, 2), 1);
	assert_true(asked(0, "offset=0&size=3"));
	answer(0, "{\"people\":[{\"email\":\"a@acme.org\"},{\"email\":\"b@acme.org\"},{\"email\":\"c@acme.org\"}]}");
	assert_int_equal(rig.n_calls, 4); /* they will probably do */
	good(1, 1);
	rig_answer(&rig, 2, 422, "{}");
	assert_int_equal(rig.n_calls, 4);
	rig_answer(&rig, 3, 422, "{}");
	assert_int_equal(rig.n_calls, 5);
	assert_true(asked(4, "offset=3&size=2")); /* one, by the share that came through */
	rig_restart(&rig);
	rig_pass(&rig, 60 * SEC);
	assert_int_equal(rig.n_calls, 6);
	assert_true(asked(5, "offset=3&size=2"));
	answer(5, "{\"people\":[{\"email\":\"d@acme.org\"}]}"); /* fewer than asked for: the last page */
	assert_int_equal(rig.n_calls, 7);
	rig_answer(&rig, 6, 422, "{}");
	assert_int_equal(rig.n_calls, 7);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 1);
	rig_check(&rig);
	rig_end(&rig);
}

static void test_a_cursor_leads_on_and_survives_a_restart(void **state)
{
	(void)state;
	open_with("pipeline: p\nstages:\n  - stage: search\n    of: run\n    call: one.cursor\n" PEOPLE);
	assert_int_equal(rig_find(&rig, "c", NULL, 0), 1);
	answer(0, "{\"people\":[{\"email\":\"a@x.org\",\"name\":\"Ann Abel\"}],\"next\":\"k/2\"}");
	assert_true(asked(1, "after=k%2F2"));
	rig_restart(&rig); /* a read that costs nothing is made again */
	rig_settle(&rig);
	rig_pass(&rig, 60 * SEC);
	assert_true(asked(2, "after=k%2F2"));
	answer(2, "{\"people\":[{\"email\":\"b@x.org\",\"name\":\"Bob Best\"}],\"next\":null}");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 2);
	rig_check(&rig);
	rig_end(&rig);
}

static void test_leads_wait_until_the_run_is_set_up(void **state)
{
	(void)state;
	open_with("pipeline: p\nparams: {name: {}}\nstages:\n"
		  "  - {stage: campaign, of: run, call: one.campaign, with: {name: '${.name}'}, on_empty: hold}\n"
		  "  - {stage: verify, call: one.verify, with: {email: '${.email}', of: '${.run.campaign_id}'}}\n");
	rig.file = NULL;
	struct run_row row = {.budget_micro = -1, .share = 1, .encoding = 255, .campaign = "c"};

	buf_add_text(&row.params, "{\"name\":\"spring\"}");
	assert_int_equal(rig_run_with(&rig, &row, "email,first name\nann@x.org,Ann\n"), 1);
	assert_int_equal(rig.n_calls, 1); /* the campaign alone */
	assert_true(asked(0, "name=spring"));
	rig_restart(&rig);
	rig_settle(&rig);
	rig_pass(&rig, 60 * SEC);
	assert_int_equal(rig.n_calls, 2);
	answer(1, "{\"id\":\"x-7\"}");
	assert_int_equal(rig.n_calls, 3);
	assert_true(asked(2, "of=x-7"));
	good(2, 2);
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	rig_check(&rig);
	rig_end(&rig);
}

#define PM_IN(in_all)                                                                                                                    \
	"pipeline: p\n"                                                                                                                  \
	"params: {state: {required: true}, city: {}}\n"                                                                                  \
	"stages:\n"                                                                                                                      \
	"  - stage: discover\n"                                                                                                          \
	"    of: run\n"                                                                                                                  \
	"    call: one.discover\n"                                                                                                       \
	"    with: {state: '${.state}', city: '${.city}', count: '${.ask.count}', round: '${.ask.round}'}\n"                             \
	"    on_fail: pass\n"                                                                                                            \
	"    makes:\n"                                                                                                                   \
	"      level: company\n"                                                                                                         \
	"      from: '${.companies}'\n"                                                                                                  \
	"      fields: {name: '${.name}', domain: '${.domain}'}\n"                                                                       \
	"      until: good\n"                                                                                                            \
	in_all                                                                                                                           \
	"      rounds: {most: 4, buffer: 1.5, widen: [city]}\n"                                                                          \
	"  - stage: enrich\n"                                                                                                            \
	"    of: company\n"                                                                                                              \
	"    call: one.enrich\n"                                                                                                         \
	"    with: {domain: '${.domain}'}\n"                                                                                             \
	"    needs: [domain]\n"                                                                                                          \
	"  - stage: people\n"                                                                                                            \
	"    of: company\n"                                                                                                              \
	"    makes:\n"                                                                                                                   \
	"      level: contact\n"                                                                                                         \
	"      from: '${.people}'\n"                                                                                                     \
	"      most: 2\n"                                                                                                                \
	"      fields: {email: '${.email}', company: '${.parent.name}', state: '${.run.state}'}\n"                                       \
	"  - stage: verify\n"                                                                                                            \
	"    call: one.verify\n"                                                                                                         \
	"    with: {email: '${.email}', of: '${.parent.domain}'}\n"                                                                      \
	"    at_once: {parent: 1}\n"

#define PM PM_IN("")

static void test_companies_bring_leads(void **state)
{
	(void)state;
	open_with(PM);
	assert_int_equal(rig_find(&rig, "c", "{\"state\":\"CA\",\"city\":\"Fresno\"}", 1), 1);
	assert_true(asked(0, "\"state\":\"CA\",\"city\":\"Fresno\",\"count\":2,\"round\":1"));
	answer(0, "{\"companies\":[{\"name\":\"Acme\",\"domain\":\"acme.com\"},{\"name\":\"acme inc\",\"domain\":\"www.acme.com\"}]}");
	assert_string_equal(rig_state(&rig, 1, 2), "duplicate duplicate-domain");
	/* one of two is there, and will probably do */
	assert_int_equal(rig.n_calls, 2);
	answer(1, "{\"size\":5,\"people\":[{\"email\":\"a@acme.com\"},{\"email\":\"b@acme.com\"},{\"email\":\"c@acme.com\"}]}");
	/* two of three, one after the other */
	assert_string_equal(rig_field(&rig, 1, 3, "company"), "Acme");
	assert_string_equal(rig_field(&rig, 1, 3, "state"), "CA");
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	for (size_t i = 2; i < rig.n_calls; i++) {
		assert_true(asked(i, "of=acme.com"));
		answer(i, "{\"good\":true}");
	}
	assert_int_equal(rig.n_calls, 4);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig_run_row(&rig, 1)->companies[ITEM_READY], 1);
	assert_int_equal(rig_run_row(&rig, 1)->outcomes[ITEM_READY], 2);
	rig_check(&rig);
	rig_end(&rig);
}

/* A discovery brings more than it was asked for, and each company costs hours. */
static void test_a_run_has_no_more_than_its_bound(void **state)
{
	(void)state;
	open_with(PM_IN("      in_all: 3\n"));
	assert_int_equal(rig_find(&rig, "c", "{\"state\":\"CA\"}", 3), 1);
	assert_true(asked(0, "\"count\":3,\"round\":1"));
	answer(0, "{\"companies\":[{\"domain\":\"a.example\"},{\"domain\":\"a.example\"},{\"domain\":\"b.example\"},{\"domain\":\"c.example\"},"
		  "{\"domain\":\"d.example\"}]}");
	assert_int_equal(rig_run_row(&rig, 1)->rows, 4); /* one of them twice */
	assert_int_equal(rig.n_calls, 4);
	for (size_t i = 1; i < 4; i++) {
		answer(i, "{\"people\":[]}");
	}
	assert_int_equal(rig.n_calls, 4);
	assert_string_equal(rig_facts(&rig, 1, ITEM_ROOT), "ask; call ok; ask bound");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	rig_check(&rig);
	rig_end(&rig);
}

static void test_one_of_a_parent_at_once(void **state)
{
	(void)state;
	open_with(PM);
	assert_int_equal(rig_find(&rig, "c", "{\"state\":\"CA\"}", 2), 1);
	answer(0, "{\"companies\":[{\"name\":\"A\",\"domain\":\"a.example\"},{\"name\":\"B\",\"domain\":\"b.example\"},{\"name\":\"C\",\"domain\":\"c.example\"}]}");
	for (size_t i = 1; i < 4; i++) {
		const char *people = asked(i, "a.example")   ? "{\"people\":[{\"email\":\"1@a.example\"},{\"email\":\"2@a.example\"}]}"
				     : asked(i, "b.example") ? "{\"people\":[{\"email\":\"1@b.example\"},{\"email\":\"2@b.example\"}]}"
							     : "{\"people\":[]}";

		answer(i, people);
	}
	/* one of each company is under way, though two of each wait */
	assert_int_equal(rig.n_calls, 6);
	assert_true(asked(4, "a.example") != asked(5, "a.example"));
	assert_string_equal(rig_state(&rig, 1, 3), "rejected nobody-found");
	answer(4, "{\"good\":true}");
	assert_int_equal(rig.n_calls, 7);
	rig_restart(&rig);
	rig_check(&rig);
	rig_end(&rig);
}

static void test_a_round_without_anything_gives_a_param_up(void **state)
{
	(void)state;
	open_with(PM);
	assert_int_equal(rig_find(&rig, "c", "{\"state\":\"CA\",\"city\":\"Fresno\"}", 10), 1);
	answer(0, "{\"companies\":[]}");
	assert_int_equal(rig.n_calls, 2);
	assert_true(asked(1, "\"state\":\"CA\",\"count\":15,\"round\":2")); /* no city any more */
	rig_answer(&rig, 1, 404, "{}");                                     /* nothing left to give up */
	assert_int_equal(rig.n_calls, 2);
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_string_equal(rig_facts(&rig, 1, ITEM_ROOT), "ask; call ok; ask; call empty http-404; ask nothing-new");
	rig_end(&rig);
}

static void test_a_source_that_is_down_is_passed(void **state)
{
	(void)state;
	open_with(PM);
	assert_int_equal(rig_find(&rig, "c", "{\"state\":\"CA\"}", 10), 1);
	rig_answer(&rig, 0, 422, "{}");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	rig_check(&rig);
	rig_end(&rig);
}

static void test_a_source_in_doubt_is_held_then_parked(void **state)
{
	struct command retry = {.kind = COMMAND_RETRY, .run = 1, .outcomes = 1u << ITEM_PARKED};

	(void)state;
	open_with(PM);
	assert_int_equal(rig_find(&rig, "c", "{\"state\":\"CA\"}", 4), 1);
	answer(0, "{\"companies\":[{\"name\":\"A\",\"domain\":\"a.example\"}]}");
	for (size_t i = 1; i < 3; i++) {
		if (asked(i, "round")) {
			rig_broken(&rig, i);
		} else {
			answer(i, "{\"people\":[{\"email\":\"a@a.org\"}]}");
		}
	}
	good(3, 3);
	assert_string_equal(rig_state(&rig, 1, ITEM_ROOT), "parked in-doubt");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig_count(&rig, 1, ITEM_READY), 1);
	assert_int_equal(rig_command(&rig, &retry).count, 1);
	assert_int_equal(rig.n_calls, 5); /* the same round again */
	rig_check(&rig);
	rig_end(&rig);
}

static void test_it_waits_for_what_it_brought_across_a_restart(void **state)
{
	(void)state;
	open_with(PM);
	assert_int_equal(rig_find(&rig, "c", "{\"state\":\"CA\"}", 1), 1);
	answer(0, "{\"companies\":[{\"name\":\"A\",\"domain\":\"a.example\"},{\"name\":\"B\",\"domain\":\"b.example\"}]}");
	assert_int_equal(rig.n_calls, 3); /* two enrichments; the source waits for them */
	answer(1, "{\"people\":[]}");
	rig_restart(&rig);
	rig_settle(&rig);
	assert_string_equal(rig_state(&rig, 1, 2), "held in-doubt"); /* the enrichment costs money: a person decides */
	/* nothing is on its way any more: another round */
	assert_int_equal(rig.n_calls, 4);
	assert_true(asked(3, "\"round\":2"));
	rig_check(&rig);
	rig_end(&rig);
}

static void test_cancelled_in_the_middle(void **state)
{
	struct command cancel = {.kind = COMMAND_CANCEL, .run = 1};

	(void)state;
	open_with(PM);
	assert_int_equal(rig_find(&rig, "c", "{\"state\":\"CA\"}", 1), 1);
	answer(0, "{\"companies\":[{\"name\":\"A\",\"domain\":\"a.example\"},{\"name\":\"B\",\"domain\":\"b.example\"}]}");
	assert_int_equal(rig_command(&rig, &cancel).rc, 0);
	rig_settle(&rig);
	answer(1, "{\"people\":[{\"email\":\"a@a.example\"}]}");
	answer(2, "{\"people\":[]}");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_CANCELLED);
	assert_int_equal(rig_run_row(&rig, 1)->companies[ITEM_OPEN], 0);
	assert_int_equal(rig_run_row(&rig, 1)->outcomes[ITEM_OPEN], 0);
	rig_check(&rig);
	rig_end(&rig);
}

/* Two campaigns of one organisation; the second run is of b, which has that rule. */
static void two_campaigns(const char *rule)
{
	char leadd[512];

	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", "pipeline: p\nstages:\n" VERIFY "    gates: [{field: good, in: ['true'], reason: bad}]\n  - {stage: again, call: one.verify, with: {email: '${.email}', of: again}, give: {better: '${.good}'}}\n");
	(void)snprintf(leadd, sizeof(leadd), "campaigns: {a: {pipeline: p}, b: {pipeline: p, known: %s}, c: {pipeline: p, known: skip, organisation: other}}\n", rule);
	rig_write(&rig, "leadd.yaml", leadd);
	rig_open(&rig);
	assert_int_equal(rig_run(&rig, "a", "email,first name\nann@x.org,Ann\nbob@x.org,Bob\n"), 1);
	answer(0, "{\"good\":\"true\"}");
	answer(1, "{\"good\":\"false\"}");
	answer(2, "{\"good\":\"yes\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	assert_string_equal(rig_state(&rig, 1, 2), "rejected bad");
	assert_int_equal(rig_run(&rig, "b", "email,first name\nANN@x.org,Ann\nbob@x.org,Bob\n"), 2);
}

static void test_known_leads_are_skipped(void **state)
{
	(void)state;
	two_campaigns("skip");
	assert_string_equal(rig_state(&rig, 2, 1), "duplicate known-in-run-1");
	assert_int_equal(rig.n_calls, 4); /* Bob came to nothing there: he is looked at again */
	assert_true(asked(3, "bob"));
	assert_int_equal(rig_run(&rig, "c", "email,first name\nann@x.org,Ann\n"), 3);
	assert_int_equal(rig.n_calls, 5); /* another organisation knows nobody */
	rig_check(&rig);
	rig_end(&rig);
}

static void test_known_facts_are_reused(void **state)
{
	(void)state;
	two_campaigns("reuse");
	assert_string_equal(rig_state(&rig, 2, 1), "ready");
	assert_string_equal(rig_facts(&rig, 2, 1), "reused of lead 1/1");
	assert_string_equal(rig_field(&rig, 2, 1, "better"), "yes");
	assert_string_equal(rig_state(&rig, 2, 2), "rejected bad"); /* the gate judges what is known */
	assert_int_equal(rig.n_calls, 3);
	rig_restart(&rig);
	rig_check(&rig);
	rig_end(&rig);
}

/* What was written for the first campaign's offer is written anew for the second's, and its push is none of ours. */
static void test_a_campaigns_own_words_are_not_reused(void **state)
{
	(void)state;
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", "pipeline: p\nstages:\n" VERIFY
		  "  - {stage: write, call: one.verify, with: {email: '${.email}', of: '${.campaign.offer}'}, give: {words: '${.good}'}}\n"
		  "  - {stage: push, push: one.verify, with: {email: '${.email}', of: push}, give: {pushed: '${.good}'}}\n");
	rig_write(&rig, "leadd.yaml", "campaigns: {a: {pipeline: p, vars: {offer: dinner}}, b: {pipeline: p, known: reuse, vars: {offer: lunch}}}\n");
	rig_open(&rig);
	assert_int_equal(rig_run(&rig, "a", "email,first name\nann@x.org,Ann\n"), 1);
	answer(0, "{\"good\":\"true\"}");
	assert_true(asked(1, "of=dinner"));
	answer(1, "{\"good\":\"come to dinner\"}");
	answer(2, "{\"good\":\"pushed-1\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "delivered");
	assert_int_equal(rig_run(&rig, "b", "email,first name\nann@x.org,Ann\n"), 2);
	assert_int_equal(rig.n_calls, 4); /* whether she is there is known */
	assert_true(asked(3, "of=lunch"));
	assert_string_equal(rig_field(&rig, 2, 1, "good"), "true");
	assert_string_equal(rig_field(&rig, 2, 1, "pushed"), "");
	answer(3, "{\"good\":\"come to lunch\"}");
	assert_string_equal(rig_field(&rig, 2, 1, "words"), "come to lunch");
	answer(4, "{\"good\":\"pushed-2\"}");
	assert_string_equal(rig_state(&rig, 2, 1), "delivered");
	rig_check(&rig);
	rig_end(&rig);
}

static void refused(const char *pipeline, const char *why)
{
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", pipeline);
	rig_write(&rig, "leadd.yaml", LEADD);
	rig_refused(&rig, why);
	rig_end(&rig);
}

static void test_mistakes_are_named(void **state)
{
	(void)state;
	refused("pipeline: p\nstages:\n" VERIFY "  - {stage: s, of: run, call: one.campaign, with: {name: x}}\n", "stands behind one of: contact");
	refused("pipeline: p\nstages:\n  - {stage: s, of: run, call: one.campaign, with: {name: x}, makes: {from: '${.x}'}}\n", "'makes' needs 'fields'");
	refused("pipeline: p\nstages:\n  - {stage: s, of: run, call: one.campaign, with: {name: x}, makes: {from: '${.x}', fields: {a: b}, rounds: {widen: [city]}}}\n",
	    "'city' is none of the file's 'params'");
	refused("pipeline: p\nstages:\n  - {stage: s, of: firm, call: one.campaign, with: {name: x}}\n", "of");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pages_become_leads),
	    cmocka_unit_test(test_a_quantity_is_not_passed),
	    cmocka_unit_test(test_a_page_fits_what_is_wanted),
	    cmocka_unit_test(test_a_cursor_leads_on_and_survives_a_restart),
	    cmocka_unit_test(test_leads_wait_until_the_run_is_set_up),
	    cmocka_unit_test(test_companies_bring_leads),
	    cmocka_unit_test(test_a_run_has_no_more_than_its_bound),
	    cmocka_unit_test(test_one_of_a_parent_at_once),
	    cmocka_unit_test(test_a_round_without_anything_gives_a_param_up),
	    cmocka_unit_test(test_a_source_that_is_down_is_passed),
	    cmocka_unit_test(test_a_source_in_doubt_is_held_then_parked),
	    cmocka_unit_test(test_it_waits_for_what_it_brought_across_a_restart),
	    cmocka_unit_test(test_cancelled_in_the_middle),
	    cmocka_unit_test(test_known_leads_are_skipped),
	    cmocka_unit_test(test_known_facts_are_reused),
	    cmocka_unit_test(test_a_campaigns_own_words_are_not_reused),
	    cmocka_unit_test(test_mistakes_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
