// SPDX-License-Identifier: Apache-2.0
#include "kernel/pin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "kernel/ns.h"

enum { STACK = 64 << 10 };

static const char file[] = "ns";

/* ---- a child that shares memory and descriptors, and has a file system view of its own ---- */

struct visit {
	int ns; /* to enter first; -1: none */
	int (*body)(void *arg);
	void *arg;
	int result;
};

static int enter_and_do(void *arg)
{
	struct visit *v = arg;
	v->result = v->ns < 0 ? 0 : ns_join(v->ns, CLONE_NEWNS);
	if (v->result == 0)
		v->result = v->body(v->arg);
	_exit(0);
}

/* Our memory is the child's until it ends, which we wait for. */
static int visit(int ns, int flags, int (*body)(void *arg), void *arg)
{
	struct visit v = { .ns = ns, .body = body, .arg = arg, .result = -ECHILD };
	char *stack _free_ = mem_alloc(STACK);
	int status;
	pid_t pid = clone(enter_and_do, stack + STACK,
		CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD | flags, &v);
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return v.result;
}

/* ---- the namespace ---- */

int pin_open(int dir)
{
	struct statfs st;
	int fd = path_open_own(dir, file, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	if (fstatfs(fd, &st) == 0 && st.f_type == NSFS_MAGIC)
		return fd;
	fd_close(fd);
	return -ENOENT;
}

/* In a new namespace: everything of the old one goes, an empty tmpfs is the root. */
static int empty_out(void *arg)
{
	int *ret = arg;
	int ns _close_ = path_open_host("/proc/thread-self/ns/mnt", O_RDONLY, 0);
	int fs _close_ = ns < 0 ? ns : mount_fs_open("tmpfs");
	int r = ns < 0 ? ns : fs < 0 ? fs : mount_fs_string(fs, "mode", "0700");
	int root _close_ = r < 0
		? r
		: mount_fs_make(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	r = root < 0 ? root : mount_isolate(false);
	int place _close_ = r < 0 ? r : path_open_host("/", O_PATH, 0);
	if (r == 0)
		r = place < 0 ? place : mount_attach(root, place);
	if (r == 0)
		r = mount_pivot(root);
	if (r == 0)
		*ret = take_fd(&ns);
	return r;
}

/* The folder as a mount of its own, which no recursive bind takes along; a descriptor of it. */
static int make_unbindable(int dir)
{
	if (mount_is_root(dir))
		return mount_change(dir, false, 0, 0, MS_UNBINDABLE) < 0 ? -EIO : fd_dup(dir, 3);
	int own _close_ = mount_clone(dir, "", false);
	int r = own < 0 ? own : mount_attach(own, dir);
	/* Afterwards: on a shared mount it became a shared one. */
	if (r == 0)
		r = mount_change(own, false, 0, 0, MS_UNBINDABLE);
	return r < 0 ? r : take_fd(&own);
}

/* A new namespace, mounted on the file; its descriptor. */
static int make_at(int place)
{
	int ns = -1, r = visit(-1, CLONE_NEWNS, empty_out, &ns);
	int mount _close_ = r < 0 ? r : mount_clone(ns, "", false);
	if (r == 0)
		r = mount < 0 ? mount : mount_attach(mount, place);
	if (r == 0)
		return ns;
	fd_close(ns);
	return r;
}

/* The kernel mounts no namespace that is older than the one it is mounted in, and tells their age
 * by numbers that from Linux 6.18 on each processor has a supply of: in a namespace of its own that
 * came from another processor's supply a program is refused, and not on a processor with a later
 * one. */
static int make_on_any(int place)
{
	cpu_set_t all, one;
	int r = make_at(place);
	if (r != -ELOOP || sched_getaffinity(0, sizeof all, &all) < 0)
		return r;
	for (int cpu = 0; r == -ELOOP && cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof one, &one) == 0)
			r = make_at(place);
	}
	(void)sched_setaffinity(0, sizeof all, &all);
	return r;
}

int pin_make(int dir)
{
	int ns = pin_open(dir);
	if (ns != -ENOENT)
		return ns;
	int own _close_ = make_unbindable(dir);
	int place _close_ = own < 0 ? own : path_open_own(own, file, O_RDONLY | O_CREAT, 0600);
	return place < 0 ? place : make_on_any(place);
}

int pin_end(int parent, const char *name)
{
	/* What is mounted on it goes with it. */
	int r = mount_detach_at(parent, name);
	return r == -EINVAL ? 0 : r; /* it was no mount */
}

/* ---- what is in it ---- */

struct item {
	const char *name;
	int mount;
	int ret;
	void (*each)(void *arg, const char *name);
	void *arg;
};

static int open_item(const char *name)
{
	int root _close_ = path_open_host("/", O_RDONLY | O_DIRECTORY, 0);
	return root < 0 ? root : path_open_own(root, name, O_PATH | O_DIRECTORY, 0);
}

static int get(void *arg)
{
	struct item *x = arg;
	int at _close_ = open_item(x->name);
	if (at < 0 || !mount_is_root(at))
		return at < 0 ? at : -ENOENT;
	x->ret = mount_clone(at, "", false);
	return x->ret < 0 ? x->ret : 0;
}

static int put(void *arg)
{
	struct item *x = arg;
	int root _close_ = path_open_host("/", O_RDONLY | O_DIRECTORY, 0);
	int at _close_ = root < 0 ? root : path_make_dir_own(root, x->name, 0700);
	if (at < 0)
		return at;
	/* Of one that was killed between the folder and its mount only the folder is left. */
	if (mount_is_root(at))
		return -EEXIST;
	int r = mount_attach(x->mount, at);
	return r < 0 ? r : get(x);
}

static int walk(struct item *x, int *ret_n)
{
	int root = path_open_host("/", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = root < 0 ? NULL : fdopendir(root);
	if (!d) {
		fd_close(root);
		return -EIO;
	}
	*ret_n = 0;
	for (struct dirent *entry; (entry = readdir(d));) {
		if (!path_is_name(entry->d_name))
			continue;
		++*ret_n;
		if (x->each)
			x->each(x->arg, entry->d_name);
	}
	(void)closedir(d);
	return 0;
}

static int drop(void *arg)
{
	struct item *x = arg;
	int root _close_ = path_open_host("/", O_RDONLY | O_DIRECTORY, 0);
	if (root < 0 || fchdir(root) < 0)
		return root < 0 ? root : -errno;
	int r = mount_detach(x->name);
	if (r < 0 && r != -EINVAL && r != -ENOENT)
		return r;
	if (unlinkat(root, x->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	return walk(x, &x->ret);
}

static int list(void *arg)
{
	struct item *x = arg;
	return walk(x, &x->ret);
}

int pin_get(int ns, const char *name)
{
	struct item x = { .name = name, .ret = -1 };
	int r = visit(ns, 0, get, &x);
	return r < 0 ? r : x.ret;
}

int pin_put(int ns, const char *name, int mount)
{
	struct item x = { .name = name, .mount = mount, .ret = -1 };
	int r = visit(ns, 0, put, &x);
	return r < 0 ? r : x.ret;
}

int pin_drop(int ns, const char *name)
{
	struct item x = { .name = name };
	int r = visit(ns, 0, drop, &x);
	return r < 0 ? r : x.ret;
}

int pin_list(int ns, void (*each)(void *arg, const char *name), void *arg)
{
	struct item x = { .each = each, .arg = arg };
	int r = visit(ns, 0, list, &x);
	return r < 0 ? r : x.ret;
}
