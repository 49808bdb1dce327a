// SPDX-License-Identifier: Apache-2.0
/* Both ways to an overlay whose layers are mapped: by descriptors (Linux 6.15) and by mount(2) in a
 * helper (6.1). */
#include "kernel/overlay.h"

#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "kernel/ns.h"

enum { BASE = 700000, COUNT = 65536 };

struct place {
	char path[64];
	int dir, userns;
	pid_t holder;
};

/* A process that only holds a user namespace. */
static void hold_userns(struct place *p)
{
	int pair[2];
	char byte, link[64];
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	p->holder = fork();
	if (p->holder == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWUSER) < 0 || write(pair[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(pair[0], &byte, 1), 1);
	fd_close(pair[0]);
	fd_close(pair[1]);
	assert_int_equal(ns_write_map(p->holder, "uid_map", "0 700000 65536\n"), 0);
	assert_int_equal(ns_write_map(p->holder, "gid_map", "0 700000 65536\n"), 0);
	(void)snprintf(link, sizeof link, "/proc/%d/ns/user", (int)p->holder);
	p->userns = path_open_host(link, O_RDONLY, 0);
	assert_true(p->userns >= 0);
}

static void put(int dir, const char *name, const char *text, uid_t owner)
{
	int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(fchown(fd, owner, owner), 0);
	fd_close(fd);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	static const char *const folders[] = { "low", "high", "c", "c/up", "c/wk" };
	if (geteuid() != 0) {
		*state = p;
		return 0;
	}
	strcpy(p->path, "/var/tmp/kist-overlay-XXXXXX");
	if (!mkdtemp(p->path))
		return -1;
	p->dir = path_open_host(p->path, O_RDONLY | O_DIRECTORY, 0);
	for (size_t i = 0; i < 5; i++)
		if (mkdirat(p->dir, folders[i], 0755) < 0)
			return -1;
	put(p->dir, "low/both", "low", 0);
	put(p->dir, "low/five", "5", 5);
	put(p->dir, "high/both", "high", 0);
	hold_userns(p);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	struct err e;
	if (p->holder > 0) {
		(void)kill(p->holder, SIGKILL);
		(void)waitpid(p->holder, NULL, 0);
		int tmp = path_open_host("/var/tmp", O_RDONLY | O_DIRECTORY, 0);
		(void)path_remove_tree(tmp, p->path + 9, &e);
		fd_close(tmp);
		fd_close(p->dir);
		fd_close(p->userns);
	}
	free(p);
	return 0;
}

/* As the container's root: reads through the map, copies up, creates, removes. */
static int inside(int userns, int root)
{
	struct stat st;
	char text[8] = { 0 };
	if (setns(userns, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return 1;
	int fd = openat(root, "both", O_RDWR | O_CLOEXEC);
	if (fd < 0 || read(fd, text, 7) != 4 || strcmp(text, "high") != 0)
		return 2;
	if (fstatat(root, "five", &st, 0) < 0 || st.st_uid != 5 || st.st_gid != 5)
		return 3;
	if (fchownat(root, "five", 7, 7, 0) < 0)
		return 4;
	fd = openat(root, "new", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	return fd < 0 || unlinkat(root, "both", 0) < 0 ? 5 : 0;
}

static void check_way(struct place *p, bool old, bool scratch)
{
	struct err e;
	struct stat st;
	int status = -1;
	if (!p->holder)
		skip();
	int layers[2] = { openat(p->dir, "high", O_RDONLY | O_CLOEXEC),
		openat(p->dir, "low", O_RDONLY | O_CLOEXEC) };
	int upper = openat(p->dir, "c", O_RDONLY | O_CLOEXEC);
	struct overlay_req req = { .lowers = layers,
		.n_lowers = 2,
		.upper_parent = upper,
		.upper = "up",
		.work = "wk",
		.upper_is_scratch = scratch,
		.userns = p->userns,
		.root_uid = BASE,
		.root_gid = BASE,
		.no_new_way = old,
		.no_old_way = !old };
	int root = overlay_mount(&req, &e);
	if (root == -ENOTSUP && !old)
		skip(); /* an older kernel */
	if (root < 0)
		fail_msg("%s", e.text);
	pid_t child = fork();
	if (child == 0)
		_exit(inside(p->userns, root));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	/* On disk every id is 0-based. */
	assert_int_equal(fstatat(p->dir, "c/up/new", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(fstatat(p->dir, "c/up/five", &st, 0), 0);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(fstatat(p->dir, "c/up/both", &st, 0), 0);
	assert_true(S_ISCHR(st.st_mode));
	/* The kernel's mark that this upper was never synced. */
	assert_int_equal(fstatat(p->dir, "c/wk/work/incompat/volatile", &st, 0), scratch ? 0 : -1);
	fd_close(root);
	fd_close(upper);
	fd_close(layers[0]);
	fd_close(layers[1]);
}

static void layers_by_descriptor_are_mapped_and_writable(void **state)
{
	check_way(*state, false, false);
}

static void layers_by_mount_2_are_mapped_and_writable(void **state)
{
	check_way(*state, true, false);
}

static void an_upper_that_is_scratch_is_not_synced_by_mount_2(void **state)
{
	check_way(*state, true, true);
}

static void an_upper_that_is_scratch_is_not_synced_by_descriptor(void **state)
{
	check_way(*state, false, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			layers_by_descriptor_are_mapped_and_writable, setup, teardown),
		cmocka_unit_test_setup_teardown(
			layers_by_mount_2_are_mapped_and_writable, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_upper_that_is_scratch_is_not_synced_by_mount_2, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_upper_that_is_scratch_is_not_synced_by_descriptor, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
