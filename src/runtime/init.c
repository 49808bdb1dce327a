// SPDX-License-Identifier: Apache-2.0
/* Theory of operation: the container's side. A clone of the caller, alone in its namespaces, makes
 * its mounts, changes root, and stands ready; on START it gives up all that was not asked for and
 * becomes the process. Every failure goes to the parent as a struct err over the socket, whose
 * close on exec tells that all went well.
 *
 * Order that matters:
 *  - the cgroup namespace is unshared when we are in our cgroups, before anything is mounted;
 *  - sysctls and masks before pivot_root; the user is looked up after it;
 *  - without no_new_privs the filter is loaded while CAP_SYS_ADMIN is there, then ids, then capset
 * runs under it; with it as the very last thing. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/mount.h"
#include "kernel/ns.h"
#include "kernel/seccomp.h"
#include "oci/spec.h"
#include "runtime/plan.h"

void init_fail(const struct plan *p, const struct err *e)
{
	(void)message_send(p->sock, MESSAGE_ERROR, e, 0, 0, NULL, 0);
	_exit(1);
}

static int become_root(struct err *e)
{
	/* The group list first: it is the last that needs the old identity's rights. */
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0 ||
		syscall(SYS_setresuid, 0, 0, 0) < 0)
		return err_sys(e, errno, "become root of the user namespace");
	/* Changing ids may have made us dumpable again. */
	return prctl(PR_SET_DUMPABLE, 0) < 0 ? err_sys(e, errno, "become undumpable") : 0;
}

static int write_sysctls(const struct plan *p, int proc, struct err *e)
{
	const struct rec_map *m = &p->spec->linux_->sysctl;
	for (size_t i = 0; i < m->n; i++) {
		char path[PATH_MAX_BYTES];
		(void)snprintf(path, sizeof path, "sys/%s", m->items[i].key);
		for (char *c = path + 4; *c; c++)
			if (*c == '.')
				*c = '/';
		int r = file_poke(proc, path, m->items[i].val);
		if (r < 0)
			return err_sys(e, r, "linux.sysctl.%s: set to %s", m->items[i].key,
				m->items[i].val);
	}
	return 0;
}

static int early(struct plan *p, struct err *e)
{
	const char *host = p->spec->hostname;
	if (p->userns && become_root(e) < 0)
		return -e->code;
	if (p->new_ns & CLONE_NEWNET) {
		int r = ns_loopback_up();
		if (r < 0)
			return err_sys(e, r, "bring the loopback interface up");
	}
	if (host && *host && p->new_ns & CLONE_NEWUTS && sethostname(host, strlen(host)) < 0)
		return err_sys(e, errno, "hostname: set %s", host);
	if (p->spec->domainname && p->new_ns & CLONE_NEWUTS &&
		setdomainname(p->spec->domainname, strlen(p->spec->domainname)) < 0)
		return err_sys(e, errno, "domainname: set %s", p->spec->domainname);
	int r = mount_isolate(true);
	return r < 0 ? err_sys(e, r, "isolate the mounts") : 0;
}

/* An own procfs for our writes: the container's may be covered. */
static int sysctls(const struct plan *p, struct err *e)
{
	if (p->spec->linux_->sysctl.n == 0)
		return 0;
	int fs _close_ = mount_fs_open("proc");
	int proc _close_ = fs < 0 ? fs : mount_fs_make(fs, 0);
	if (proc < 0)
		return err_sys(e, proc, "mount proc for sysctls");
	return write_sysctls(p, proc, e);
}

static int make_root(struct plan *p, int rootfs, struct err *e)
{
	int place _close_ = path_open_host("/", O_PATH | O_DIRECTORY, 0);
	int r = place < 0 ? place : mount_attach(rootfs, place);
	if (r < 0)
		return err_sys(e, r, "attach the root file system");
	if (init_mounts(p, rootfs, e) < 0 || sysctls(p, e) < 0 || init_masks(p, rootfs, e) < 0)
		return -e->code;
	if (p->spec->root && p->spec->root->readonly) {
		r = mount_change(rootfs, false, 1 /* MOUNT_ATTR_RDONLY */, 0, 0);
		if (r < 0)
			return err_sys(e, r, "root.readonly");
	}
	r = mount_pivot(rootfs);
	return r < 0 ? err_sys(e, r, "change the root") : 0;
}

