/*
 * lib/engine/item/suppress.c: nobody on an organisation's list is asked about or written to: not when the row comes in, not when
 * the entry came later, not after a restart.
 */
#include "engine_rig.h"

#include <json-c/json.h>
#include "lib/store/suppress.h"

#define SERVICE                                                                                    \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"keys: [one]\n"                                                                            \
	"auth: bearer\n"                                                                           \
	"breaker: off\n"                                                                           \
	"calls:\n"                                                                                 \
	"  ask:\n"                                                                                 \
	"    post: /ask\n"                                                                         \
	"    json: {email: '${.email}'}\n"                                                         \
	"    price: {per_call: 0.01}\n"                                                            \
	"    map: {contact: .contact}\n"                                                           \
	"  push:\n"                                                                                \
	"    post: /push\n"                                                                        \
	"    json: {email: '${.email}'}\n"                                                         \
	"    in_doubt: {lookup: find}\n"                                                           \
	"    map: {id: .id}\n"                                                                     \
	"  find:\n"                                                                                \
	"    post: /find\n"                                                                        \
	"    json: {email: '${.email}'}\n"                                                         \
	"    outcomes: [{status: 200, body: {.none: true}, is: empty}]\n"                          \
	"    in_doubt: free\n"                                                                     \
	"    map: {id: .id}\n"
#define PIPELINE                                                                                   \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"- {stage: intake, gates: [{check: address}]}\n"                                           \
	"- {stage: ask, call: one.ask, with: {email: '${.email}'}}\n"                              \
	"- {stage: push, push: one.push, with: {email: '${.contact // .email}'}}\n"
#define SETTINGS                                                                                   \
	"secrets_dir: secrets\n"                                                                   \
	"organisations: {acme: {}, other: {}}\n"                                                   \
	"campaigns: {c: {pipeline: p, organisation: acme}, d: {pipeline: p, organisation: other}}\n"

static struct rig rig;

static void begin(void)
{
	rig_begin(&rig);
	rig_write(&rig, "services/one.yaml", SERVICE);
	rig_write(&rig, "pipelines/p.yaml", PIPELINE);
	rig_write(&rig, "secrets/one", "sk-0123456789");
	rig_write(&rig, "leadd.yaml", SETTINGS);
	rig_open(&rig);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

static struct suppress_batch batch;

/* One entry. */
static struct told change(const char *org, bool take_off, const char *entry)
{
	memset(&batch, 0, sizeof(batch));
	(void)snprintf(batch.org, sizeof(batch.org), "%s", org);
	(void)snprintf(batch.source, sizeof(batch.source), "test");
	(void)snprintf(batch.reason, sizeof(batch.reason), "opt-out");
	batch.remove = take_off;
	batch.n = 1;
	batch.list[0].text = entry;
	batch.list[0].len = strlen(entry);
	return rig_command(&rig, &(struct command){.kind = COMMAND_SUPPRESS, .batch = &batch});
}

static void suppress(const char *entry)
{
	assert_int_equal(change("acme", false, entry).rc, 0);
	assert_int_equal(batch.list[0].result, SUPPRESS_DONE);
}

/* Of an address: is it on acme's list? */
static bool shown(const char *email)
{
	struct json_object *o, *v;
	struct txn *t = NULL;
	const char *why;
	bool found;

	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	o = show_suppressed(rig.engine, t, "acme", email, &why);
	txn_abort(t);
	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "suppressed", &v));
	found = json_object_get_boolean(v);
	json_object_put(o);
	return found;
}

static size_t called(const char *path)
{
	size_t n = 0;

	for (size_t i = 0; i < rig.n_calls; i++) {
		n += strstr(rig.calls[i].url, path) != NULL;
	}
	return n;
}

