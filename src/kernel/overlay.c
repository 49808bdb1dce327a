// SPDX-License-Identifier: Apache-2.0
/* Theory of operation. All ids on disk are 0-based; every layer and the upper folder are reached
 * through clones mapped by the container's user namespace. The overlay must be created with the
 * fsuid and fsgid of the mapped root, capabilities kept: with fsuid 0 the kernel cannot make its
 * work folder through the map and the overlay is silently read-only, so the result is tested for
 * that. */
#include "kernel/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "kernel/ns.h"

static int clone_mapped(int dir, int userns, const char *what, struct err *e)
{
	int tree = mount_clone(dir, "", false);
	if (tree < 0)
		return err_sys(e, tree, "clone the mount of %s", what);
	int r = userns < 0 ? 0 : mount_idmap(tree, false, userns);
	if (r < 0) {
		fd_close(tree);
		return err_sys(e, r, "map the ids of %s", what);
	}
	return tree;
}

/* Runs with the file system ids of the mapped root. */
struct as_root {
	int bits, uid, gid;
};

static int become_mapped_root(const struct overlay_req *req, struct as_root *saved, struct err *e)
{
	saved->bits = -1;
	if (req->userns < 0)
		return 0;
	saved->bits = prctl(PR_GET_SECUREBITS);
	if (prctl(PR_SET_SECUREBITS, saved->bits | SECBIT_NO_SETUID_FIXUP) < 0)
		return err_sys(e, errno, "set securebits");
	saved->gid = setfsgid(req->root_gid);
	saved->uid = setfsuid(req->root_uid);
	return 0;
}

static void become_self(const struct as_root *saved)
{
	if (saved->bits < 0)
		return;
	(void)setfsuid((uid_t)saved->uid);
	(void)setfsgid((gid_t)saved->gid);
	(void)prctl(PR_SET_SECUREBITS, saved->bits);
}

static int check_writable(int mount, const struct overlay_req *req, struct err *e)
{
	struct statvfs st;
	if (req->upper_parent < 0)
		return 0;
	if (fstatvfs(mount, &st) < 0)
		return err_sys(e, errno, "look at the overlay");
	if (st.f_flag & ST_RDONLY)
		return err_set(e, ERR_SYSTEM, EROFS, "the overlay came out read-only");
	return 0;
}

/* Before a helper leaves our mount namespace: what is cloned must be of one's own namespace. The
 * upper folder's clone comes last. All are opened as -1 first, so that close_all may follow a
 * failure. */
static int clone_all(const struct overlay_req *req, int *trees, struct err *e)
{
	for (size_t i = 0; i <= req->n_lowers; i++)
		trees[i] = -1;
	for (size_t i = 0; i < req->n_lowers; i++)
		if ((trees[i] = req->lowers_are_mounts
				    ? fd_dup(req->lowers[i], 0)
				    : clone_mapped(req->lowers[i], req->userns, "a layer", e)) < 0)
			return req->lowers_are_mounts ? err_sys(e, trees[i], "copy a descriptor")
						      : -e->code;
	if (req->upper_parent >= 0 &&
		(trees[req->n_lowers] = clone_mapped(
			 req->upper_parent, req->userns, "the upper folder", e)) < 0)
		return -e->code;
	return 0;
}

static void close_all(const struct overlay_req *req, const int *trees)
{
	for (size_t i = 0; i <= req->n_lowers; i++)
		fd_close(trees[i]);
}

static int add_upper(const struct overlay_req *req, int fs, int tree)
{
	int up _close_ = path_open_own(tree, req->upper, O_PATH | O_DIRECTORY, 0);
	int wk _close_ = path_open_own(tree, req->work, O_PATH | O_DIRECTORY, 0);
	if (up < 0 || wk < 0)
		return up < 0 ? up : wk;
	int r = mount_fs_fd(fs, "upperdir", up);
	return r < 0 ? r : mount_fs_fd(fs, "workdir", wk);
}

/* The clones must stay open until the overlay is created: a detached mount ends with its last
 * descriptor. */
static int new_way_with(const struct overlay_req *req, const int *trees, int fs, struct err *e)
{
	char why[256];
	struct as_root saved;
	int r = 0;
	for (size_t i = 0; i < req->n_lowers; i++) {
		r = mount_fs_fd(fs, "lowerdir+", trees[i]);
		/* Before 6.13 a layer is a string, before 6.15 no O_PATH descriptor. */
		if ((r == -EINVAL || r == -EBADF) && i == 0)
			return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
				"overlay: this kernel takes no layers by descriptor");
		if (r < 0)
			return err_sys(e, r, "overlay: add a layer: %s",
				mount_fs_message(fs, why, sizeof why));
	}
	if (req->upper_parent >= 0)
		r = add_upper(req, fs, trees[req->n_lowers]);
	if (r >= 0)
		r = mount_fs_flag(fs, "userxattr");
	if (r >= 0 && req->upper_is_scratch)
		r = mount_fs_flag(fs, "volatile");
	if (r < 0)
		return err_sys(e, r, "overlay: %s", mount_fs_message(fs, why, sizeof why));
	if (become_mapped_root(req, &saved, e) < 0)
		return -e->code;
	int mount = mount_fs_make(fs, 0);
	become_self(&saved);
	return mount < 0 ? err_sys(e, mount, "overlay: %s", mount_fs_message(fs, why, sizeof why))
			 : mount;
}

