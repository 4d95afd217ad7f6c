/*
 * lib/engine/config/prompt.c, credit.c: prompt files, their versions, and which version wrote what: over reloads, repeats, look-ups,
 * restarts.
 */
#include "engine_rig.h"
#include "lib/store/names.h"

#include <sys/stat.h>

#define LEADD "campaigns: {c: {pipeline: p}}\n"
#define ONE                                                                                        \
	"service: one\n"                                                                           \
	"base: https://one.example\n"                                                              \
	"breaker: off\n"                                                                           \
	"concurrency: 100\n"                                                                        \
	"outcomes: [{status: 404, is: empty}]\n"                                                   \
	"calls:\n"                                                                                 \
	"  write:\n"                                                                               \
	"    post: /write\n"                                                                       \
	"    json: {prompt: '${.prompt}', system: '${.system}'}\n"                                 \
	"    optional: [system]\n"                                                                 \
	"    idempotency: {header: Idempotency-Key}\n"                                             \
	"    price: {per_call: 0.01}\n"                                                            \
	"    retry: {transient: {attempts: 3, base: 1s, cap: 8s}}\n"                               \
	"    in_doubt: {lookup: find}\n"                                                           \
	"    map: {text: .text}\n"                                                                 \
	"  find:\n"                                                                                \
	"    get: /find\n"                                                                         \
	"    in_doubt: free\n"                                                                     \
	"    map: {text: .text}\n"
#define PIPE                                                                                       \
	"pipeline: p\n"                                                                            \
	"stages:\n"                                                                                \
	"  - stage: mail\n"                                                                        \
	"    with: {prompt: {file: first.md}}\n"                                                   \
	"    chain:\n"                                                                             \
	"      - {call: one.write}\n"                                                              \
	"      - {call: one.write, with: {prompt: 'Dear ${.first_name}'}}\n"                       \
	"      - {template: {file: last.txt}}\n"                                                   \
	"    give: {copy: '${.text}'}\n"                                                           \
	"    gates: [{check: copy-words, min: 2, max: 9}]\n"
#define FIRST "---\nversion: 3\nabout: the first mail\n---\nWrite to ${.first_name}.\n"
#define SECOND "Write nicely to ${.first_name}.\n"

static struct rig rig;

static void write_prompts(const char *first)
{
	rig_write(&rig, "prompts/first.md", first);
}

