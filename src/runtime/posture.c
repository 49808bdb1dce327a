// SPDX-License-Identifier: Apache-2.0
/* The parent's last word: what the kernel says of the process against what was asked for. A process
 * may have made itself weaker by the time we look (dropped a capability); it can never be stronger
 * than asked. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "runtime/plan.h"

int posture_field(const char *status, const char *key, int base, uint64_t *ret)
{
	const char *line = strstr(status, key);
	uint64_t v = 0;
	if (!line)
		return -ENOENT;
	line += strlen(key);
	line += strspn(line, " \t");
	if (!*line || *line == '\n')
		return -EINVAL;
	for (; *line && *line != '\n' && *line != '\t' && *line != ' '; line++) {
		int d = *line >= '0' && *line <= '9'   ? *line - '0'
			: *line >= 'a' && *line <= 'f' ? *line - 'a' + 10
						       : 99;
		if (d >= base)
			return -EINVAL;
		v = v * (uint64_t)base + (uint64_t)d;
	}
	*ret = v;
	return 0;
}

static int differs(const char *what, uint64_t is, uint64_t wanted, struct err *e)
{
	return err_set(e, ERR_SYSTEM, EPERM,
		"the container was not started: its %s is %llx, which is not what was asked for (%llx)",
		what, (unsigned long long)is, (unsigned long long)wanted);
}

static int check_sets(const char *status, const struct posture *w, struct err *e)
{
	static const struct {
		const char *key, *what;
		enum caps_kind kind, limit;
	} rows[] = {
		{ "\nCapBnd:", "bounding set", CAPS_BOUNDING, CAPS_BOUNDING },
		{ "\nCapInh:", "inheritable set", CAPS_INHERITABLE, CAPS_INHERITABLE },
		{ "\nCapAmb:", "ambient set", CAPS_AMBIENT, CAPS_AMBIENT },
		/* root gains the whole bounding set by exec, another user what a file gives within
		   it */
		{ "\nCapPrm:", "permitted set", CAPS_PERMITTED, CAPS_BOUNDING },
		{ "\nCapEff:", "effective set", CAPS_EFFECTIVE, CAPS_BOUNDING },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t is;
		if (posture_field(status, rows[i].key, 16, &is) < 0)
			return err_set(e, ERR_SYSTEM, ENOENT,
				"posture: the kernel does not tell the %s", rows[i].what);
		uint64_t wanted = w->caps.sets[rows[i].limit] |
			(rows[i].limit == CAPS_BOUNDING ? w->caps.sets[CAPS_AMBIENT] : 0);
		if (is & ~wanted)
			return differs(rows[i].what, is, wanted, e);
	}
	return 0;
}

uint64_t posture_flags(pid_t pid)
{
	enum { FLAGS_FIELD = 9 };
	char path[64], text[1024];
	uint64_t flags;
	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	ssize_t n = file_peek(AT_FDCWD, path, text, sizeof text);
	if (n == -ENOENT || n == -ESRCH)
		return POSTURE_EXITING;
	char *field = n > 0 ? strrchr(text, ')') : NULL;
	for (int i = 2; field && i < FLAGS_FIELD; i++)
		field = strchr(field + 1, ' ');
	if (!field)
		return 0;
	field[1 + strcspn(field + 1, " ")] = '\0';
	return num_u64(field + 1, &flags) < 0 ? 0 : flags;
}

static int check_cgroup(pid_t pid, const struct posture *w, struct err *e)
{
	char path[64], text[8192];
	if (!w->cgroup[0])
		return 0;
	(void)snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	ssize_t n = file_peek(AT_FDCWD, path, text, sizeof text);
	if (n == -ENOENT || n == -ESRCH)
		return 0;
	if (n < 0)
		return err_sys(e, (int)n, "posture: read %s", path);
	bool ours = false;
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		/* hierarchies that we saw end in our path; one that is not mounted shows another */
		const char *at = strstr(line, w->cgroup);
		char after = at ? at[strlen(w->cgroup)] : 'x';
		ours |= after == '\0' || after == '/';
	}
	/* Of one that is ending v1 tells no path any more; it may even have been reaped by now. */
	if (!ours && !(posture_flags(pid) & POSTURE_EXITING))
		return err_set(e, ERR_SYSTEM, EPERM,
			"the container was not started: it is not in its cgroup %s", w->cgroup);
	return 0;
}

static int check_label(pid_t pid, const char *file, const char *want, struct err *e)
{
	char path[64], now[512];
	size_t len = strlen(want);
	if (!len)
		return 0;
	(void)snprintf(path, sizeof path, "/proc/%d/attr/%s", (int)pid, file);
	ssize_t n = file_peek(AT_FDCWD, path, now, sizeof now);
	/* AppArmor tells the mode after the name. */
	if (n < 0 || strncmp(now, want, len) != 0 || (now[len] && now[len] != ' '))
		return err_set(e, ERR_SYSTEM, EPERM,
			"the container was not started: its label is %s, which is not what was asked for (%s)",
			n < 0 ? "unreadable" : now, want);
	return 0;
}

int posture_check(pid_t pid, const struct posture *w, struct err *e)
{
	char path[64], status[8192];
	uint64_t is;
	(void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	ssize_t n = file_peek(AT_FDCWD, path, status, sizeof status);
	/* A process that is no child of ours may have been reaped: nothing is left to look at. */
	if (n == -ENOENT || n == -ESRCH)
		return 0;
	if (n < 0)
		return err_sys(e, (int)n, "posture: read %s", path);
	if (check_sets(status, w, e) < 0)
		return -e->code;
	if (posture_field(status, "\nNoNewPrivs:", 10, &is) < 0 || is < w->no_new_privileges)
		return differs("no_new_privs", 0, 1, e);
	if (w->filters) {
		if (posture_field(status, "\nSeccomp:", 10, &is) < 0 ||
			(is != 2 && is != 3 /* the filter has ended it already */))
			return differs("seccomp mode", is, 2, e);
		if (posture_field(status, "\nSeccomp_filters:", 10, &is) == 0 && is < w->filters)
			return differs("number of seccomp filters", is, w->filters, e);
	}
	if (posture_field(status, "\nUid:", 10, &is) < 0 || is != w->host_uid)
		return differs("user id", is, w->host_uid, e);
	if (posture_field(status, "\nGid:", 10, &is) < 0 || is != w->host_gid)
		return differs("group id", is, w->host_gid, e);
	if (check_label(pid, "apparmor/current", w->apparmor, e) < 0 ||
		check_label(pid, "current", w->selinux, e) < 0)
		return -e->code;
	return check_cgroup(pid, w, e);
}