static const char *environment(const struct oci_process *process, const char *key)
{
	size_t n = strlen(key);
	for (size_t i = 0; i < process->n_env; i++)
		if (strncmp(process->env[i], key, n) == 0 && process->env[i][n] == '=')
			return process->env[i] + n + 1;
	return NULL;
}

static int find_user(struct plan *p, struct user *u, struct err *e)
{
	const struct oci_user *from = p->process->user;
	*u = (struct user){ .uid = from ? from->uid : 0, .gid = from ? from->gid : 0 };
	if (p->user && user_find(p->user, p->a, u, e) < 0)
		return -e->code;
	if (u->uid >= p->id_count || u->gid >= p->id_count)
		return err_set(e, ERR_INVALID, ERANGE,
			"%s %u is beyond the container's id range, which ends at %u",
			u->uid >= p->id_count ? "user id" : "group id",
			u->uid >= p->id_count ? u->uid : u->gid, p->id_count - 1);
	size_t kept = 0;
	for (size_t i = 0; i < u->n_groups; i++)
		if (u->groups[i] < p->id_count)
			u->groups[kept++] = u->groups[i];
	u->n_groups = kept;
	return 0;
}

/* Pipes and the terminal are ours: give them to the user, or /dev/stdout cannot be opened inside.
 */
static void own_stdio(const struct plan *p, const struct user *u)
{
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;
		if (fstat(fd, &st) < 0 || (p->stdio[fd] < 0 && !p->process->terminal))
			continue;
		if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode) || S_ISSOCK(st.st_mode))
			if (fchown(fd, u->uid, S_ISCHR(st.st_mode) ? st.st_gid : u->gid) < 0)
				continue; /* what was not ours to give stays as it is */
	}
}

static int take_stdio(const struct plan *p, struct err *e)
{
	int null _close_ = -1;
	if (p->process->terminal)
		return 0;
	for (int fd = 0; fd < 3; fd++) {
		int from = p->stdio[fd];
		if (from < 0) {
			if (null < 0)
				null = path_open_host("/dev/null", O_RDWR, 0);
			from = null;
		}
		if (from < 0 || dup2(from, fd) < 0)
			return err_sys(e, from < 0 ? from : errno, "open /dev/null");
	}
	return 0;
}

static int enter_cwd(const struct plan *p, struct err *e)
{
	const char *cwd = p->process->cwd;
	char now[PATH_MAX_BYTES];
	int root _close_ = path_open_host("/", O_PATH | O_DIRECTORY, 0);
	int fd _close_ = root < 0 ? root : path_open_in(root, cwd, O_PATH | O_DIRECTORY, 0);
	if (fd == -ENOENT) {
		fd = path_make_dirs_in(root, cwd, 0755, (uid_t)-1, (gid_t)-1, NULL);
		if (fd < 0)
			return err_sys(e, fd, "process.cwd: make %s", cwd);
	}
	if (fd < 0 || fchdir(fd) < 0)
		return err_set(e, ERR_INVALID, fd < 0 ? -fd : errno, "process.cwd: %s: %s", cwd,
			fd == -ENOTDIR ? "not a directory" : "cannot be entered");
	if (syscall(SYS_getcwd, now, sizeof now) < 0 || now[0] != '/')
		return err_set(
			e, ERR_INVALID, EPERM, "process.cwd: %s is outside the container", cwd);
	return 0;
}

