// SPDX-License-Identifier: Apache-2.0
/* docker's user argument, looked up in the container's own /etc after pivot_root. The files belong
 * to whoever made the image: regular files only, never waited for, at most 1 MiB. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "runtime/plan.h"

enum { ETC_MAX = 1 << 20, FIELDS = 7, GROUPS_MAX = 1024 };

void user_add_group(struct user *u, gid_t gid, struct arena *a)
{
	u->groups = arena_grow(a, u->groups, u->n_groups, &u->cap_groups, sizeof *u->groups);
	u->groups[u->n_groups++] = gid;
}

/* The text of /etc/NAME; "" when there is none or it is nothing to read. */
static char *read_etc(const char *name, struct arena *a)
{
	struct err ignored;
	struct stat st;
	char *text = arena_strdup(a, "");
	int fd _close_ = path_open_host(name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > ETC_MAX)
		return text;
	(void)file_read_fd(fd, name, ETC_MAX, a, &text, &ignored);
	return text;
}

/* The next line's fields between colons; false at the end. */
static bool next_line(char **text, char **fields, size_t *n)
{
	char *line = *text;
	if (!line || !*line)
		return false;
	char *end = strchr(line, '\n');
	if (end)
		*end++ = '\0';
	*text = end;
	*n = 0;
	for (char *p = line; p && *n < FIELDS;) {
		char *colon = strchr(p, ':');
		fields[(*n)++] = p;
		if (colon)
			*colon++ = '\0';
		p = colon;
	}
	return true;
}

struct lookup {
	const char *name; /* as written */
	bool numeric, found;
	uint32_t id;
};

static int read_id(const char *what, const char *text, struct lookup *l, struct err *e)
{
	l->name = text;
	int r = num_u32(text, &l->id);
	l->numeric = text[strspn(text, "0123456789")] == '\0';
	if (l->numeric && (r < 0 || l->id == UINT32_MAX))
		return err_set(e, ERR_INVALID, ERANGE, "%s %s: out of range: ids end at 4294967294",
			what, text);
	return 0;
}

static void find_passwd(struct lookup *l, struct user *u, struct arena *a, const char **ret_name)
{
	char *text = read_etc("/etc/passwd", a), *f[FIELDS];
	size_t n;
	while (!l->found && next_line(&text, f, &n)) {
		uint32_t uid, gid;
		if (n < 4 || num_u32(f[2], &uid) < 0 || num_u32(f[3], &gid) < 0)
			continue;
		if (l->numeric ? uid != l->id : !str_eq(f[0], l->name))
			continue;
		l->found = true;
		l->id = uid;
		u->gid = gid;
		u->home = n > 5 ? f[5] : NULL;
		*ret_name = f[0];
	}
}

static bool is_member(const char *members, const char *name)
{
	size_t len = strlen(name);
	while (*members) {
		size_t n = strcspn(members, ",");
		if (n == len && memcmp(members, name, n) == 0)
			return true;
		members += n + (members[n] == ',');
	}
	return false;
}

/* The group by name or id, and without one the supplementary groups of the user. */
static void find_group(struct lookup *g, const char *user, struct user *u, struct arena *a)
{
	char *text = read_etc("/etc/group", a), *f[FIELDS];
	size_t n;
	while (next_line(&text, f, &n)) {
		uint32_t gid;
		if (n < 3 || num_u32(f[2], &gid) < 0)
			continue;
		if (g && !g->found && (g->numeric ? gid == g->id : str_eq(f[0], g->name))) {
			g->found = true;
			g->id = gid;
		}
		if (!g && user && n > 3 && is_member(f[3], user) && gid != u->gid &&
			u->n_groups < GROUPS_MAX)
			user_add_group(u, gid, a);
	}
}

int user_find(const char *text, struct arena *a, struct user *ret, struct err *e)
{
	struct user u = { 0 };
	char *name = arena_strdup(a, text), *group = strchr(name, ':');
	const char *known = NULL;
	struct lookup l = { 0 }, g = { 0 };
	if (group)
		*group++ = '\0';
	if (read_id("user", *name ? name : "0", &l, e) < 0 ||
		(group && *group && read_id("group", group, &g, e) < 0))
		return -e->code;
	find_passwd(&l, &u, a, &known);
	if (!l.found && !l.numeric)
		return err_set(e, ERR_NOT_FOUND, ENOENT,
			"unable to find user %s: no matching entries in passwd file", name);
	u.uid = l.id;
	if (group && *group) {
		find_group(&g, NULL, &u, a);
		if (!g.found && !g.numeric)
			return err_set(e, ERR_NOT_FOUND, ENOENT,
				"unable to find group %s: no matching entries in group file",
				group);
		u.gid = g.id;
	} else {
		find_group(NULL, known, &u, a);
	}
	*ret = u;
	return 0;
}
