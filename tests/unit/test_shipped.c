/*
 * tests/unit/test_shipped.c: what stands in etc/: it loads, the sample tells the true defaults, and
 * the pipeline does things in the order its comments promise.
 */
#include "lib/engine/config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ETC SOURCE_ROOT "/etc"

static struct config *load(const char *file)
{
	struct config *c = NULL;
	struct problems p;

	problems_init(&p);
	assert_int_equal(config_load(file, 1, &p, &c), 0);
	for (struct problem *x = p.first; x != NULL; x = x->next) {
		print_error("%s\n", x->text);
	}
	assert_int_equal(p.count, 0);
	assert_non_null(c);
	problems_fini(&p);
	return c;
}

static void test_loads(void **state)
{
	struct config *c = load(ETC "/leadd.yaml");

	(void)state;
	assert_int_equal(c->n_services, 12);
	assert_non_null(config_campaign(c, "example"));
	assert_non_null(config_pipeline(c, "cold-email"));
	assert_true(c->n_secrets == 0);
	config_unref(c);
}

/* The sample with every `#key: value` switched on, none of them left out but those without a value.
 */
static unsigned uncomment(const char *to)
{
	FILE *in = fopen(ETC "/leadd.yaml", "re"), *out = fopen(to, "we");
	unsigned settings = 0;
	char line[1024];

	assert_non_null(in);
	assert_non_null(out);
	while (fgets(line, sizeof(line), in) != NULL) {
		const char *colon = strstr(line, ": ");
		bool setting = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z' && colon != NULL;

		if (setting && strncmp(colon + 2, "none", 4) != 0) {
			fputs(line + 1, out);
			settings++;
		}
	}
	fclose(in);
	fclose(out);
	return settings;
}

static void test_defaults(void **state)
{
	static const char *const folders[] = {"services", "pipelines", "prompts", "lists"};
	char dir[] = "/tmp/test-shipped-XXXXXX", sample[64], empty[64], path[96];
	struct config *a, *b;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < 4; i++) {
		char target[512];

		(void)snprintf(target, sizeof(target), ETC "/%s", folders[i]);
		(void)snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
		assert_int_equal(symlink(target, path), 0);
	}
	(void)snprintf(sample, sizeof(sample), "%s/sample.yaml", dir);
	(void)snprintf(empty, sizeof(empty), "%s/empty.yaml", dir);
	assert_true(uncomment(sample) > 10);
	f = fopen(empty, "we");
	assert_non_null(f);
	fputs("campaigns: {}\n", f);
	fclose(f);
	a = load(sample);
	b = load(empty);
	assert_string_equal(a->state_dir, b->state_dir);
	assert_string_equal(a->socket, b->socket);
	assert_string_equal(a->currency, b->currency);
	assert_true(a->zone == b->zone);
	assert_int_equal(a->limit_factor, b->limit_factor);
	assert_int_equal(a->allow_private, b->allow_private);
	assert_int_equal(a->turn_wait_us, b->turn_wait_us);
	assert_int_equal(a->drain_us, b->drain_us);
	assert_int_equal(a->map_bytes, b->map_bytes);
	assert_int_equal(a->max_in_flight, b->max_in_flight);
	assert_int_equal(a->n_services, b->n_services);
	assert_int_equal(a->n_pipelines, b->n_pipelines);
	config_unref(a);
	config_unref(b);
	unlink(sample);
	unlink(empty);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
		unlink(path);
	}
	rmdir(dir);
}

static unsigned gates_after(const struct pipeline *p, int stage)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->n_gates; i++) {
		n += p->gates[i].after == stage;
	}
	return n;
}

static void test_order(void **state)
{
	struct config *c = load(ETC "/leadd.yaml");
	const struct pipeline *p = config_pipeline(c, "cold-email");
	int push = pipeline_stage(p, "push"), confirm = pipeline_stage(p, "confirm");

	(void)state;
	assert_int_equal(gates_after(p, AFTER_INTAKE), 6);
	assert_int_equal(gates_after(p, pipeline_stage(p, "verify")), 2);
	assert_int_equal(gates_after(p, pipeline_stage(p, "copy")), 3);
	assert_int_equal(p->n_gates, 11);
	assert_int_equal(p->stages[push].kind, STAGE_PUSH);
	assert_int_equal(p->stages[push].n_needs, 2);
	assert_string_equal(p->stages[push].needs[1], "copy");
	assert_int_equal(p->stages[confirm].repair, push);
	config_unref(c);
}

/* --- the fixed text of the copy chain --- */

struct lead {
	const char *first_name, *company;
	struct value copy;
};

static struct value lead_field(const void *ctx, const char *name, size_t len)
{
	const struct lead *l = ctx;
	const char *text = NULL;

	if (len == 4 && memcmp(name, "copy", 4) == 0) {
		return l->copy;
	}
	if (len == 10 && memcmp(name, "first_name", 10) == 0) {
		text = l->first_name;
	} else if (len == 7 && memcmp(name, "company", 7) == 0) {
		text = l->company;
	}
	return text != NULL ? value_text(text) : (struct value){0};
}

static void lead_write(const void *ctx, struct buf *out)
{
	(void)ctx;
	buf_add_text(out, "{}");
}

static void test_fallback(void **state)
{
	struct lead leads[] = {{.first_name = "Al", .company = "A"},
	    {.first_name = "Ana", .company = NULL},
	    {.first_name = "Mary Jo",
		.company = "The Board of Governors of the Federal Reserve System of Somewhere"}};
	struct config *c = load(ETC "/leadd.yaml");
	const struct pipeline *p = config_pipeline(c, "cold-email");
	int copy = pipeline_stage(p, "copy");
	const struct stage *st = &p->stages[copy];
	struct arena arena = {0};

	(void)state;
	assert_non_null(st->steps[st->n_steps - 1].fallback);
	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
		const struct expr_source source = {
		    .field = lead_field, .write = lead_write, .ctx = &leads[i]};
		const struct gate *gate = NULL;
		const char *reason;
		struct lead_error err;

		assert_int_equal(template_value(st->steps[st->n_steps - 1].fallback, &source,
				     &arena, &leads[i].copy, &err),
		    0);
		reason = pipeline_gates(p, LEVEL_LEAD, copy, &source, &c->lists, &arena, &gate);
		if (reason != NULL) {
			print_error("%s: %s\n", reason, leads[i].copy.text);
		}
		assert_null(reason);
	}
	arena_free(&arena);
	config_unref(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_loads),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_fallback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
