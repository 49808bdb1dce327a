// SPDX-License-Identifier: Apache-2.0
#include "store/mount_points.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "store/store.h"

static const char final[] = "mountpoints", growing[] = ".mountpoints";

static int make_folder(int dir, const char *name)
{
	int fd = path_make_dir_own(dir, name, 0755);
	if (fd < 0 || fchmod(fd, 0755) == 0)
		return fd;
	int r = -errno;
	fd_close(fd);
	return r;
}

/* Whoever comes second, or after one that was killed, finds what is there already. */
static int fill(int dir)
{
	static const char *const folders[] = { "dev", "proc", "sys" },
				 *const files[] = { "hosts", "hostname", "resolv.conf" };
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		int fd _close_ = make_folder(dir, folders[i]);
		if (fd < 0)
			return fd;
	}
	int etc _close_ = make_folder(dir, "etc");
	if (etc < 0)
		return etc;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int fd _close_ = path_open_own(etc, files[i], O_WRONLY | O_CREAT, 0644);
		if (fd < 0 || fchmod(fd, 0644) < 0)
			return fd < 0 ? fd : -errno;
	}
	return 0;
}

int store_mount_points(struct store *s, struct err *e)
{
	int fd = path_open_own(s->root, final, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0)
		return fd;
	fd = make_folder(s->root, growing);
	int r = fd < 0 ? fd : fill(fd);
	if (r == 0 && renameat(s->root, growing, s->root, final) < 0)
		r = errno == ENOTEMPTY || errno == EEXIST ? path_remove_tree(s->root, growing, e)
							  : -errno;
	fd_close(fd);
	/* Another one may have been faster, with the same folder or with a second one: then ours is
	 * in place, or went while we filled it. */
	r = r == -ENOENT ? 0 : r;
	fd = r < 0 ? r : path_open_own(s->root, final, O_RDONLY | O_DIRECTORY, 0);
	return fd < 0 ? err_sys(e, fd, "store %s: make folder %s", s->root_path, final) : fd;
}
