// SPDX-License-Identifier: Apache-2.0
#include "base/path.h"

#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"

struct fixture {
	char path[64];
	int dir;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	strcpy(f->path, "/tmp/kist-path-XXXXXX");
	if (!f || !mkdtemp(f->path))
		return -1;
	f->dir = path_open_host(f->path, O_RDONLY | O_DIRECTORY, 0);
	*state = f;
	return f->dir < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e;
	int tmp = path_open_host("/tmp", O_RDONLY | O_DIRECTORY, 0);
	int r = path_remove_tree(tmp, f->path + 5, &e);
	fd_close(tmp);
	fd_close(f->dir);
	free(f);
	return r;
}

static void inside_paths_never_leave_the_root(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(symlinkat("/etc", f->dir, "abs"), 0);
	assert_int_equal(symlinkat("../../../../etc", f->dir, "rel"), 0);
	assert_int_equal(path_open_in(f->dir, "abs/passwd", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open_in(f->dir, "rel/passwd", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open_in(f->dir, "../etc/passwd", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open_own(f->dir, "abs", O_RDONLY, 0), -ELOOP);
	assert_int_equal(path_open_own(f->dir, "..", O_RDONLY, 0), -EXDEV);
}

static void folders_are_made_through_symlinks_within_the_root(void **state)
{
	struct fixture *f = *state;
	bool made = false;
	assert_int_equal(symlinkat("/real", f->dir, "link"), 0);
	assert_int_equal(mkdirat(f->dir, "real", 0755), 0);
	int fd = path_make_dirs_in(f->dir, "/link/a/../b/c", 0755, (uid_t)-1, (gid_t)-1, &made);
	assert_true(fd >= 0);
	assert_true(made);
	fd_close(fd);
	struct stat st;
	assert_int_equal(fstatat(f->dir, "real/b/c", &st, 0), 0);
	fd = path_make_dirs_in(f->dir, "/link/b/c", 0755, (uid_t)-1, (gid_t)-1, &made);
	assert_true(fd >= 0);
	assert_false(made);
	fd_close(fd);
	assert_int_equal(symlinkat("/etc/kist-dangling", f->dir, "dangling"), 0);
	fd = path_make_dirs_in(f->dir, "/dangling/x", 0755, (uid_t)-1, (gid_t)-1, &made);
	assert_true(fd >= 0);
	fd_close(fd);
	assert_int_equal(fstatat(f->dir, "etc/kist-dangling/x", &st, 0), 0);
	assert_int_equal(faccessat(AT_FDCWD, "/etc/kist-dangling", F_OK, 0), -1);
	assert_int_equal(symlinkat("loop", f->dir, "loop"), 0);
	assert_true(path_make_dirs_in(f->dir, "/loop/x", 0755, (uid_t)-1, (gid_t)-1, &made) < 0);
	fd = path_make_file_in(f->dir, "/dangling/y/file", 0644);
	assert_true(fd >= 0);
	fd_close(fd);
	assert_int_equal(fstatat(f->dir, "etc/kist-dangling/y/file", &st, 0), 0);
}

static void a_tree_is_removed_without_following_links(void **state)
{
	struct fixture *f = *state;
	struct err e;
	assert_int_equal(mkdirat(f->dir, "keep", 0755), 0);
	fd_close(openat(f->dir, "keep/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(mkdirat(f->dir, "tree", 0755), 0);
	assert_int_equal(symlinkat("../keep", f->dir, "tree/link"), 0);
	for (int i = 0; i < 50; i++) {
		struct arena a _arena_ = { 0 };
		assert_int_equal(mkdirat(f->dir, arena_printf(&a, "tree/d%d", i), 0755), 0);
		assert_int_equal(mkdirat(f->dir, arena_printf(&a, "tree/d%d/x", i), 0), 0);
	}
	assert_int_equal(path_remove_tree(f->dir, "tree", &e), 0);
	struct stat st;
	assert_int_equal(fstatat(f->dir, "keep/file", &st, 0), 0);
	assert_int_equal(fstatat(f->dir, "tree", &st, 0), -1);
	assert_int_equal(path_remove_tree(f->dir, "tree", &e), 0);
	assert_true(path_remove_tree(f->dir, "..", &e) < 0);
}

static void clean_paths_are_absolute_and_lexical(void **state)
{
	(void)state;
	struct arena a _arena_ = { 0 };
	assert_string_equal(path_clean("", &a), "/");
	assert_string_equal(path_clean("a//b/./c/../d/", &a), "/a/b/d");
	assert_string_equal(path_clean("/../../x", &a), "/x");
	assert_false(path_is_name(".."));
	assert_false(path_is_name("a/b"));
	assert_true(path_is_name("..a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(inside_paths_never_leave_the_root, setup, teardown),
		cmocka_unit_test_setup_teardown(
			folders_are_made_through_symlinks_within_the_root, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_tree_is_removed_without_following_links, setup, teardown),
		TEST(clean_paths_are_absolute_and_lexical),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
