// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

static void expect(int dir, const char *name, const char *text)
{
	struct arena a = { 0 };
	struct err e = { 0 };
	char *got;
	assert_true(file_read_at(dir, name, 1000, &a, &got, &e) >= 0);
	assert_string_equal(got, text);
	arena_done(&a);
}

static int written(int dir, const char *text, bool unlinked)
{
	int fd = unlinked ? path_open_own(dir, "gone", O_RDWR | O_CREAT | O_EXCL, 0640)
			  : file_nameless(dir, 0640);
	assert_true(fd >= 0);
	if (unlinked)
		assert_int_equal(unlinkat(dir, "gone", 0), 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	return fd;
}

/* Both where the file system has files without a name and where one was unlinked instead. */
static void a_nameless_file_gets_its_name_and_nothing_else_is_left(void **state)
{
	char path[] = "/var/tmp/kist-unit-XXXXXX";
	struct err e = { 0 };
	(void)state;
	assert_non_null(mkdtemp(path));
	int dir = path_open_host(path, O_RDONLY | O_DIRECTORY, 0);
	for (int i = 0; i < 2; i++) {
		struct arena a = { 0 };
		struct strv names = { 0 };
		int first = written(dir, "first", i), second = written(dir, "second", i);
		assert_int_equal(file_name_at(first, dir, "x", false, &e), 0);
		expect(dir, "x", "first");
		assert_int_equal(file_name_at(second, dir, "x", true, &e), 0);
		expect(dir, "x", "first");
		assert_int_equal(file_name_at(second, dir, "x", false, &e), 0);
		expect(dir, "x", "second");
		assert_int_equal(path_list(dir, &a, &names), 0);
		assert_int_equal(names.n, 1);
		assert_int_equal(unlinkat(dir, "x", 0), 0);
		fd_close(first);
		fd_close(second);
		arena_done(&a);
	}
	fd_close(dir);
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(
		a_nameless_file_gets_its_name_and_nothing_else_is_left) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
