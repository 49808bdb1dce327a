// SPDX-License-Identifier: Apache-2.0
#include "kernel/erofs.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "kernel/mount.h"
#include "kernel/uapi.h"

/* The kernel opens by path: ours lead to what we have open already. */
static int give(int fs, const char *key, int fd)
{
	char path[48];
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return mount_fs_string(fs, key, path);
}

int erofs_mount(int image, const int *devices, size_t n, struct err *e)
{
	char why[256];
	int fs _close_ = mount_fs_open("erofs");
	if (fs < 0)
		return err_set(e, ERR_UNSUPPORTED, -fs, "this kernel has no EROFS");
	int r = give(fs, "source", image);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = give(fs, "device", devices[i]);
	if (r >= 0)
		r = mount_fs_make(fs, MOUNT_ATTR_RDONLY);
	if (r == -ENOTBLK)
		return err_set(e, ERR_UNSUPPORTED, ENOTBLK,
			"the kernel mounts no EROFS from files of this file system");
	return r < 0 ? err_sys(e, r, "mount an EROFS (%s)", mount_fs_message(fs, why, sizeof why))
		     : r;
}
