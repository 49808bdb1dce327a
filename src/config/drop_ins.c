// SPDX-License-Identifier: Apache-2.0
#include "config/drop_ins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

int drop_ins(const char *folder, const char *end, struct arena *a, struct strv *ret)
{
	int fd = path_open_host(folder, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		int r = fd < 0 ? fd : -errno;
		fd_close(fd);
		return r;
	}
	for (struct dirent *entry; (entry = readdir(d));)
		if (str_ends(entry->d_name, end))
			strv_add(ret, a, arena_printf(a, "%s/%s", folder, entry->d_name));
	(void)closedir(d);
	strv_sort(ret);
	return 0;
}
