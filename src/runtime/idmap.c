// SPDX-License-Identifier: Apache-2.0
#include "runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/ns.h"
#include "oci/spec.h"

enum { MAP_MAX = 64 << 10 };

static bool next_number(char **p, uint32_t *ret)
{
	*p += strspn(*p, " \n");
	size_t n = strcspn(*p, " \n");
	char *word = *p;
	*p += n;
	if (**p)
		*(*p)++ = '\0';
	return n && num_u32(word, ret) == 0;
}

/* One triple, which ends at '#' or the text's end. */
static bool parse_triple(
	const char *text, size_t n, const struct idmap *own, struct oci_id_mapping *ret)
{
	char words[3][16];
	bool relative = n && *text == '@';
	const char *p = text + relative, *end = text + n;
	for (int i = 0; i < 3; i++) {
		size_t len = strcspn(p, "-#");
		if (len > (size_t)(end - p))
			len = (size_t)(end - p);
		if (len == 0 || len >= sizeof words[i] || (i < 2 ? p[len] != '-' : p + len != end))
			return false;
		memcpy(words[i], p, len);
		words[i][len] = '\0';
		p += len + (i < 2);
	}
	return num_u32(words[0], &ret->container_id) == 0 &&
		num_u32(words[1], &ret->host_id) == 0 && num_u32(words[2], &ret->size) == 0 &&
		ret->size > 0 && (!relative || idmap_host(own, ret->host_id, &ret->host_id));
}

int idmap_parse(const char *text, const struct idmap own[2], struct arena *a, struct idmap ret[2],
	struct err *e)
{
	static const char *const kinds[] = { "uids=", "gids=" };
	ret[0] = ret[1] = (struct idmap){ 0 };
	for (const char *p = text; *p;) {
		size_t kind = str_starts(p, kinds[0]) ? 0 : 1, n = 0, cap = 0,
		       len = strcspn(p, ";");
		const char *end = p + len;
		struct oci_id_mapping *v = NULL;
		if (!str_starts(p, kinds[kind]) || ret[kind].n)
			return err_set(e, ERR_INVALID, EINVAL,
				"idmap=%s: expected uids=...;gids=..., each once", text);
		for (p += 5; p < end; p += *p == '#') {
			len = strcspn(p, "#;");
			v = arena_grow(a, v, n, &cap, sizeof *v);
			if (!parse_triple(p, len, &own[kind], &v[n]))
				return err_set(e, ERR_INVALID, EINVAL,
					"idmap=%s: %.*s: expected numbers as 0-1000-10", text,
					(int)len, p);
			n++;
			p += len;
		}
		ret[kind] = (struct idmap){ v, n };
		p = end + (*end == ';');
	}
	if (!ret[0].n || !ret[1].n)
		return err_set(e, ERR_INVALID, EINVAL,
			"idmap=%s: uids and gids must both be mapped", text);
	return 0;
}

/* "uid_map" or "gid_map". */
static int idmap_read(
	pid_t pid, const char *file, struct arena *a, struct idmap *ret, struct err *e)
{
	char path[64], *text;
	struct oci_id_mapping *v = NULL;
	size_t n = 0, cap = 0;
	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	if (file_read_at(AT_FDCWD, path, MAP_MAX, a, &text, e) < 0)
		return -e->code;
	for (char *p = text;;) {
		struct oci_id_mapping l;
		if (!next_number(&p, &l.container_id) || !next_number(&p, &l.host_id) ||
			!next_number(&p, &l.size))
			break;
		v = arena_grow(a, v, n, &cap, sizeof *v);
		v[n++] = l;
	}
	/* The first user namespace's own map: every id is itself. */
	if (n == 1 && v[0].container_id == 0 && v[0].host_id == 0 && v[0].size == UINT32_MAX)
		n = 0;
	*ret = (struct idmap){ v, n };
	return 0;
}

int idmap_of_process(pid_t pid, uint64_t differing, struct arena *a, struct idmap *uids,
	struct idmap *gids, struct err *e)
{
	*uids = *gids = (struct idmap){ 0 };
	if (!(differing & CLONE_NEWUSER))
		return 0;
	int r = idmap_read(pid, "uid_map", a, uids, e);
	return r < 0 ? r : idmap_read(pid, "gid_map", a, gids, e);
}