static void test_intake(void **state)
{
	(void)state;
	begin();
	suppress("ann@acme.com");
	suppress("big.co.uk");
	assert_int_equal(rig_run(&rig, "c", "email\nAnn@Acme.com\nx@mail.big.co.uk\nbob@acme.com\nnone\nann@acme.com\n"), 1);
	assert_string_equal(rig_state(&rig, 1, 1), "suppressed suppressed-address");
	assert_string_equal(rig_state(&rig, 1, 2), "suppressed suppressed-domain");
	assert_string_equal(rig_state(&rig, 1, 4), "rejected email-malformed");
	assert_string_equal(rig_state(&rig, 1, 5), "suppressed suppressed-address");
	assert_string_equal(rig_facts(&rig, 1, 1), "gate suppressed-address");
	assert_int_equal(rig.n_calls, 1);
	assert_non_null(strstr(rig.calls[0].body, "bob@acme.com"));
	assert_int_equal(rig_run_row(&rig, 1)->outcomes[ITEM_SUPPRESSED], 3);
	end();
}

/* The list is the organisation's own. */
static void test_organisations(void **state)
{
	(void)state;
	begin();
	suppress("ann@acme.com");
	assert_int_equal(rig_run(&rig, "d", "email\nann@acme.com\n"), 1);
	assert_int_equal(rig.n_calls, 1);
	end();
}

/* Added while the lead was asked about: it is not pushed, in the very turn in which it would have been. */
static void test_before_push(void **state)
{
	struct http_answer h = {.transport = TRANSPORT_ANSWERED, .status = 200, .body = "{}", .body_len = 2};
	struct command *c = calloc(1, sizeof(*c));

	(void)state;
	begin();
	assert_int_equal(rig_run(&rig, "c", "email\nann@acme.com\nbob@acme.com\n"), 1);
	assert_int_equal(rig.n_calls, 2);
	memset(&batch, 0, sizeof(batch));
	(void)snprintf(batch.org, sizeof(batch.org), "acme");
	batch.n = 1;
	batch.list[0].text = "ann@acme.com";
	batch.list[0].len = 12;
	c->kind = COMMAND_SUPPRESS;
	c->batch = &batch;
	rig_gather(&rig, 0, &h);
	rig_gather(&rig, 1, &h);
	engine_command(rig.engine, c);
	(void)rig_settle(&rig);
	assert_string_equal(rig_state(&rig, 1, 1), "suppressed suppressed-address");
	assert_int_equal(called("/push"), 1);
	assert_non_null(strstr(rig.calls[2].body, "bob@acme.com"));
	rig_answer(&rig, 2, 200, "{\"id\":\"1\"}");
	assert_int_equal(rig_run_row(&rig, 1)->state, RUN_DONE);
	assert_int_equal(rig_balance(&rig, ACCOUNT_RUN, 1).reserved_micro, 0);
	end();
}

/* The address that goes out counts, whatever field it stands in. */
static void test_found_address(void **state)
{
	(void)state;
	begin();
	suppress("boss@big.com");
	assert_int_equal(rig_run(&rig, "c", "email\nann@acme.com\n"), 1);
	rig_answer(&rig, 0, 200, "{\"contact\":\"Boss@big.com\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "suppressed suppressed-address");
	assert_int_equal(called("/push"), 0);
	end();
}

/* A push in doubt is looked up, whoever is on the list; when it had not arrived it is not made again. */
static void test_doubt(void **state)
{
	(void)state;
	begin();
	assert_int_equal(rig_run(&rig, "c", "email\nann@acme.com\nbob@acme.com\n"), 1);
	rig_answer(&rig, 0, 200, "{}");
	rig_answer(&rig, 1, 200, "{}");
	assert_int_equal(called("/push"), 2);
	rig_broken(&rig, 2);
	rig_broken(&rig, 3);
	suppress("acme.com");
	rig_pass(&rig, SEC);
	assert_int_equal(called("/find"), 2);
	rig_answer(&rig, 4, 200, "{\"none\":true}");
	rig_answer(&rig, 5, 200, "{\"id\":\"7\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "suppressed suppressed-domain");
	assert_string_equal(rig_state(&rig, 1, 2), "delivered");
	assert_int_equal(called("/push"), 2);
	end();
}

static void test_restart(void **state)
{
	(void)state;
	begin();
	assert_int_equal(rig_run(&rig, "c", "email\nann@acme.com\nbob@acme.com\n"), 1);
	suppress("ann@acme.com");
	rig_answer(&rig, 1, 200, "{}");
	rig_restart(&rig);
	assert_true(shown("ANN@acme.com"));
	assert_false(shown("bob@acme.com"));
	assert_int_equal(rig_run(&rig, "c", "email\nann@acme.com\n"), 2);
	assert_string_equal(rig_state(&rig, 2, 1), "suppressed suppressed-address");
	end();
}

/* Taken off the list it may be written to again; retried leads are looked up anew. */
static void test_remove(void **state)
{
	(void)state;
	begin();
	assert_int_equal(rig_run(&rig, "c", "email\nann@acme.com\n"), 1);
	suppress("acme.com");
	rig_answer(&rig, 0, 200, "{}");
	assert_string_equal(rig_state(&rig, 1, 1), "suppressed suppressed-domain");
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_RETRY, .run = 1, .outcomes = 1u << ITEM_SUPPRESSED}).count, 1);
	assert_string_equal(rig_state(&rig, 1, 1), "suppressed suppressed-domain");
	assert_int_equal(change("acme", true, "mail.acme.com").rc, 0);
	assert_int_equal(batch.list[0].result, SUPPRESS_DONE);
	assert_int_equal(change("acme", true, "acme.com").rc, 0);
	assert_int_equal(batch.list[0].result, SUPPRESS_KNOWN);
	assert_false(shown("ann@acme.com"));
	assert_int_equal(rig_command(&rig, &(struct command){.kind = COMMAND_RETRY, .run = 1, .outcomes = 1u << ITEM_SUPPRESSED}).count, 1);
	assert_int_equal(called("/push"), 1);
	end();
}

