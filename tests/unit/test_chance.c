/* Distributions: means and variances of many draws from fixed dice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/chance.h"

#include <math.h>

#define DRAWS 200000

struct moments {
	double mean, variance, least;
};

static struct moments many(double (*draw)(struct dice *d, double shape), double shape)
{
	struct moments m = {.least = INFINITY};
	struct dice d;
	double square = 0;

	dice_seed(&d, 7);
	for (int i = 0; i < DRAWS; i++) {
		double v = draw(&d, shape);

		m.mean += v / DRAWS;
		square += v * v / DRAWS;
		m.least = v < m.least ? v : m.least;
	}
	m.variance = square - m.mean * m.mean;
	return m;
}

static double uniform(struct dice *d, double shape)
{
	(void)shape;
	return chance_uniform(d);
}

static double normal(struct dice *d, double shape)
{
	(void)shape;
	return chance_normal(d);
}

static void test_uniform(void **state)
{
	struct moments m = many(uniform, 0);

	(void)state;
	assert_true(fabs(m.mean - 0.5) < 0.005);
	assert_true(fabs(m.variance - 1.0 / 12) < 0.002);
	assert_true(m.least > 0);
}

static void test_normal(void **state)
{
	struct moments m = many(normal, 0);

	(void)state;
	assert_true(fabs(m.mean) < 0.01);
	assert_true(fabs(m.variance - 1) < 0.02);
}

/* Mean and variance of a gamma distribution with scale 1 are its shape. */
static void test_gamma(void **state)
{
	static const double shapes[] = {0.02, 0.5, 1, 3, 40, 2000};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct moments m = many(chance_gamma, shapes[i]);

		assert_true(fabs(m.mean / shapes[i] - 1) < 0.06);
		assert_true(fabs(m.variance / shapes[i] - 1) < 0.15);
		assert_true(m.least >= 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_uniform),
	    cmocka_unit_test(test_normal), cmocka_unit_test(test_gamma)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