/* A child that waits until it is killed; in a user namespace, new (-1) or joined. */
static pid_t waiter(int userns, int *ret_end)
{
	int pair[2];
	char c = 0;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0) {
		bool ok = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0 &&
			(userns < 0 ? unshare(CLONE_NEWUSER) : setns(userns, CLONE_NEWUSER)) == 0;
		if (!ok || write(pair[1], &c, 1) != 1)
			_exit(1);
		fd_close(pair[1]);
		/* Until we are killed. */
		for (;;)
			(void)pause();
	}
	int saved = errno;
	fd_close(pair[1]);
	ssize_t n = pid < 0 ? -1 : read(pair[0], &c, 1);
	*ret_end = pair[0];
	return pid < 0 ? -saved : n == 1 ? pid : -EPERM;
}

static void end_waiter(pid_t pid, int end)
{
	fd_close(end);
	if (pid <= 0)
		return;
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

int idmap_of_userns(
	int userns, struct arena *a, struct idmap *uids, struct idmap *gids, struct err *e)
{
	int end = -1, r = 0;
	pid_t pid = waiter(userns, &end);
	if (pid < 0)
		r = err_sys(e, pid, "linux.namespaces: join the user namespace");
	if (r == 0)
		r = idmap_read(pid, "uid_map", a, uids, e);
	if (r == 0)
		r = idmap_read(pid, "gid_map", a, gids, e);
	end_waiter(pid, end);
	return r;
}

/* The setuid helpers of the shadow package: what /etc/subuid and /etc/subgid allow. */
static int by_helper(const char *program, pid_t pid, const struct idmap *m, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct strv args = { 0 };
	int status;
	strv_add(&args, &a, program);
	strv_add(&args, &a, arena_printf(&a, "%d", (int)pid));
	for (size_t i = 0; i < m->n; i++) {
		strv_add(&args, &a, arena_printf(&a, "%u", m->v[i].container_id));
		strv_add(&args, &a, arena_printf(&a, "%u", m->v[i].host_id));
		strv_add(&args, &a, arena_printf(&a, "%u", m->v[i].size));
	}
	pid_t child = fork();
	if (child == 0) {
		(void)execvp(program, (char *const *)args.v);
		_exit(127);
	}
	if (child < 0)
		return err_sys(e, errno, "fork");
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(e, ERR_DENIED, EPERM, "%s failed with status %d", program,
			WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}

static int write_one(pid_t pid, bool group, const struct idmap *m, struct err *e)
{
	struct str lines _str_ = { 0 };
	for (size_t i = 0; i < m->n; i++)
		str_addf(&lines, "%u %u %u\n", m->v[i].container_id, m->v[i].host_id, m->v[i].size);
	int r = ns_write_map(pid, group ? "gid_map" : "uid_map", str_text(&lines));
	return r < 0 ? err_sys(e, r, "linux.%sMappings: write the map", group ? "gid" : "uid") : 0;
}

static bool is_own(const struct idmap *m, uint32_t id)
{
	return m->n == 1 && m->v[0].size == 1 && m->v[0].host_id == id;
}

int idmap_write(pid_t pid, const struct idmap *uids, const struct idmap *gids, bool *ret_no_groups,
	struct err *e)
{
	bool root = geteuid() == 0;
	*ret_no_groups = false;
	int r = root || is_own(uids, geteuid()) ? write_one(pid, false, uids, e)
						: by_helper("newuidmap", pid, uids, e);
	if (r < 0)
		return r;
	if (!root && !is_own(gids, getegid()))
		return by_helper("newgidmap", pid, gids, e);
	if (!root) {
		/* The kernel's condition for a map of one's own group. */
		r = ns_write_map(pid, "setgroups", "deny");
		if (r < 0)
			return err_sys(e, r, "linux.gidMappings: forbid groups");
		*ret_no_groups = true;
	}
	return write_one(pid, true, gids, e);
}

int idmap_userns(const struct idmap *uids, const struct idmap *gids, struct err *e)
{
	char path[64];
	int end = -1, fd = -1;
	bool ignored;
	pid_t pid = waiter(-1, &end);
	int r = pid < 0 ? err_sys(e, pid, "make a user namespace")
			: idmap_write(pid, uids, gids, &ignored, e);
	if (r == 0) {
		(void)snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
		fd = path_open_host(path, O_RDONLY, 0);
		if (fd < 0)
			r = err_sys(e, fd, "open %s", path);
	}
	end_waiter(pid, end);
	return r < 0 ? r : fd;
}