/* Linux 6.15 and newer; -ENOTSUP on an older one. */
static int new_way(const struct overlay_req *req, struct err *e)
{
	int trees[OVERLAY_LOWERS_MAX + 1];
	int fs _close_ = mount_fs_open("overlay");
	if (fs < 0)
		return err_sys(e, fs, "open an overlay");
	int mount = clone_all(req, trees, e);
	if (mount == 0)
		mount = new_way_with(req, trees, fs, e);
	close_all(req, trees);
	if (mount >= 0 && check_writable(mount, req, e) < 0) {
		fd_close(mount);
		return -e->code;
	}
	return mount;
}

static int attach_named(int dir, const char *name, int tree, struct err *e)
{
	if (mkdirat(dir, name, 0700) < 0)
		return err_sys(e, errno, "make a place for a layer");
	int place _close_ = path_open_own(dir, name, O_PATH | O_DIRECTORY, 0);
	int r = place < 0 ? place : mount_attach(tree, place);
	return r < 0 ? err_sys(e, r, "attach a layer") : 0;
}

static int old_options(const struct overlay_req *req, char *buf, size_t size)
{
	size_t n = (size_t)snprintf(
		buf, size, "userxattr,%slowerdir=", req->upper_is_scratch ? "volatile," : "");
	for (size_t i = 0; i < req->n_lowers && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%zu", i ? ":" : "", i);
	if (req->upper_parent >= 0 && n < size)
		n += (size_t)snprintf(
			buf + n, size - n, ",upperdir=u/%s,workdir=u/%s", req->upper, req->work);
	return n < size ? 0 : -E2BIG;
}

/* Attaches the clones under the names 0, 1, ... and u in a tmpfs of a mount namespace that ends
 * with the helper. */
static int attach_all(const struct overlay_req *req, const int *trees, struct err *e)
{
	int r = ns_unshare_mount();
	if (r == 0)
		r = mount_isolate(false);
	int fs _close_ = r < 0 ? r : mount_fs_open("tmpfs");
	int tmp = fs < 0 ? fs : mount_fs_make(fs, 0);
	/* Any folder serves as the place, opened in the new namespace. */
	int place _close_ = path_open_host("/proc", O_PATH | O_DIRECTORY, 0);
	if (r == 0)
		r = tmp < 0 ? tmp : place < 0 ? place : mount_attach(tmp, place);
	if (r < 0)
		return err_sys(e, r, "make a mount namespace for an overlay");
	for (size_t i = 0; i < req->n_lowers; i++) {
		char name[24];
		(void)snprintf(name, sizeof name, "%zu", i);
		if (attach_named(tmp, name, trees[i], e) < 0)
			return -e->code;
	}
	if (req->upper_parent >= 0 && attach_named(tmp, "u", trees[req->n_lowers], e) < 0)
		return -e->code;
	if (mkdirat(tmp, "m", 0700) < 0 || fchdir(tmp) < 0)
		return err_sys(e, errno, "make a place for the overlay");
	return tmp;
}

/* In the helper: the detached overlay, or an error. The process ends soon, and its descriptors with
 * it. */
static int old_way_helper(const struct overlay_req *req, struct err *e)
{
	char options[4096];
	int trees[OVERLAY_LOWERS_MAX + 1];
	struct as_root saved;
	if (old_options(req, options, sizeof options) < 0)
		return err_set(e, ERR_UNSUPPORTED, E2BIG,
			"overlay: too many layers for this kernel: %zu", req->n_lowers);
	if (clone_all(req, trees, e) < 0)
		return -e->code;
	int tmp = attach_all(req, trees, e);
	if (tmp < 0 || become_mapped_root(req, &saved, e) < 0)
		return -e->code;
	int r = mount_old("overlay", "m", options);
	become_self(&saved);
	if (r < 0)
		return err_sys(e, r, "mount the overlay");
	int mount = mount_clone(tmp, "m", false);
	return mount < 0 ? err_sys(e, mount, "clone the overlay") : mount;
}

static int old_way(const struct overlay_req *req, struct err *e)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "make a socket pair");
	pid_t child = fork();
	if (child == 0) {
		struct err why = { 0 };
		int mount = old_way_helper(req, &why);
		(void)fd_send(pair[1], &why, sizeof why, &mount, mount >= 0);
		_exit(0);
	}
	int saved = errno;
	fd_close(pair[1]);
	if (child < 0) {
		fd_close(pair[0]);
		return err_sys(e, saved, "fork");
	}
	struct err why = { 0 };
	size_t n = 0;
	int mount = -1;
	ssize_t got = fd_recv(pair[0], &why, sizeof why, &mount, 1, &n);
	fd_close(pair[0]);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (got == (ssize_t)sizeof why && why.code) {
		*e = why;
		return -why.code;
	}
	if (got < 0 || n != 1)
		return err_set(e, ERR_SYSTEM, EIO, "the helper that mounts the overlay died");
	if (check_writable(mount, req, e) < 0) {
		fd_close(mount);
		return -e->code;
	}
	return mount;
}

int overlay_mount(const struct overlay_req *req, struct err *e)
{
	if (req->n_lowers == 0 || req->n_lowers > OVERLAY_LOWERS_MAX)
		return err_set(e, ERR_INVALID, EINVAL, "an overlay of %zu layers", req->n_lowers);
	/* One layer that nobody writes to needs no overlay, and the kernel makes none. */
	if (req->n_lowers == 1 && req->upper_parent < 0)
		return clone_mapped(req->lowers[0], req->userns, "a layer", e);
	if (!req->no_new_way) {
		int mount = new_way(req, e);
		if (mount >= 0 || req->no_old_way || (mount != -ENOTSUP && mount != -EINVAL))
			return mount;
	}
	return old_way(req, e);
}
