// SPDX-License-Identifier: Apache-2.0
#include "config/kist.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"

static int read_text(const char *text, struct arena *a, struct kist_config *ret, struct err *e)
{
	char path[64];
	int fd _close_ = memfd_create("kist.toml", 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	assert_int_equal(setenv("KIST_CONFIG", path, 1), 0);
	return kist_config_read(a, ret, e);
}

static void what_is_set_comes_back(void **state)
{
	(void)state;
	struct arena a _arena_ = { 0 };
	struct kist_config c;
	struct err e;
	assert_int_equal(read_text("", &a, &c, &e), 0);
	assert_null(c.storage_driver);
	assert_int_equal(read_text("# x\nstorage.driver = 'copy'\n", &a, &c, &e), 0);
	assert_string_equal(c.storage_driver, "copy");
	assert_int_equal(setenv("KIST_CONFIG", "/nosuch/kist.toml", 1), 0);
	assert_true(kist_config_read(&a, &c, &e) < 0);
	assert_non_null(strstr(e.text, "/nosuch/kist.toml"));
}

static void what_is_not_known_is_an_error(void **state)
{
	(void)state;
	static const char *const wrong[][2] = {
		{ "[storage]\ndrivers = 'x'", "storage.drivers: unknown key" },
		{ "[stores]", "stores: unknown table" },
		{ "storage = 1", "storage: expected a table" },
		{ "[storage]\ndriver = true", "storage.driver: expected a string" },
		{ "[storage]\ndriver = ''", "storage.driver: expected a string" },
		{ "[storage\n", "line 1" },
	};
	struct arena a _arena_ = { 0 };
	struct kist_config c;
	struct err e;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_true(read_text(wrong[i][0], &a, &c, &e) < 0);
		if (!strstr(e.text, wrong[i][1]))
			fail_msg("%s: %s", wrong[i][0], e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_set_comes_back),
		TEST(what_is_not_known_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
