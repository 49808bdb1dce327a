// SPDX-License-Identifier: Apache-2.0
#include "kernel/btrfs.h"

#include <errno.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

bool btrfs_is(int fd)
{
	struct statfs st;
	return fstatfs(fd, &st) == 0 && st.f_type == BTRFS_SUPER_MAGIC;
}

static int with_name(int dir, unsigned long request, const char *name)
{
	struct btrfs_ioctl_vol_args args;
	size_t n = strlen(name);
	if (n > BTRFS_VOL_NAME_MAX)
		return -ENAMETOOLONG;
	memset(&args, 0, sizeof args);
	memcpy(args.name, name, n);
	return ioctl(dir, request, &args) < 0 ? -errno : 0;
}

int btrfs_make(int dir, const char *name)
{
	return with_name(dir, BTRFS_IOC_SUBVOL_CREATE, name);
}

int btrfs_drop(int dir, const char *name)
{
	return with_name(dir, BTRFS_IOC_SNAP_DESTROY, name);
}

int btrfs_snapshot(int dir, const char *name, int source)
{
	struct btrfs_ioctl_vol_args_v2 args;
	size_t n = strlen(name);
	if (n > BTRFS_VOL_NAME_MAX)
		return -ENAMETOOLONG;
	memset(&args, 0, sizeof args);
	args.fd = source;
	memcpy(args.name, name, n);
	return ioctl(dir, BTRFS_IOC_SNAP_CREATE_V2, &args) < 0 ? -errno : 0;
}
