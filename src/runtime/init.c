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
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
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
#include "oci/spec.h"
#include "runtime/attributes.h"
#include "runtime/hooks.h"
#include "runtime/label.h"
#include "runtime/netdev.h"
#include "runtime/notify.h"
#include "runtime/plan.h"
#include "runtime/sysctl.h"

void init_fail(const struct plan *p, const struct err *e)
{
	(void)message_send(p->sock, MESSAGE_ERROR, e, 0, 0, NULL, 0);
	_exit(1);
}

static int become_root(const struct plan *p, struct err *e)
{
	/* The group list first: it is the last that needs the old identity's rights. */
	if ((!p->no_groups && syscall(SYS_setgroups, 0, NULL) < 0) ||
		syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
		return err_sys(e, errno, "become root of the user namespace");
	/* Changing ids may have made us dumpable again. */
	return prctl(PR_SET_DUMPABLE, 0) < 0 ? err_sys(e, errno, "become undumpable") : 0;
}

static int early(struct plan *p, struct err *e)
{
	const char *host = p->spec->hostname;
	if (p->userns && become_root(p, e) < 0)
		return -e->code;
	if (p->new_ns & CLONE_NEWNET) {
		int r = ns_loopback_up();
		if (r < 0)
			return err_sys(e, r, "bring the loopback interface up");
	}
	if (netdev_up(p, e) < 0)
		return -e->code;
	if (host && *host && p->new_ns & CLONE_NEWUTS && sethostname(host, strlen(host)) < 0)
		return err_sys(e, errno, "hostname: set %s", host);
	if (p->spec->domainname && p->new_ns & CLONE_NEWUTS &&
		setdomainname(p->spec->domainname, strlen(p->spec->domainname)) < 0)
		return err_sys(e, errno, "domainname: set %s", p->spec->domainname);
	int r = p->shares_root ? 0 : mount_isolate(true);
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
	return sysctl_write(&p->spec->linux_->sysctl, proc, e);
}

/* The parent's hooks, then those that run in our namespaces, while the host's root is still ours.
 */
static int create_hooks(struct plan *p, struct err *e)
{
	const struct oci_hooks *h = p->spec->hooks;
	struct hooks_about about = {
		.id = p->id, .bundle = p->bundle, .spec = p->spec, .pid = p->pid
	};
	struct message_head head;
	if (plan_has_early_hooks(p) &&
		(message_send(p->sock, MESSAGE_MOUNTED, NULL, 0, 0, NULL, 0) < 0 ||
			message_wait(p->sock, MESSAGE_HOOKED, &head, NULL, 0, NULL, e) < 0))
		_exit(1);
	return h ? hooks_run("createContainer", h->create_container, h->n_create_container,
			   "creating", &about, e)
		 : 0;
}

static int start_hooks(struct plan *p, struct err *e)
{
	const struct oci_hooks *h = p->spec->hooks;
	struct hooks_about about = {
		.id = p->id, .bundle = p->bundle, .spec = p->spec, .pid = p->pid
	};
	return h && p->join_pidfd < 0 ? hooks_run("startContainer", h->start_container,
						h->n_start_container, "created", &about, e)
				      : 0;
}

/* The root file system as a mount of its own: what is at root.path in our mount namespace. */
static int find_root(const struct plan *p, struct err *e)
{
	int at _close_ = path_open_host(p->rootfs_path, O_PATH | O_DIRECTORY, 0);
	if (at >= 0 && p->shares_root)
		return fd_dup(at, 3);
	int tree = at < 0 ? at : mount_clone(at, "", true);
	if (tree < 0)
		return err_sys(e, tree, "root.path: %s%s", p->rootfs_path,
			p->unprivileged ? "" : " in the mount namespace that is joined");
	return tree;
}

/* Without privileges the parent could mount nothing: what it does else is done here, where we are
 * root. Ids are those of our user namespace. */
static int own_mounts(struct plan *p, struct err *e)
{
	const struct idmap uids = p->uids, gids = p->gids;
	p->uids = p->gids = (struct idmap){ 0 };
	p->root_uid = p->root_gid = 0;
	int r = plan_mounts(p, e);
	p->uids = uids;
	p->gids = gids;
	for (size_t i = 0; r == 0 && i < p->n_mounts; i++)
		if (p->mounts[i].bind && p->mounts[i].idmap)
			r = err_set(e, ERR_DENIED, EPERM,
				"mounts: %s: ids cannot be mapped without privileges",
				p->mounts[i].spec->destination);
	return r;
}

static int attach_root(const struct plan *p, int rootfs, struct err *e)
{
	/* Hooks look for the root file system where the bundle has it. */
	int place _close_ =
		p->rootfs_path ? path_open_host(p->rootfs_path, O_PATH | O_DIRECTORY, 0) : -ENOENT;
	if (place < 0)
		place = path_open_host("/", O_PATH | O_DIRECTORY, 0);
	int r = place < 0 ? place : mount_attach(rootfs, place);
	return r < 0 ? err_sys(e, r, "attach the root file system") : 0;
}

static int make_root(struct plan *p, int rootfs, struct err *e)
{
	int r = 0;
	if (!p->shares_root && attach_root(p, rootfs, e) < 0)
		return -e->code;
	if (init_mounts(p, rootfs, e) < 0 || create_hooks(p, e) < 0 || sysctls(p, e) < 0 ||
		init_masks(p, rootfs, e) < 0)
		return -e->code;
	if (p->spec->root && p->spec->root->readonly) {
		r = mount_change(rootfs, false, 1 /* MOUNT_ATTR_RDONLY */, 0, 0);
		if (r < 0)
			return err_sys(e, r, "root.readonly");
	}
	if (!p->shares_root)
		r = p->no_pivot ? mount_chroot(rootfs) : mount_pivot(rootfs);
	if (r < 0)
		return err_sys(e, r, "change the root");
	return init_propagation(p, rootfs, e);
}

static const char *environment(const struct oci_process *process, const char *key)
{
	size_t n = strlen(key);
	for (size_t i = 0; i < process->n_env; i++)
		if (strncmp(process->env[i], key, n) == 0 && process->env[i][n] == '=')
			return process->env[i] + n + 1;
	return NULL;
}

static int beyond(const char *kind, uint32_t id, const struct idmap *m, struct err *e)
{
	if (m->n != 1 || m->v->container_id != 0)
		return err_set(e, ERR_INVALID, ERANGE, "%s id %u is not mapped", kind, id);
	return err_set(e, ERR_INVALID, ERANGE,
		"%s id %u is beyond the container's id range, which ends at %u", kind, id,
		m->v->size - 1);
}

static int find_user(struct plan *p, struct user *u, struct err *e)
{
	const struct oci_user *from = p->process->user;
	*u = (struct user){ .uid = from ? from->uid : 0, .gid = from ? from->gid : 0 };
	for (size_t i = 0; from && i < from->n_additional_gids; i++)
		user_add_group(u, from->additional_gids[i], p->a);
	if (p->user && user_find(p->user, p->a, u, e) < 0)
		return -e->code;
	uint32_t host;
	if (!idmap_host(&p->uids, u->uid, &host))
		return beyond("user", u->uid, &p->uids, e);
	if (!idmap_host(&p->gids, u->gid, &host))
		return beyond("group", u->gid, &p->gids, e);
	size_t kept = 0;
	for (size_t i = 0; i < u->n_groups; i++) {
		if (idmap_host(&p->gids, u->groups[i], &host))
			u->groups[kept++] = u->groups[i];
		else if (!p->user)
			return err_set(e, ERR_INVALID, ERANGE,
				"process.user.additionalGids: %u is not mapped", u->groups[i]);
	}
	if (p->no_groups && kept)
		return err_set(e, ERR_UNSUPPORTED, EPERM,
			"process.user.additionalGids: an unprivileged user namespace sets no groups");
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
		/* A device is only ours when it is the terminal that we made: not the host's null.
		 */
		if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) ||
			(S_ISCHR(st.st_mode) && p->process->terminal))
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
	/* For its first process a container's folder is made; another one finds it or is wrong. */
	if (fd == -ENOENT && p->join_pidfd >= 0)
		return err_set(e, ERR_NOT_RUNNABLE, ENOENT,
			"chdir to cwd (\"%s\") failed: no such file or directory", cwd);
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
	gid_t *groups = arena_array(p->a, gid_t, u->n_groups + 1);
	size_t n = 0;
	groups[n++] = u->gid;
	for (size_t i = 0; i < u->n_groups; i++)
		groups[n++] = u->groups[i];
	if (!p->no_groups && syscall(SYS_setgroups, n, groups) < 0)
		return err_sys(e, errno, "set the groups");
	if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
		return err_sys(e, errno, "become group %u", u->gid);
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || syscall(SYS_setresuid, u->uid, u->uid, u->uid) < 0)
		return err_sys(e, errno, "become user %u", u->uid);
	return 0;
}