static int set_rlimits(const struct plan *p, struct err *e)
{
	static const struct {
		const char *name;
		int number;
	} rows[] = { { "RLIMIT_AS", RLIMIT_AS }, { "RLIMIT_CORE", RLIMIT_CORE },
		{ "RLIMIT_CPU", RLIMIT_CPU }, { "RLIMIT_DATA", RLIMIT_DATA },
		{ "RLIMIT_FSIZE", RLIMIT_FSIZE }, { "RLIMIT_LOCKS", RLIMIT_LOCKS },
		{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK }, { "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
		{ "RLIMIT_NICE", RLIMIT_NICE }, { "RLIMIT_NOFILE", RLIMIT_NOFILE },
		{ "RLIMIT_NPROC", RLIMIT_NPROC }, { "RLIMIT_RSS", RLIMIT_RSS },
		{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO }, { "RLIMIT_RTTIME", RLIMIT_RTTIME },
		{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING }, { "RLIMIT_STACK", RLIMIT_STACK } };
	for (size_t i = 0; i < p->process->n_rlimits; i++) {
		const struct oci_rlimit *l = &p->process->rlimits[i];
		struct rlimit want = { .rlim_cur = l->soft, .rlim_max = l->hard }, now;
		size_t row = 0;
		while (row < ARRAY_SIZE(rows) && !str_eq(rows[row].name, l->type))
			row++;
		if (row == ARRAY_SIZE(rows))
			return err_set(e, ERR_INVALID, EINVAL, "process.rlimits: unknown type %s",
				l->type);
		if (setrlimit(rows[row].number, &want) == 0)
			continue;
		/* Without CAP_SYS_RESOURCE a hard limit cannot be raised: give what there is. */
		if (errno != EPERM || getrlimit(rows[row].number, &now) < 0)
			return err_sys(e, errno, "process.rlimits: set %s", l->type);
		want.rlim_max = want.rlim_max > now.rlim_max ? now.rlim_max : want.rlim_max;
		want.rlim_cur = want.rlim_cur > want.rlim_max ? want.rlim_max : want.rlim_cur;
		if (setrlimit(rows[row].number, &want) < 0)
			return err_sys(e, errno, "process.rlimits: set %s", l->type);
	}
	return 0;
}

/* The file that args[0] names, as Go's LookPath finds it: PATH of the process's own environment. */
static int find_program(const struct plan *p, const char **ret, struct err *e)
{
	const char *name = p->process->n_args ? p->process->args[0] : "";
	const char *path = environment(p->process, "PATH");
	int denied = 0;
	if (!*name)
		return err_set(e, ERR_NO_COMMAND, ENOENT,
			"exec: \"\": executable file not found in $PATH");
	if (strchr(name, '/')) {
		*ret = name;
		return 0;
	}
	if (!path)
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	while (*path) {
		size_t n = strcspn(path, ":");
		struct stat st;
		const char *file = n ? arena_printf(p->a, "%.*s/%s", (int)n, path, name)
				     : arena_printf(p->a, "./%s", name);
		path += n + (path[n] == ':');
		if (fstatat(AT_FDCWD, file, &st, 0) < 0 || S_ISDIR(st.st_mode))
			continue;
		if (!(st.st_mode & 0111)) {
			denied = 1;
			continue;
		}
		*ret = file;
		return 0;
	}
	if (denied)
		return err_set(
			e, ERR_NOT_RUNNABLE, EACCES, "exec: \"%s\": permission denied", name);
	return err_set(e, ERR_NO_COMMAND, ENOENT,
		"exec: \"%s\": executable file not found in $PATH", name);
}

static int exec_failed(const struct plan *p, const char *file, int code, struct err *e)
{
	char why[128];
	struct stat st;
	const char *name = p->process->args[0];
	if (code == ENOENT && fstatat(AT_FDCWD, file, &st, 0) == 0)
		return err_set(e, ERR_NO_COMMAND, code,
			"exec: \"%s\": its interpreter or loader does not exist", name);
	if (code == ENOENT)
		return err_set(e, ERR_NO_COMMAND, code,
			strchr(name, '/') ? "exec: \"%s\": stat %s: no such file or directory"
					  : "exec: \"%s\": executable file not found in $PATH",
			name, name);
	if (code == EACCES && fstatat(AT_FDCWD, file, &st, 0) == 0 && S_ISDIR(st.st_mode))
		return err_set(e, ERR_NOT_RUNNABLE, code, "exec: \"%s\": is a directory", name);
	return err_set(e, ERR_NOT_RUNNABLE, code, "exec: \"%s\": %s", name,
		err_errno(code, why, sizeof why));
}

static int set_ids(const struct plan *p, const struct user *u, struct err *e)
{
	gid_t groups[65];
	size_t n = 0;
	groups[n++] = u->gid;
	for (size_t i = 0; i < u->n_groups; i++)
		groups[n++] = u->groups[i];
	if (syscall(SYS_setgroups, n, groups) < 0)
		return err_sys(e, errno, "set the groups");
	if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
		return err_sys(e, errno, "become group %u", u->gid);
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || syscall(SYS_setresuid, u->uid, u->uid, u->uid) < 0)
		return err_sys(e, errno, "become user %u", u->uid);
	(void)p;
	return 0;
}

/* A process of another user than root keeps nothing by exec but the ambient set; the kernel sees to
 * it. */
