/* lib/base/ids.h: ids grow, hashes and checksums are the published ones, dice are fair and
 * repeatable. */
#include "lib/base/ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_ids_grow(void **state)
{
	int64_t wall = INT64_C(1763772000123456);
	uint64_t first = ids_next(0, wall), id = first;

	(void)state;
	assert_int_equal(ids_wall_us(first), INT64_C(1763772000123000));
	assert_int_equal(first & 0xFFFFF, 0);
	for (int i = 0; i < 1000; i++) {
		uint64_t next =
		    ids_next(id, wall - i * INT64_C(3600000000)); /* the clock runs backwards */

		assert_true(next == id + 1);
		id = next;
	}
	assert_true(ids_next(id, wall + 1000) > id);
	assert_int_equal(ids_wall_us(ids_next(id, wall + 1000)), INT64_C(1763772000124000));
	assert_int_equal(ids_next(5, -1), 6);
	/* a full counter runs over into the next millisecond */
	assert_int_equal(ids_wall_us(ids_next(first | 0xFFFFF, wall)), INT64_C(1763772000124000));
}

static void test_ids_text(void **state)
{
	static const char *const bad[] = {"", "0", "00000000000000001", "000000000000000G",
	    "000000000000000A", "-00000000000000f", " 0000000000000ff"};
	char text[17];
	uint64_t back;

	(void)state;
	ids_write(UINT64_C(0x0123456789ABCDEF), text);
	assert_string_equal(text, "0123456789abcdef");
	assert_true(ids_parse(text, &back));
	assert_true(back == UINT64_C(0x0123456789ABCDEF));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(ids_parse(bad[i], &back));
	}
}

/* The reference vectors of SipHash-2-4: key 00..0f, message 00.. */
static void test_siphash(void **state)
{
	uint8_t key[16], text[15];

	(void)state;
	for (uint8_t i = 0; i < 16; i++) {
		key[i] = i;
	}
	for (uint8_t i = 0; i < 15; i++) {
		text[i] = i;
	}
	assert_true(hash_keyed(key, text, 15) == UINT64_C(0xA129CA6149BE45E5));
	assert_true(hash_keyed(key, text, 0) == UINT64_C(0x726FDB47DD0E0E31));
	assert_true(hash_plain("a", 1) != hash_plain("b", 1));
	assert_true(hash_plain("a", 1) == hash_plain("a", 1));
}

/* RFC 3720 section B.4, and the two ways against each other. */
static void test_crc32c(void **state)
{
	uint8_t bytes[64] = {0};
	struct dice d;

	(void)state;
	assert_int_equal(crc32c(bytes, 32), 0x8A9136AA);
	assert_int_equal(crc32c_portable(bytes, 32), 0x8A9136AA);
	memset(bytes, 0xFF, 32);
	assert_int_equal(crc32c(bytes, 32), 0x62A8AB43);
	assert_int_equal(crc32c("123456789", 9), 0xE3069283);
	assert_int_equal(crc32c_portable("123456789", 9), 0xE3069283);
	assert_int_equal(crc32c("", 0), 0);
	dice_seed(&d, 1);
	for (size_t len = 0; len < sizeof(bytes); len++) {
		bytes[len] = (uint8_t)dice_roll(&d);
		assert_int_equal(crc32c(bytes, len), crc32c_portable(bytes, len));
	}
}

static void test_dice(void **state)
{
	struct dice a, b;
	unsigned counts[6] = {0};

	(void)state;
	/* xoshiro256** from the state 1 2 3 4, as in its reference */
	a = (struct dice){{1, 2, 3, 4}};
	assert_true(dice_roll(&a) == 11520);
	assert_true(dice_roll(&a) == 0);
	assert_true(dice_roll(&a) == UINT64_C(1509978240));
	dice_seed(&a, 42);
	dice_seed(&b, 42);
	for (int i = 0; i < 60000; i++) {
		uint64_t roll = dice_below(&a, 6);

		assert_true(roll == dice_below(&b, 6));
		assert_true(roll < 6);
		counts[roll]++;
	}
	for (int i = 0; i < 6; i++) {
		assert_in_range(counts[i], 9500, 10500);
	}
	assert_true(dice_below(&a, 1) == 0);
	assert_true(dice_below(&a, UINT64_MAX) < UINT64_MAX);
	dice_seed(&b, 43);
	assert_true(dice_roll(&a) != dice_roll(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ids_grow),
	    cmocka_unit_test(test_ids_text),
	    cmocka_unit_test(test_siphash),
	    cmocka_unit_test(test_crc32c),
	    cmocka_unit_test(test_dice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