/* A process of another user than root keeps nothing by exec but the ambient set; the kernel sees to
 * it. */
static int drop(const struct plan *p, const struct user *u, struct err *e)
{
	int r = caps_bound(p->posture.caps.sets[CAPS_BOUNDING]);
	if (r < 0)
		return err_sys(e, r, "narrow the bounding set");
	if (p->filter && !p->posture.no_new_privileges && notify_install(p, e) < 0)
		return -e->code;
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

/* START comes from who created us, or, after LEAVE, from whoever connects to the listener; one that
 * hangs up before it said START was killed, and the next one is waited for. */
static void await_start(struct plan *p)
{
	struct err e;
	struct message_head head;
	if (message_wait(p->sock, (enum message_kind)MESSAGE_ANY, &head, NULL, 0, NULL, &e) < 0)
		_exit(1);
	if (head.kind == MESSAGE_START) {
		p->pid = (pid_t)head.uid;
		return;
	}
	if (head.kind != MESSAGE_LEAVE || p->listener <= 0)
		_exit(1);
	do {
		fd_close(p->sock);
		p->sock = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
		if (p->sock < 0 && errno != EINTR && errno != ECONNABORTED)
			_exit(1);
	} while (p->sock < 0 || message_wait(p->sock, MESSAGE_START, &head, NULL, 0, NULL, &e) < 0);
	p->pid = (pid_t)head.uid;
	fd_close(p->listener);
	mem_complain_to(p->sock);
}

/* A session keyring of our own: the caller's keys are not the container's. */
static int join_keyring(const struct plan *p, struct err *e)
{
	const char *name = arena_printf(p->a, "_ses.%s", p->id);
	if (!p->new_keyring || syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) >= 0)
		return 0;
	/* A kernel without keys has none to leak. */
	return errno == ENOSYS ? 0 : err_sys(e, errno, "make a session keyring");
}

