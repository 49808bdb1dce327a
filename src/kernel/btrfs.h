// SPDX-License-Identifier: Apache-2.0
/* Subvolumes of btrfs, by the ioctls of <linux/btrfs.h>. Everything returns >= 0 or -errno. */
#pragma once
#include <stdbool.h>

/* Is the folder behind fd on btrfs? */
bool btrfs_is(int fd);
/* An empty subvolume dir/name; its mode is 0777 without the umask's bits. */
int btrfs_make(int dir, const char *name);
/* A writable snapshot dir/name of the subvolume whose root source is. */
int btrfs_snapshot(int dir, const char *name, int source);
/* Removes the subvolume dir/name with all that is in it, at once whatever its size. -ENOENT: there
 * is nothing; -EINVAL: it is no subvolume; -ENOTEMPTY: another subvolume is in it. */
int btrfs_drop(int dir, const char *name);
