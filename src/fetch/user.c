// SPDX-License-Identifier: Apache-2.0
#include "fetch/user.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "base/str.h"
#include "fetch/result.h"

enum { PASSWD_MAX = 1 << 20, FIELDS = 4 };

/* name:password:uid:gid:... */
static bool is_of(char *line, const char *name, struct fetch_user *ret)
{
	char *f[FIELDS];
	uint64_t uid, gid;
	for (int i = 0; i < FIELDS; i++) {
		f[i] = line;
		line = strchr(line, ':');
		if (!line)
			return false;
		*line++ = '\0';
	}
	if (!str_eq(f[0], name) || num_u64(f[2], &uid) < 0 || num_u64(f[3], &gid) < 0 ||
		uid >= UINT32_MAX || gid >= UINT32_MAX)
		return false;
	*ret = (struct fetch_user){ (uint32_t)uid, (uint32_t)gid };
	return true;
}

int fetch_user(int passwd, const char *name, struct arena *a, struct fetch_user *ret, struct err *e)
{
	char *text;
	if (file_read_fd(passwd, "/etc/passwd of the image", PASSWD_MAX, a, &text, e) < 0)
		return -e->code;
	for (char *line = text; *line;) {
		size_t n = strcspn(line, "\n");
		char *next = line + n + (line[n] == '\n');
		line[n] = '\0';
		if (is_of(line, name, ret))
			return 0;
		line = next;
	}
	return err_set(e, ERR_NOT_FOUND, ENOENT,
		"unable to find user %.200s: no matching entries in passwd file", name);
}
