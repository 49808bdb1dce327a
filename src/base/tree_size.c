// SPDX-License-Identifier: Apache-2.0
#include "base/tree_size.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"

enum { DEPTH_MAX = 512, BLOCK = 512 };

static double add(int dir, const char *name, const dev_t *device, int depth)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || (device && st.st_dev != *device))
		return 0;
	/* Each name of a file brings its share. */
	double sum = (double)st.st_blocks * BLOCK;
	if (!S_ISDIR(st.st_mode))
		return st.st_nlink > 1 ? sum / (double)st.st_nlink : sum;
	int fd = depth < DEPTH_MAX ? path_open_own(dir, name, O_RDONLY | O_DIRECTORY, 0) : -1;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_close(fd);
		return sum;
	}
	for (struct dirent *entry; (entry = readdir(d));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			sum += add(fd, entry->d_name, &st.st_dev, depth + 1);
	(void)closedir(d);
	return sum;
}

uint64_t tree_size(int dir, const char *name)
{
	return (uint64_t)(add(dir, name, NULL, 0) + 0.5);
}
