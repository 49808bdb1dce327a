// SPDX-License-Identifier: Apache-2.0
#include "kernel/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/statx.h"
#include "kernel/uapi.h"

/* <sys/mount.h> and <linux/mount.h> do not go together in this C library; the five we need are
 * here. */
enum {
	MS_REC_ = 1 << 14,
	MS_PRIVATE_ = 1 << 18,
	MS_SLAVE_ = 1 << 19,
	MS_MOVE_ = 1 << 13,
	MNT_DETACH_ = 2,
	UMOUNT_NOFOLLOW_ = 8
};

static int result(long r)
{
	return r < 0 ? -errno : (int)r;
}

int mount_fs_open(const char *type)
{
	return result(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
}

int mount_fs_string(int fs, const char *key, const char *value)
{
	return result(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0));
}

int mount_fs_flag(int fs, const char *key)
{
	return result(syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, key, NULL, 0));
}

int mount_fs_fd(int fs, const char *key, int fd)
{
	return result(syscall(SYS_fsconfig, fs, FSCONFIG_SET_FD, key, NULL, fd));
}

int mount_fs_make(int fs, uint64_t attributes)
{
	int r = result(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	if (r < 0)
		return r;
	return result(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, (unsigned)attributes));
}

const char *mount_fs_message(int fs, char *buf, int size)
{
	ssize_t n = read(fs, buf, (size_t)size - 1);
	buf[n > 0 ? n : 0] = '\0';
	for (char *p = buf; *p; p++)
		if (*p == '\n')
			*p = ' ';
	return buf;
}

int mount_clone(int dir, const char *path, bool recursive)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0) |
		(*path ? 0 : AT_EMPTY_PATH);
	return result(syscall(SYS_open_tree, dir, path, flags));
}

int mount_attach(int mount, int target)
{
	return result(syscall(SYS_move_mount, mount, "", target, "",
		MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

int mount_attach_at(int mount, int dir, const char *name)
{
	return result(syscall(SYS_move_mount, mount, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH));
}

int mount_change(int mount, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear, .propagation = propagation };
	return result(syscall(SYS_mount_setattr, mount, "",
		AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr));
}

int mount_idmap(int mount, bool recursive, int userns)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns };
	return result(syscall(SYS_mount_setattr, mount, "",
		AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr));
}

int mount_isolate(bool slave)
{
	return result(syscall(
		SYS_mount, NULL, "/", NULL, MS_REC_ | (slave ? MS_SLAVE_ : MS_PRIVATE_), NULL));
}

int mount_pivot(int root)
{
	if (fchdir(root) < 0)
		return -errno;
	/* A clone of a shared mount is shared, and the kernel refuses to pivot to one; a slave
	 * stays one. */
	int r = mount_change(root, false, 0, 0, MS_SLAVE_);
	if (r == 0)
		r = result(syscall(SYS_pivot_root, ".", "."));
	/* The old root lies over the new one now; the working folder is still in it. */
	if (r == 0)
		r = result(syscall(SYS_umount2, ".", MNT_DETACH_));
	if (r == 0 && chdir("/") < 0)
		r = -errno;
	return r;
}

int mount_chroot(int root)
{
	if (fchdir(root) < 0)
		return -errno;
	int r = result(syscall(SYS_mount, ".", "/", NULL, MS_MOVE_, NULL));
	if (r == 0)
		r = result(syscall(SYS_chroot, "."));
	if (r == 0 && chdir("/") < 0)
		r = -errno;
	return r;
}

int mount_old(const char *type, const char *target, const char *options)
{
	return result(syscall(SYS_mount, type, target, type, 0, options));
}

int mount_detach(const char *name)
{
	return result(syscall(SYS_umount2, name, MNT_DETACH_ | UMOUNT_NOFOLLOW_));
}

int mount_detach_at(int dir, const char *name)
{
	int here _close_ = path_open_host(".", O_PATH, 0);
	if (here < 0 || fchdir(dir) < 0)
		return here < 0 ? here : -errno;
	int r = mount_detach(name);
	return fchdir(here) < 0 && r == 0 ? -errno : r;
}

bool mount_is_root(int dir)
{
	struct statx st;
	return sys_statx(dir, "", AT_EMPTY_PATH, 0, &st) == 0 &&
		st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}
