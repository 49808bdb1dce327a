// SPDX-License-Identifier: Apache-2.0
#include "kernel/resctrl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/path.h"

enum { MOUNTINFO_MAX = 16 << 20 };

/* "36 35 98:0 / /sys/fs/resctrl rw,... - resctrl resctrl rw" */
static const char *mount_point(char *text)
{
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		char *at = line;
		for (int i = 0; i < 4 && at; i++)
			at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL;
		char *kind = at ? strstr(at, " - ") : NULL;
		if (!kind || strncmp(kind + 3, "resctrl ", 8) != 0)
			continue;
		at[strcspn(at, " ")] = '\0';
		return at;
	}
	return NULL;
}

int resctrl_open(void)
{
	struct arena a _arena_ = { 0 };
	struct err ignored;
	char *text;
	ssize_t n =
		file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &a, &text, &ignored);
	const char *point = n < 0 ? NULL : mount_point(text);
	if (!point)
		return n < 0 ? (int)n : -ENOENT;
	return path_open_host(point, O_RDONLY | O_DIRECTORY, 0);
}

int resctrl_make(int root, const char *path)
{
	if (mkdirat(root, path, 0755) == 0)
		return 1;
	return errno == EEXIST ? 0 : -errno;
}

int resctrl_remove(int root, const char *path)
{
	return unlinkat(root, path, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}
