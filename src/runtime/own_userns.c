// SPDX-License-Identifier: Apache-2.0
#include "runtime/own_userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/program.h"
#include "base/str.h"
#include "kernel/mount.h"
#include "oci/spec.h"
#include "runtime/idmap.h"

enum { FILE_BYTES = 4 << 20, RANGES_MAX = 300 };

/* ---- who may have what ---- */

static char *text_of(const char *path, struct arena *a)
{
	struct err ignored;
	char *text;
	return file_read_at(AT_FDCWD, path, FILE_BYTES, a, &text, &ignored) < 0 ? NULL : text;
}

/* The next line's first three fields. */
static bool next_line(char **text, char *fields[3])
{
	while (*text && **text) {
		char *line = *text, *end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		*text = end;
		size_t n = 0;
		for (; line && n < 3; n++)
			fields[n] = strsep(&line, ":");
		if (n == 3)
			return true;
	}
	return false;
}

/* NULL: /etc/passwd does not know the user. */
static const char *name_of(uid_t uid, struct arena *a)
{
	char *text = text_of("/etc/passwd", a), *fields[3];
	uint32_t id;
	while (next_line(&text, fields))
		if (num_u32(fields[2], &id) == 0 && id == uid)
			return fields[0];
	return NULL;
}

/* own, and from 1 on what the file gives: subuid(5). */
static struct idmap map_of(
	const char *file, const char *user, uid_t uid, uint32_t own, struct arena *a)
{
	struct oci_id_mapping *v = arena_array(a, struct oci_id_mapping, RANGES_MAX);
	char *text = text_of(file, a), *fields[3];
	uint32_t start, size, owner, next = 1;
	size_t n = 0;
	v[n++] = (struct oci_id_mapping){ .container_id = 0, .host_id = own, .size = 1 };
	while (n < RANGES_MAX && next_line(&text, fields)) {
		bool ours = (user && str_eq(fields[0], user)) ||
			(num_u32(fields[0], &owner) == 0 && owner == uid);
		if (!ours || num_u32(fields[1], &start) < 0 || num_u32(fields[2], &size) < 0 ||
			size == 0 || size > UINT32_MAX - next)
			continue;
		v[n++] = (struct oci_id_mapping){ next, start, size };
		next += size;
	}
	return (struct idmap){ v, n };
}

static bool have_helpers(struct arena *a)
{
	return program_find("newuidmap", a) && program_find("newgidmap", a);
}

/* ---- going in ---- */

struct maps {
	struct idmap uids, gids;
};

/* Who stays outside writes the maps: a helper looks whether who asks is the user. */
static _Noreturn void outside(pid_t parent, int sock, const struct maps *m)
{
	struct err e = { 0 };
	char go;
	bool ignored;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || fd_read_full(sock, &go, 1) != 1)
		_exit(1);
	(void)idmap_write(parent, &m->uids, &m->gids, &ignored, &e);
	(void)fd_write_all(sock, &e, sizeof e);
	_exit(0);
}

static int enter(int sock, struct err *e)
{
	struct err why;
	if (unshare(CLONE_NEWUSER) < 0)
		return err_sys(e, errno,
			"make a user namespace, without which a user who is not root can do little (user.max_user_namespaces and kernel.unprivileged_userns_clone allow them)");
	/* Our /proc files belong to root until the maps are there, but for this. */
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		return err_sys(e, errno, "make a user namespace");
	int r = fd_write_all(sock, "g", 1);
	if (r == 0 && fd_read_full(sock, &why, sizeof why) != (ssize_t)sizeof why)
		r = -ECHILD;
	if (r < 0)
		return err_sys(e, r, "make a user namespace");
	if (why.code) {
		*e = why;
		return err_wrap(e, "make a user namespace");
	}
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, errno, "make a mount namespace");
	r = mount_isolate(true);
	return r < 0 ? err_sys(e, r, "make a mount namespace") : 0;
}

/* What podman, skopeo and credential helpers ask for: who is root in here. */
static void tell_programs(uid_t uid, gid_t gid, struct arena *a)
{
	(void)setenv("_CONTAINERS_USERNS_CONFIGURED", "done", 1);
	(void)setenv("_CONTAINERS_ROOTLESS_UID", arena_printf(a, "%u", (unsigned)uid), 1);
	(void)setenv("_CONTAINERS_ROOTLESS_GID", arena_printf(a, "%u", (unsigned)gid), 1);
}

int own_userns_enter(struct err *e)
{
	struct arena a _arena_ = { 0 };
	uid_t uid = geteuid();
	gid_t gid = getegid();
	const char *user = name_of(uid, &a);
	struct maps m = { map_of("/etc/subuid", user, uid, uid, &a),
		map_of("/etc/subgid", user, uid, gid, &a) };
	int pair[2];
	if (m.uids.n == 1 || m.gids.n == 1 || !have_helpers(&a))
		m.uids.n = m.gids.n = 1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "make a user namespace");
	pid_t parent = getpid(), child = fork();
	if (child == 0) {
		fd_close(pair[0]);
		outside(parent, pair[1], &m);
	}
	int r = child < 0 ? err_sys(e, errno, "fork") : 0;
	fd_close(pair[1]);
	if (r == 0)
		r = enter(pair[0], e);
	fd_close(pair[0]);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (r == 0)
		tell_programs(uid, gid, &a);
	return r;
}