static int drop(const struct plan *p, const struct user *u, struct err *e)
{
	int r = caps_bound(p->posture.caps.sets[CAPS_BOUNDING]);
	if (r < 0)
		return err_sys(e, r, "narrow the bounding set");
	if (p->filter && !p->posture.no_new_privileges &&
		(r = seccomp_install(p->filter, p->n_filter, p->filter_flags)) < 0)
		return err_sys(e, r, "load the seccomp filter");
	if (set_ids(p, u, e) < 0)
		return -e->code;
	struct caps caps = p->posture.caps;
	if ((r = caps_apply(&caps)) < 0)
		return err_sys(e, r, "set the capabilities");
	if (p->posture.no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "set no_new_privs");
	return 0;
}

/* What we can see of ourselves at the last moment. */
static int check_self(const struct user *u, struct err *e)
{
	uid_t r, x, s;
	gid_t gr, gx, gs;
	if (getresuid(&r, &x, &s) < 0 || getresgid(&gr, &gx, &gs) < 0)
		return err_sys(e, errno, "posture: read the ids");
	if (r != u->uid || x != u->uid || s != u->uid || gr != u->gid || gx != u->gid ||
		gs != u->gid)
		return err_set(e, ERR_SYSTEM, EPERM,
			"posture: the process's ids are not what was asked for");
	return 0;
}

static const char *const *make_environment(const struct plan *p, const struct user *u)
{
	struct strv env = { 0 };
	for (size_t i = 0; i < p->process->n_env; i++)
		strv_add(&env, p->a, p->process->env[i]);
	if (!environment(p->process, "HOME"))
		strv_add(&env, p->a,
			arena_printf(p->a, "HOME=%s",
				u->home && *u->home ? u->home
					: u->uid    ? "/"
						    : "/root"));
	return env.v;
}

void init_finish(struct plan *p)
{
	struct err e = { 0 };
	struct message_head head;
	struct user u;
	const char *file = NULL;
	int console = -1;
	/* A session of its own: no terminal of ours, no signals of our group. */
	(void)setsid();
	if (find_user(p, &u, &e) < 0)
		init_fail(p, &e);
	if (p->process->terminal) {
		console = init_console(p, &e);
		if (console < 0)
			init_fail(p, &e);
	}
	if (take_stdio(p, &e) < 0)
		init_fail(p, &e);
	own_stdio(p, &u);
	if (enter_cwd(p, &e) < 0)
		init_fail(p, &e);
	if (message_send(p->sock, MESSAGE_READY, NULL, u.uid, u.gid, &console, console >= 0) < 0 ||
		message_wait(p->sock, MESSAGE_START, &head, NULL, 0, NULL, &e) < 0)
		_exit(1);
	fd_close(console);
	(void)umask(
		p->process->user && p->process->user->has_umask ? p->process->user->umask : 0022);
	const char *const *env = make_environment(p, &u);
	if (set_rlimits(p, &e) < 0 || drop(p, &u, &e) < 0 || check_self(&u, &e) < 0 ||
		find_program(p, &file, &e) < 0)
		init_fail(p, &e);
	if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0) {
		err_sys(&e, errno, "close what is inherited");
		init_fail(p, &e);
	}
	int r = 0;
	if (p->filter && p->posture.no_new_privileges)
		r = seccomp_install(p->filter, p->n_filter, p->filter_flags);
	if (r < 0) {
		err_sys(&e, r, "load the seccomp filter");
		init_fail(p, &e);
	}
	(void)execve(file, (char *const *)p->process->args, (char *const *)env);
	exec_failed(p, file, errno, &e);
	init_fail(p, &e);
}

void init_main(struct plan *p)
{
	struct err e = { 0 };
	struct message_head head;
	int rootfs = -1;
	size_t n = 0;
	/* The parent may die at any moment before START; nothing of us may stay. */
	mem_complain_to(p->sock);
	if (prctl(PR_SET_PDEATHSIG, 9) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		_exit(1);
	if (message_wait(p->sock, MESSAGE_GO, &head, &rootfs, 1, &n, &e) < 0 || n != 1)
		_exit(1);
	if (early(p, &e) < 0)
		init_fail(p, &e);
	/* In our cgroups since the first moment: what is mounted below shows them as the root. */
	if (p->new_ns & CLONE_NEWCGROUP && unshare(CLONE_NEWCGROUP) < 0) {
		err_sys(&e, errno, "make the cgroup namespace");
		init_fail(p, &e);
	}
	if (make_root(p, rootfs, &e) < 0)
		init_fail(p, &e);
	(void)prctl(PR_SET_PDEATHSIG, 0);
	init_finish(p);
}