static uint32_t begin(const char *csv)
{
	char path[100];

	rig_begin(&rig);
	(void)snprintf(path, sizeof(path), "%s/prompts", rig.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	write_prompts(FIRST);
	rig_write(&rig, "prompts/last.txt", "Hello ${.first_name}, my friend\n");
	rig_write(&rig, "services/one.yaml", ONE);
	rig_write(&rig, "pipelines/p.yaml", PIPE);
	rig_write(&rig, "leadd.yaml", LEADD);
	rig_open(&rig);
	return rig_run(&rig, "c", csv);
}

static void end(void)
{
	rig_check(&rig);
	rig_end(&rig);
}

#define ANN "email,first name\nann@x.example,Ann\n"
#define GOOD "{\"text\":\"some words here\"}"

static const char *wrote(uint32_t lead)
{
	return rig_field(&rig, 1, lead, "mail_prompt");
}

/* The version of the file as it is now. */
static const char *version_now(void)
{
	static char text[64];
	struct config *c = rig_config(&rig);
	const char *nearest;

	(void)snprintf(text, sizeof(text), "%s", prompts_find(c->prompts, "first.md", &nearest)->version);
	config_unref(c);
	return text;
}

static void counts_are(size_t n, const char *version, uint64_t written, uint64_t passed)
{
	const struct run_row *row = rig_run_row(&rig, 1);

	assert_true(row->n_prompts > n);
	assert_string_equal(names_text(rig.engine->names, NAME_PROMPT, row->prompts[n].prompt), version);
	assert_int_equal(row->prompts[n].written, written);
	assert_int_equal(row->prompts[n].passed, passed);
}

static void test_file(void **state)
{
	struct prompts ps = {.n = 0};
	struct arena a = {0};
	struct problems p;

	problems_init(&p);
	prompts_add(&ps, "/x/one.md", "abc", 3, &a, &p);
	prompts_add(&ps, "/x/two.txt", "\xEF\xBB\xBF---\r\nversion: 12\r\n---\r\n\r\nHi\r\n\r\n", 34, &a, &p);
	assert_int_equal(p.count, 0);
	assert_int_equal(ps.n, 2);
	assert_string_equal(ps.list[0].name, "one.md");
	assert_string_equal(ps.list[0].version, "one@ba7816bf"); /* FIPS 180-4: SHA-256 of abc */
	assert_string_equal(ps.list[0].text.text, "abc");
	assert_int_equal(ps.list[1].text.line, 4);
	assert_memory_equal(ps.list[1].version, "two@12.", 7);
	assert_string_equal(ps.list[1].text.text, "\r\nHi");
	problems_fini(&p);
	arena_free(&a);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *path, *text, *problem;
	} bad[] = {{"/x/a.md", "", "/x/a.md: an empty prompt"}, {"/x/a.md", "---\nversion: 1\n---\n \n", "/x/a.md: an empty prompt"},
	    {"/x/a.md", "---\nversion: 1\nHi", "/x/a.md:1: the head that begins with --- has no end"},
	    {"/x/a.md", "---\nversoin: 1\n---\nHi", "did you mean 'version'?"}, {"/x/a.md", "---\nabout: x\nversion: 0\n---\nHi", "/x/a.md:3:10: "},
	    {"/x/a.md", "\xff", "/x/a.md: not UTF-8 text"}, {"/x/a b.md", "Hi", "letters, digits"}, {"/x/.md", "Hi", "letters, digits"}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prompts ps = {.n = 0};
		struct arena a = {0};
		struct problems p;

		problems_init(&p);
		prompts_add(&ps, bad[i].path, bad[i].text, strlen(bad[i].text), &a, &p);
		assert_int_equal(p.count, 1);
		assert_int_equal(ps.n, 0);
		assert_non_null(strstr(p.first->text, bad[i].problem));
		problems_fini(&p);
		arena_free(&a);
	}
}

/* What is wrong in it is told with the prompt's own line. */
static void test_place_of_a_mistake(void **state)
{
	begin(ANN);
	write_prompts("---\nversion: 3\n---\nWrite to\n${.first_name | foo(}\n");
	rig_refused(&rig, "/prompts/first.md:4:1: ");
	write_prompts(FIRST);
	rig_write(&rig, "pipelines/p.yaml", "pipeline: p\nstages:\n  - {stage: m, call: one.write, with: {prompt: {file: frist.md}}}\n");
	rig_refused(&rig, "p.yaml:3:");
	rig_refused(&rig, "there is no prompt file 'frist.md', did you mean 'first.md'?");
	end();
}

static void test_kept_with_the_copy(void **state)
{
	begin(ANN);
	assert_string_equal(rig.calls[0].body, "{\"prompt\":\"Write to Ann.\"}");
	rig_answer(&rig, 0, 200, GOOD);
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	assert_string_equal(rig_field(&rig, 1, 1, "copy"), "some words here");
	assert_string_equal(wrote(1), version_now());
	assert_memory_equal(wrote(1), "first@3.", 8);
	assert_int_equal(rig_run_row(&rig, 1)->n_prompts, 1);
	counts_are(0, version_now(), 1, 1);
	end();
}

/* Model, model with the pipeline's own text, fixed text: each says what it was. */
static void test_chain(void **state)
{
	char version[64];

	begin(ANN);
	(void)snprintf(version, sizeof(version), "%s", version_now());
	rig_answer(&rig, 0, 200, "{\"text\":\"short\"}");
	assert_string_equal(rig.calls[1].body, "{\"prompt\":\"Dear Ann\"}");
	rig_answer(&rig, 1, 200, "{\"text\":\"short\"}");
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	assert_string_equal(rig_field(&rig, 1, 1, "copy"), "Hello Ann, my friend");
	assert_memory_equal(wrote(1), "last@", 5);
	counts_are(0, version, 1, 0);
	counts_are(1, PROMPT_INLINE, 1, 0);
	assert_int_equal(rig_run_row(&rig, 1)->prompts[2].passed, 1);
	end();
}