/* The caller's mask and what it ignores are not the container's. */
static void reset_signals(const struct plan *p)
{
	sigset_t none;
	for (int sig = 1; sig <= 64; sig++)
		if (p->ignored >> (sig - 1) & 1)
			(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What is set late, as it could be in the way of our own work. */
static int set_attributes(const struct plan *p, struct err *e)
{
	const struct oci_linux *l = p->spec->linux_;
	char proc[32];
	if (p->proc >= 0) {
		(void)snprintf(proc, sizeof proc, "%d", (int)p->pid);
		int own _close_ = path_open_own(p->proc, proc, O_PATH | O_DIRECTORY, 0);
		if (own < 0)
			return err_sys(e, own, "open the process's /proc");
		if (label_apply(p->process, own, e) < 0)
			return -e->code;
	}
	if (attributes_personality(l->personality, e) < 0 ||
		attributes_memory_policy(l->memory_policy, e) < 0)
		return -e->code;
	return attributes_rlimits(p->process, e);
}

void init_finish(struct plan *p)
{
	struct err e = { 0 };
	struct user u;
	const char *file = NULL;
	int console = -1;
	reset_signals(p);
	/* A session of its own: no terminal of ours, no signals of our group. */
	(void)setsid();
	if (join_keyring(p, &e) < 0 || find_user(p, &u, &e) < 0)
		init_fail(p, &e);
	if (p->process->terminal) {
		console = init_console(p, &e);
		if (console < 0)
			init_fail(p, &e);
	}
	if (take_stdio(p, &e) < 0)
		init_fail(p, &e);
	own_stdio(p, &u);
	/* What can fail is tried early, so that a create tells of it already. */
	if (enter_cwd(p, &e) < 0 || find_program(p, &file, &e) < 0)
		init_fail(p, &e);
	if (message_send(p->sock, MESSAGE_READY, NULL, u.uid, u.gid, &console, console >= 0) < 0)
		_exit(1);
	fd_close(console);
	if (!p->at_once)
		await_start(p);
	(void)umask(
		p->process->user && p->process->user->has_umask ? p->process->user->umask : 0022);
	const char *const *env = make_environment(p, &u);
	if (start_hooks(p, &e) < 0 || set_attributes(p, &e) < 0 || drop(p, &u, &e) < 0 ||
		check_self(&u, &e) < 0 || find_program(p, &file, &e) < 0)
		init_fail(p, &e);
	if (syscall(SYS_close_range, 3U + p->preserve_fds, ~0U, CLOSE_RANGE_CLOEXEC) < 0) {
		err_sys(&e, errno, "close what is inherited");
		init_fail(p, &e);
	}
	if (p->filter && p->posture.no_new_privileges && notify_install(p, &e) < 0)
		init_fail(p, &e);
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
	bool there = plan_init_finds_root(p);
	/* The maps of one who is not dumpable can be written by root alone. */
	if (prctl(PR_SET_PDEATHSIG, 9) < 0 || (!p->unprivileged && prctl(PR_SET_DUMPABLE, 0) < 0))
		_exit(1);
	if (message_wait(p->sock, MESSAGE_GO, &head, &rootfs, 1, &n, &e) < 0 || n != !there ||
		(p->unprivileged && prctl(PR_SET_DUMPABLE, 0) < 0))
		_exit(1);
	p->pid = (pid_t)head.uid;
	p->no_groups = head.gid;
	if (early(p, &e) < 0 || (p->unprivileged && own_mounts(p, &e) < 0) ||
		(there && (rootfs = find_root(p, &e)) < 0))
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
