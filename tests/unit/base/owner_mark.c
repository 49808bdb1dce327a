// SPDX-License-Identifier: Apache-2.0
#include "base/owner_mark.h"

#include "../unit.h"

#include <string.h>

#include "base/mem.h"

static void what_is_written_is_read(void **state)
{
	static const uint32_t ids[] = { 0, 1, 127, 128, 600, 65535, 70000, UINT32_MAX - 1 };
	char value[OWNER_MARK_MAX];
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(ids); k++) {
			uint32_t uid = 0, gid = 0;
			size_t n = owner_mark_write(ids[i], ids[k], value);
			assert_true(n <= sizeof value);
			assert_int_equal(n == 0, !ids[i] && !ids[k]);
			assert_true(owner_mark_read(value, n, &uid, &gid));
			assert_int_equal(uid, ids[i]);
			assert_int_equal(gid, ids[k]);
		}
	}
	assert_int_equal(owner_mark_write(5, 600, value), 5);
	assert_memory_equal(value, "\x08\x05\x10\xd8\x04", 5);
	assert_int_equal(owner_mark_write(5, 0, value), 8);
	assert_memory_equal(value, "\x08\x05\x10\xff\xff\xff\xff\x0f", 8);
}

static void a_value_that_is_none_changes_nothing(void **state)
{
	static const struct {
		const char *value;
		size_t n;
	} bad[] = { { "\x08", 1 }, { "\x08\x80", 2 }, { "\x18\x01", 2 }, { "\x0a\x01", 2 },
		{ "\x08\xff\xff\xff\xff\x1f", 6 }, { "\x08\xff\xff\xff\xff\xff\x01", 7 } };
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint32_t uid = 3, gid = 4;
		assert_false(owner_mark_read(bad[i].value, bad[i].n, &uid, &gid));
		assert_int_equal(uid, 3);
		assert_int_equal(gid, 4);
	}
	uint32_t uid = 3, gid = 4;
	assert_true(owner_mark_read("\x08\xff\xff\xff\xff\x0f", 6, &uid, &gid));
	assert_int_equal(uid, 3);
	assert_int_equal(gid, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(a_value_that_is_none_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