/* Another file while the call is under way: its answer is the old one's; the next grant is the new one's. */
static void test_reload_in_flight(void **state)
{
	char old[64], key[64];

	begin(ANN "bob@x.example,Bob\n");
	(void)snprintf(old, sizeof(old), "%s", version_now());
	(void)snprintf(key, sizeof(key), "%s", rig.calls[0].key);
	write_prompts(SECOND);
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_answer(&rig, 0, 200, GOOD);
	rig_answer(&rig, 1, 503, "{}");
	assert_string_equal(wrote(1), old);
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 3);
	assert_string_equal(rig.calls[2].body, "{\"prompt\":\"Write nicely to Bob.\"}");
	assert_string_not_equal(rig.calls[2].key, rig.calls[1].key); /* nor does an old answer come for it */
	rig_answer(&rig, 2, 200, GOOD);
	assert_string_equal(wrote(2), version_now());
	assert_string_not_equal(wrote(2), old);
	counts_are(0, old, 1, 1);
	counts_are(1, version_now(), 1, 1);
	end();
}

/* The same text again: the same key. */
static void test_same_key(void **state)
{
	begin(ANN);
	rig_answer(&rig, 0, 503, "{}");
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 2);
	assert_string_equal(rig.calls[0].key, rig.calls[1].key);
	end();
}

/* A call in doubt, a crash, another file, and then it is found: what it wrote is the old version's. */
static void test_found_again(void **state)
{
	char old[64];

	begin(ANN);
	(void)snprintf(old, sizeof(old), "%s", version_now());
	write_prompts(SECOND);
	rig_restart(&rig);
	rig_pass(&rig, 10 * SEC);
	assert_int_equal(rig.n_calls, 2);
	assert_string_equal(rig.calls[1].url, "https://one.example/find");
	rig_answer(&rig, 1, 200, GOOD);
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	assert_string_equal(wrote(1), old);
	assert_string_not_equal(version_now(), old);
	end();
}

/* It is not there: what is written now is the new one's. */
static void test_made_again(void **state)
{
	begin(ANN);
	rig_broken(&rig, 0);
	write_prompts(SECOND);
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_answer(&rig, 1, 404, "{}");
	assert_string_equal(rig.calls[2].body, "{\"prompt\":\"Write nicely to Ann.\"}");
	rig_answer(&rig, 2, 200, GOOD);
	assert_string_equal(wrote(1), version_now());
	end();
}

/* The stage got its text back while the call was under way. */
static void test_file_gone(void **state)
{
	char old[64];

	begin(ANN);
	(void)snprintf(old, sizeof(old), "%s", version_now());
	rig_write(&rig, "pipelines/p.yaml", "pipeline: p\nstages:\n  - {stage: mail, call: one.write, with: {prompt: hi}, give: {copy: '${.text}'}}\n");
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_answer(&rig, 0, 200, GOOD);
	assert_string_equal(rig_state(&rig, 1, 1), "ready");
	counts_are(0, old, 1, 1);
	end();
}

/* One answer for several leads, under way together or kept: each says who wrote it. */
static void test_shared_answers(void **state)
{
	begin("email,first name\nann@x.example,Ann\n");
	rig_write(&rig, "pipelines/p.yaml",
	    "pipeline: p\nstages:\n  - {stage: mail, call: one.write, with: {prompt: {file: first.md}}, cache: 1h, give: {copy: '${.text}'}}\n");
	assert_int_equal(rig_reload(&rig).rc, 0);
	rig_answer(&rig, 0, 200, GOOD);
	assert_int_equal(rig_run(&rig, "c", "email,first name\nbob@x.example,Bob\nbob@y.example,Bob\n"), 2);
	for (size_t i = 1; i < rig.n_calls; i++) {
		rig_answer(&rig, i, 200, GOOD);
	}
	assert_int_equal(rig_run(&rig, "c", "email,first name\nbob@z.example,Bob\n"), 3);
	assert_int_equal(rig.n_calls, 2);
	assert_string_equal(rig_field(&rig, 2, 1, "mail_prompt"), version_now());
	assert_string_equal(rig_field(&rig, 2, 2, "mail_prompt"), version_now());
	assert_string_equal(rig_field(&rig, 3, 1, "mail_prompt"), version_now());
	assert_int_equal(rig_run_row(&rig, 2)->prompts[0].passed, 2);
	assert_int_equal(rig_run_row(&rig, 3)->prompts[0].passed, 1);
	end();
}