/* Counts by source follow every change; an entry that is there keeps where it came from. */
static void test_counts(void **state)
{
	struct json_object *o, *items, *one, *v;
	struct txn *t = NULL;

	(void)state;
	begin();
	suppress("ann@acme.com");
	suppress("big.com");
	assert_int_equal(change("acme", false, "Ann@acme.com").rc, 0);
	assert_int_equal(batch.list[0].result, SUPPRESS_KNOWN);
	assert_int_equal(change("acme", false, "nonsense").rc, 0);
	assert_int_equal(batch.list[0].result, SUPPRESS_BAD);
	assert_non_null(batch.list[0].why);
	assert_int_equal(change("acme", true, "big.com").rc, 0);
	assert_int_equal(txn_begin(rig.store, false, &t, NULL), 0);
	o = show_suppressions(rig.engine, t, "acme");
	txn_abort(t);
	assert_true(json_object_object_get_ex(o, "entries", &v));
	assert_int_equal(json_object_get_int(v), 1);
	assert_true(json_object_object_get_ex(o, "items", &items));
	assert_int_equal(json_object_array_length(items), 1);
	one = json_object_array_get_idx(items, 0);
	assert_true(json_object_object_get_ex(one, "addresses", &v));
	assert_int_equal(json_object_get_int(v), 1);
	assert_true(json_object_object_get_ex(one, "domains", &v));
	assert_int_equal(json_object_get_int(v), 0);
	json_object_put(o);
	end();
}

/* The store's key and hashes only: neither address nor domain stands in the table. */
static void test_nothing_to_read(void **state)
{
	char path[160];
	struct buf all = {0};
	char bytes[65536];
	size_t n;
	FILE *f;

	(void)state;
	begin();
	suppress("qzxsecret@acme.com");
	suppress("qzxhidden.com");
	(void)snprintf(path, sizeof(path), "%s/state/leadd.mdb", rig.dir);
	f = fopen(path, "rb");
	assert_non_null(f);
	while ((n = fread(bytes, 1, sizeof(bytes), f)) > 0) {
		buf_add(&all, bytes, n);
	}
	(void)fclose(f);
	assert_true(all.len > 0);
	assert_null(memmem(all.data, all.len, "qzx", 3));
	buf_free(&all);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_intake),
	    cmocka_unit_test(test_organisations),
	    cmocka_unit_test(test_before_push),
	    cmocka_unit_test(test_found_address),
	    cmocka_unit_test(test_doubt),
	    cmocka_unit_test(test_restart),
	    cmocka_unit_test(test_remove),
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_nothing_to_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
