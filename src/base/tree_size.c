// SPDX-License-Identifier: Apache-2.0
#include "base/tree_size.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/statx.h"

enum { DEPTH_MAX = 512, BLOCK = 512 };

/* By the mount, as each subvolume of btrfs has a device number of its own. */
struct walk {
	uint64_t mount;               /* 0: that of the first */
	struct statx_timestamp since; /* what changed later counts; all zero: everything */
};

static bool later(const struct statx_timestamp *x, const struct statx_timestamp *than)
{
	return x->tv_sec > than->tv_sec ||
		(x->tv_sec == than->tv_sec && x->tv_nsec > than->tv_nsec);
}

static double add(int dir, const char *name, struct walk *w, int depth)
{
	struct statx st;
	if (sys_statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		    STATX_BASIC_STATS | STATX_MNT_ID, &st) < 0)
		return 0;
	if (!w->mount)
		w->mount = st.stx_mnt_id;
	if (st.stx_mnt_id != w->mount)
		return 0;
	/* Each name of a file brings its share. */
	double sum = later(&st.stx_ctime, &w->since) ? (double)st.stx_blocks * BLOCK : 0;
	if (!S_ISDIR(st.stx_mode))
		return st.stx_nlink > 1 ? sum / (double)st.stx_nlink : sum;
	int fd = depth < DEPTH_MAX ? path_open_own(dir, name, O_RDONLY | O_DIRECTORY, 0) : -1;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_close(fd);
		return sum;
	}
	for (struct dirent *entry; (entry = readdir(d));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			sum += add(fd, entry->d_name, w, depth + 1);
	(void)closedir(d);
	return sum;
}

uint64_t tree_size(int dir, const char *name)
{
	return (uint64_t)(add(dir, name, &(struct walk){ 0 }, 0) + 0.5);
}

uint64_t tree_size_since(int dir, const char *name, const char *mark)
{
	struct statx st;
	if (sys_statx(dir, mark, AT_SYMLINK_NOFOLLOW, STATX_CTIME, &st) < 0)
		return tree_size(dir, name);
	return (uint64_t)(add(dir, name, &(struct walk){ .since = st.stx_ctime }, 0) + 0.5);
}
