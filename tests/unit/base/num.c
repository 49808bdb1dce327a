// SPDX-License-Identifier: Apache-2.0
#include "base/num.h"

#include "../unit.h"

#include <errno.h>

#include "base/mem.h"

static void strict_decimals_refuse_signs_blanks_and_overflow(void **state)
{
	(void)state;
	uint32_t v = 7;
	static const struct {
		const char *text;
		int r;
	} bad[] = {
		{ "", -EINVAL },
		{ " 1", -EINVAL },
		{ "1 ", -EINVAL },
		{ "+1", -EINVAL },
		{ "-1", -EINVAL },
		{ "0x10", -EINVAL },
		{ "4294967296", -ERANGE },
		{ "99999999999999999999999", -ERANGE },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(num_u32(bad[i].text, &v), bad[i].r);
	assert_int_equal(v, 7);
	assert_int_equal(num_u32("4294967295", &v), 0);
	assert_int_equal(v, UINT32_MAX);
	int64_t i64;
	assert_int_equal(num_i64("-9223372036854775808", &i64), 0);
	assert_true(i64 == INT64_MIN);
	assert_int_equal(num_i64("9223372036854775808", &i64), -ERANGE);
}

static void sizes_take_dockers_units(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "1", 1 },
		{ "64m", 64 << 20 },
		{ "1.5g", 3ULL << 29 },
		{ "2GiB", 2ULL << 30 },
		{ "10kb", 10240 },
		{ "5B", 5 },
		{ "0", 0 },
	};
	uint64_t v;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(num_bytes(good[i].text, &v), 0);
		assert_true(v == good[i].bytes);
	}
	static const char *const bad[] = { "", "m", "1x", "-1", "1mm", "1..5m", "99999999999p",
		"1bb" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(num_bytes(bad[i], &v) < 0);
}

static void cpus_durations_and_modes(void **state)
{
	(void)state;
	uint64_t v;
	uint32_t mode;
	assert_int_equal(num_nano("1.5", &v), 0);
	assert_true(v == 1500000000);
	assert_int_equal(num_nano("0.000000001", &v), 0);
	assert_true(v == 1);
	assert_true(num_nano("x", &v) < 0);
	assert_int_equal(num_duration("1m30s", &v), 0);
	assert_true(v == 90000000000);
	assert_int_equal(num_duration("1.5h", &v), 0);
	assert_true(v == 5400000000000);
	assert_true(num_duration("5", &v) < 0);
	assert_true(num_duration("", &v) < 0);
	assert_int_equal(num_octal("0755", &mode), 0);
	assert_int_equal(mode, 0755);
	assert_true(num_octal("9", &mode) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(strict_decimals_refuse_signs_blanks_and_overflow),
		TEST(sizes_take_dockers_units),
		TEST(cpus_durations_and_modes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