/* A job that began under the old version ends under the new one, after a crash: its result is the old one's. */
static void test_jobs(void **state)
{
	char old[64];

	begin("email,first name\n");
	rig_write(&rig, "services/one.yaml", "service: one\nbase: https://one.example\nbreaker: off\ncalls:\n"
					     "  write:\n    post: /write\n    json: {prompt: '${.prompt}'}\n"
					     "    job: {id: .job_id, poll: status, every: 10s, within: 1h}\n"
					     "  status:\n    get: /jobs/${.job}\n    map: {text: .text}\n");
	rig_write(&rig, "pipelines/p.yaml",
	    "pipeline: p\nstages:\n  - {stage: mail, call: one.write, with: {prompt: {file: first.md}}, give: {copy: '${.text}'}}\n");
	assert_int_equal(rig_reload(&rig).rc, 0);
	assert_int_equal(rig_run(&rig, "c", ANN), 2);
	(void)snprintf(old, sizeof(old), "%s", version_now());
	rig_answer(&rig, 0, 200, "{\"job_id\":\"7\"}");
	write_prompts(SECOND);
	rig_restart(&rig);
	rig_pass(&rig, 20 * SEC);
	assert_int_equal(rig.n_calls, 2);
	assert_string_equal(rig.calls[1].url, "https://one.example/jobs/7");
	rig_answer(&rig, 1, 200, GOOD);
	assert_string_equal(rig_state(&rig, 2, 1), "ready");
	assert_string_equal(rig_field(&rig, 2, 1, "mail_prompt"), old);
	assert_string_not_equal(version_now(), old);
	end();
}

/* More versions than a run has room for. */
static void test_many(void **state)
{
	struct buf csv = {0};
	const struct run_row *row;

	buf_add_text(&csv, "email,first name\n");
	for (int i = 0; i < 70; i++) {
		buf_printf(&csv, "ann%d@x.example,Ann\n", i);
	}
	begin(csv.data);
	buf_free(&csv);
	for (int i = 0; i < 70; i++) {
		char text[64];

		rig_answer(&rig, (size_t)i, 503, "{}");
		(void)snprintf(text, sizeof(text), "Write to ${.first_name} %d.\n", i);
		write_prompts(text);
		assert_int_equal(rig_reload(&rig).rc, 0);
		rig_pass(&rig, 10 * SEC);
		rig_answer(&rig, rig.n_calls - 1, 200, GOOD);
	}
	row = rig_run_row(&rig, 1);
	assert_int_equal(row->n_prompts, RUN_PROMPTS);
	assert_int_equal(row->prompts[RUN_PROMPTS - 1].prompt, 0);
	assert_int_equal(row->prompts[RUN_PROMPTS - 1].written, 70 - (RUN_PROMPTS - 1));
	rig_restart(&rig);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_file), cmocka_unit_test(test_mistakes), cmocka_unit_test(test_place_of_a_mistake),
	    cmocka_unit_test(test_kept_with_the_copy), cmocka_unit_test(test_chain), cmocka_unit_test(test_reload_in_flight),
	    cmocka_unit_test(test_same_key), cmocka_unit_test(test_found_again), cmocka_unit_test(test_made_again), cmocka_unit_test(test_file_gone),
	    cmocka_unit_test(test_shared_answers), cmocka_unit_test(test_jobs), cmocka_unit_test(test_many)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
