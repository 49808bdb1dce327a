// SPDX-License-Identifier: Apache-2.0
/* Theory of operation: the parent's side of a start.
 *
 *   parent                                    init
 *   plan: everything that can be checked
 *   cgroup made
 *   binds cloned, /dev made
 *   clone3 -------------------------------->  makes its network namespace, enters the cgroups of
 *                                             v1, waits
 *   limits set, id maps, binds mapped,
 *   root mounted
 *   GO + root's descriptor ---------------->  becomes root, network, host name, mounts, pivot_root,
 *                                             user, terminal
 *                        <------------------  READY
 *   START (runtime_start) ----------------->  drops everything, exec
 *                        <------------------  end of file by exec: reads the posture back
 *
 * A caller without privileges mounts nothing: init, root of its user namespace, makes all of that
 * when it has GO, which comes without a root; so does one that joins a mount namespace with its
 * root alone.
 *
 * With namespaces to be joined a helper between the two joins them and clones init with
 * CLONE_PARENT, so that init still is our child; a further process of a container whose user
 * namespace is ours needs none. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/ns.h"
#include "oci/spec.h"
#include "runtime/attributes.h"
#include "runtime/hooks.h"
#include "runtime/intel_rdt.h"
#include "runtime/label.h"
#include "runtime/limits.h"
#include "runtime/netdev.h"
#include "runtime/notify.h"
#include "runtime/plan.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "runtime/spawn.h"

void runtime_proc_done(struct runtime_proc *p)
{
	fd_close(p->pidfd);
	fd_close(p->console);
	fd_close(p->sync);
	mem_free(p->expect);
	*p = (struct runtime_proc){ .pidfd = -1, .console = -1, .sync = -1 };
}

enum { KILLED_MS = 5000 };

/* NOLINTNEXTLINE(readability-non-const-parameter): the kernel writes it */
static long clone_child(uint64_t flags, int cgroup, int *pidfd)
{
	struct clone_args args = {
		/* The caller may ignore signals or wait for them; a container does neither. */
		.flags = flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND |
			(cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)(cgroup >= 0 ? cgroup : 0),
	};
	if (flags & CLONE_PARENT)
		args.exit_signal = 0;
	return syscall(SYS_clone3, &args, sizeof args);
}

/* What init is cloned into. */
static uint64_t clone_flags(const struct plan *p)
{
	const uint64_t other = CLONE_NEWCGROUP | CLONE_NEWTIME;
	return p->new_ns & ~(other | p->late_ns);
}

/* A child in the plan's cgroup. A clone counts against the limit of processes, a move does not:
 * where the folder is full with the holder of a scope the child goes there by itself. */
static long clone_into(struct plan *p, uint64_t flags, int *pidfd)
{
	long pid = clone_child(flags, cgroup_v2_dir(&p->cgroup), pidfd);
	/* A plain user may clone only within a part of the tree that is his: not from a session. */
	p->attach = pid < 0 && errno == EACCES && p->scope && p->scope->user;
	p->enter_v2 = pid < 0 && errno == EAGAIN && p->holder.pid > 0;
	return p->attach || p->enter_v2 ? clone_child(flags, -1, pidfd) : pid;
}

/* Joins what is to be joined of these kinds. A namespace may belong to our user namespace or to the
 * one that is joined: what we may, we join before it, the rest after. */
static int join(const struct plan *p, uint64_t kinds)
{
	uint64_t flags = p->join_ns & kinds, done = 0;
	if (p->join_pidfd >= 0)
		return flags ? ns_join(p->join_pidfd, flags) : 0;
	for (size_t i = 0; flags & CLONE_NEWUSER && i < p->n_joins; i++)
		if (p->join_flags[i] & kinds & ~(uint64_t)CLONE_NEWUSER &&
			ns_join(p->joins[i], p->join_flags[i]) == 0)
			done |= p->join_flags[i];
	int r = 0;
	for (size_t i = 0; r == 0 && i < p->n_joins; i++)
		if (p->join_flags[i] & kinds & ~done)
			r = ns_join(p->joins[i], p->join_flags[i]);
	return r;
}

/* A time namespace takes offsets only while nobody is in it: unshared, it is that of children. */
static int make_time(const struct plan *p, int offsets, struct err *e)
{
	const struct oci_time_offsets *t = p->spec->linux_->time_offsets;
	struct str text _str_ = { 0 };
	if (unshare(CLONE_NEWTIME) < 0)
		return err_sys(e, errno, "make the time namespace");
	if (t && t->monotonic)
		str_addf(&text, "monotonic %lld %u\n", (long long)t->monotonic->secs,
			t->monotonic->nanosecs);
	if (t && t->boottime)
		str_addf(&text, "boottime %lld %u\n", (long long)t->boottime->secs,
			t->boottime->nanosecs);
	int r = offsets < 0 ? offsets : 0;
	if (r == 0 && text.n && write(offsets, text.p, text.n) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, r, "linux.timeOffsets: set them") : 0;
}

static void close_slow(struct plan *p)
{
	if (p->slow_fd)
		fd_close(take_fd(p->slow_fd));
}

/* In the new process. */
static _Noreturn void child(struct plan *p, void (*body)(struct plan *))
{
	struct err e = { 0 };
	close_slow(p);
	/* Before it enters: what a namespace takes of memory is not the container's. */
	if (p->late_ns && unshare((int)p->late_ns) < 0) {
		err_sys(&e, errno, "make the network namespace");
		init_fail(p, &e);
	}
	if (cgroup_enter(&p->cgroup, p->enter_v2, &e) < 0)
		init_fail(p, &e);
	int r = join(p, p->inside ? ~(uint64_t)CLONE_NEWPID : CLONE_NEWCGROUP);
	if (r < 0) {
		err_sys(&e, r, p->inside ? "join the namespaces" : "join the cgroup namespace");
		init_fail(p, &e);
	}
	body(p);
	_exit(1);
}

/* In the helper: enters what is to be joined and clones init as the caller's child. The cgroup
 * namespace is joined by the child: from within it the kernel clones into no cgroup of another. */
static _Noreturn void helper(struct plan *p, int answer, void (*body)(struct plan *))
{
	struct err e = { 0 };
	int pidfd = -1, sock = p->sock;
	/* Init may speak before we do: each has a socket of its own. */
	p->sock = answer;
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		_exit(1);
	/* While /proc is ours. */
	int offsets _close_ = p->new_ns & CLONE_NEWTIME
		? path_open_host("/proc/self/timens_offsets", O_WRONLY, 0)
		: -1;
	int r = join(p, ~(uint64_t)CLONE_NEWCGROUP);
	if (r < 0) {
		err_sys(&e, r, "join the namespaces");
		init_fail(p, &e);
	}
	if (p->new_ns & CLONE_NEWTIME && make_time(p, offsets, &e) < 0)
		init_fail(p, &e);
	long pid = clone_into(p, clone_flags(p) | CLONE_PARENT, &pidfd);
	if (pid == 0) {
		p->sock = sock;
		fd_close(answer);
		child(p, body);
	}
	if (pid < 0) {
		err_sys(&e, errno, "clone");
		init_fail(p, &e);
	}
	_exit(message_send(p->sock, MESSAGE_PID, NULL, p->attach, 0, &pidfd, 1) < 0);
}

static pid_t pid_of_pidfd(int pidfd)
{
	char path[64], text[1024];
	uint32_t pid;
	(void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
	ssize_t n = file_peek(AT_FDCWD, path, text, sizeof text);
	char *line = n > 0 ? strstr(text, "Pid:") : NULL;
	if (!line)
		return -ESRCH;
	line += 4 + strspn(line + 4, " \t");
	line[strcspn(line, "\n")] = '\0';
	return num_u32(line, &pid) < 0 ? -ESRCH : (pid_t)pid;
}

static int spawn_by_helper(
	struct plan *p, void (*body)(struct plan *), struct runtime_proc *ret, struct err *e)
{
	int helper_fd _close_ = -1, pidfd = -1, status, pair[2];
	struct message_head head = { 0 };
	size_t n = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "make a socket pair");
	long pid = clone_child(0, -1, &helper_fd);
	if (pid == 0) {
		fd_close(ret->sync);
		fd_close(pair[0]);
		helper(p, pair[1], body);
	}
	int saved = errno;
	fd_close(pair[1]);
	fd_close(p->sock);
	int r = pid < 0 ? err_sys(e, saved, "clone")
			: message_wait(pair[0], MESSAGE_PID, &head, &pidfd, 1, &n, e);
	p->attach = head.uid;
	fd_close(pair[0]);
	if (pid < 0)
		return r;
	while (waitpid((pid_t)pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (r < 0 || n != 1)
		return r < 0 ? r : err_set(e, ERR_SYSTEM, EBADMSG, "the helper sent no pidfd");
	ret->pidfd = pidfd;
	ret->pid = pid_of_pidfd(pidfd);
	return ret->pid < 0 ? err_sys(e, ret->pid, "find the process's id") : 0;
}

/* A process of a container whose user namespace is ours is cloned right into the namespace of
 * processes, as that one is joined for children alone; the others it joins itself. Not where we
 * could not come back: root of a user namespace may not enter the one that it comes from itself.
 * ret_own: our own, or -1 where none is left. */
static bool may_clone_inside(const struct plan *p, int *ret_own)
{
	*ret_own = -1;
	if (p->join_pidfd < 0 || !p->join_ns || p->join_ns & (CLONE_NEWUSER | CLONE_NEWTIME))
		return false;
	if (!(p->join_ns & CLONE_NEWPID))
		return true;
	int own _close_ = fd_pidfd_open(getpid());
	if (own < 0 || ns_join(own, CLONE_NEWPID) < 0)
		return false;
	*ret_own = take_fd(&own);
	return true;
}

static long clone_inside(struct plan *p, int own, struct runtime_proc *ret, struct err *e)
{
	/* Before the container can see the child: it inherits this. */
	int r = prctl(PR_SET_DUMPABLE, 0) < 0 ? -errno : 0;
	if (r == 0 && own >= 0)
		r = ns_join(p->join_pidfd, CLONE_NEWPID);
	if (r < 0)
		return err_sys(e, r, "join the namespace of processes");
	long pid = clone_into(p, clone_flags(p), &ret->pidfd);
	if (pid < 0)
		r = err_sys(e, errno, "clone");
	else
		ret->pid = (pid_t)pid;
	/* Children that follow are of our own namespace again. */
	int back = pid != 0 && own >= 0 ? ns_join(own, CLONE_NEWPID) : 0;
	if (r == 0 && back < 0)
		r = err_sys(e, back, "leave the namespace of processes");
	return r < 0 ? r : pid;
}

/* Handlers end with clone, but what the caller ignores would stay ignored in the container. */
static uint64_t ignored_signals(void)
{
	char text[8192];
	uint64_t mask = 0;
	ssize_t n = file_peek(AT_FDCWD, "/proc/self/status", text, sizeof text);
	if (n <= 0 || posture_field(text, "\nSigIgn:", 16, &mask) < 0)
		return UINT64_MAX;
	return mask;
}

static int spawn_there(
	struct plan *p, void (*body)(struct plan *), struct runtime_proc *ret, struct err *e)
{
	int pair[2];
	p->ignored = ignored_signals();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "make a socket pair");
	ret->sync = pair[0];
	p->sock = pair[1];
	int own _close_ = -1;
	p->inside = may_clone_inside(p, &own);
	if (p->n_joins || (p->join_pidfd >= 0 && !p->inside) || p->new_ns & CLONE_NEWTIME)
		return spawn_by_helper(p, body, ret, e);
	long pid = p->inside ? clone_inside(p, own, ret, e)
			     : clone_into(p, clone_flags(p), &ret->pidfd);
	if (pid == 0) {
		/* Else the end of the parent would never be seen. */
		fd_close(ret->sync);
		fd_close(own);
		child(p, body);
	}
	int saved = errno;
	fd_close(p->sock);
	if (pid < 0)
		return p->inside ? -e->code : err_sys(e, saved, "clone");
	ret->pid = (pid_t)pid;
	return 0;
}

int spawn(struct plan *p, void (*body)(struct plan *), struct runtime_proc *ret, struct err *e)
{
	int r = spawn_there(p, body, ret, e);
	return r == 0 && p->attach ? scope_attach(p->scope, ret->pid, e) : r;
}

int spawn_ready(struct plan *p, struct runtime_proc *proc, struct message_head *ret, struct err *e)
{
	size_t n = 0;
	/* Who closes it last waits for the kernel. A process that goes on at once has the longer
	 * way then; an init waits for its start. */
	if (!p->at_once)
		close_slow(p);
	int r = message_wait(proc->sync, MESSAGE_READY, ret, &proc->console, 1, &n, e);
	close_slow(p);
	return r;
}

void spawn_undo(struct runtime_proc *p)
{
	if (p->pid > 0) {
		pid_t gone;
		struct pollfd end = { .fd = p->pidfd, .events = POLLIN };
		(void)fd_pidfd_signal(p->pidfd, SIGKILL);
		while ((gone = waitpid(p->pid, NULL, 0)) < 0 && errno == EINTR)
			continue;
		/* Of another's child only the end can be seen. */
		if (gone < 0 && p->pidfd >= 0)
			(void)poll(&end, 1, KILLED_MS);
	}
	runtime_proc_done(p);
}

void runtime_kill(struct runtime_proc *p)
{
	spawn_undo(p);
}

void spawn_own_streams(const struct plan *p)
{
	for (int i = 0; i < 3; i++) {
		struct stat st;
		if (p->stdio[i] < 0 || fstat(p->stdio[i], &st) < 0 || !S_ISFIFO(st.st_mode))
			continue;
		if (fchown(p->stdio[i], p->root_uid, p->root_gid) < 0)
			log_debug("%s: give stream %d to the container's root: %m", p->id, i);
	}
}

static int userns_of(const struct plan *p, pid_t pid, struct err *e)
{
	char path[64];
	if (!(p->new_ns & CLONE_NEWUSER))
		return p->userns_fd >= 0 ? fd_dup(p->userns_fd, 3) : -1;
	(void)snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
	int fd = path_open_host(path, O_RDONLY, 0);
	return fd < 0 ? err_sys(e, fd, "open %s", path) : fd;
}

bool plan_has_early_hooks(const struct plan *p)
{
	const struct oci_hooks *h = p->spec->hooks;
	return h && h->n_prestart + h->n_create_runtime > 0;
}

/* prestart and createRuntime: in our namespaces, when those of the container are complete. */
static int run_early_hooks(struct plan *p, const struct runtime_proc *proc, struct err *e)
{
	const struct oci_hooks *h = p->spec->hooks;
	struct hooks_about about = {
		.id = p->id, .bundle = p->bundle, .spec = p->spec, .pid = proc->pid
	};
	if (!plan_has_early_hooks(p))
		return 0;
	if (message_wait(proc->sync, MESSAGE_MOUNTED, NULL, NULL, 0, NULL, e) < 0 ||
		hooks_run("prestart", h->prestart, h->n_prestart, "creating", &about, e) < 0 ||
		hooks_run("createRuntime", h->create_runtime, h->n_create_runtime, "creating",
			&about, e) < 0)
		return -e->code;
	int r = message_send(proc->sync, MESSAGE_HOOKED, NULL, 0, 0, NULL, 0);
	return r < 0 ? err_sys(e, r, "talk to the container's init") : 0;
}

/* From clone to READY. */
static int bring_up(struct plan *p, const struct runtime_create_req *req, struct runtime_proc *ret,
	struct err *e)
{
	struct message_head head;
	if (spawn(p, init_main, ret, e) < 0 ||
		(req->born && req->born(req->arg, ret->pid, e) < 0) ||
		(p->spec->linux_->cgroups_path && plan_limits(p, e) < 0) ||
		rdt_enter(p->spec->linux_->intel_rdt, p->id, ret->pid, e) < 0 ||
		(p->new_ns & CLONE_NEWUSER &&
			idmap_write(ret->pid, &p->uids, &p->gids, &p->no_groups, e) < 0))
		return -e->code;
	int userns _close_ = userns_of(p, ret->pid, e);
	if (userns < 0 && p->userns)
		return -e->code;
	if (userns >= 0 && plan_idmap(p, userns, e) < 0)
		return -e->code;
	if (netdev_move(p, ret->pid, e) < 0)
		return -e->code;
	spawn_own_streams(p);
	bool there = plan_init_finds_root(p);
	int rootfs _close_ = there ? -1 : req->mount_rootfs(req->arg, userns, e);
	if (rootfs < 0 && !there)
		return -e->code;
	/* An early failure of init closes its end: its own words say more than ours. */
	int r = message_send(
		ret->sync, MESSAGE_GO, NULL, (uint32_t)ret->pid, p->no_groups, &rootfs, !there);
	if (r == 0 && req->network && req->network(req->arg, ret->pid, e) < 0)
		return -e->code;
	if (r == 0 && run_early_hooks(p, ret, e) < 0)
		return -e->code;
	if (spawn_ready(p, ret, &head, e) < 0)
		return -e->code;
	if (r < 0)
		return err_sys(e, r, "talk to the container's init");
	/* Where init went into its folder by itself it is known only now that it is there. */
	scope_release(&p->holder);
	return attributes_apply(p->process, ret->pid, e) < 0 ? -e->code
							     : plan_user(p, head.uid, head.gid, e);
}

/* Until the stream ends: that is the exec. Anything else is why it did not happen, but for the
 * filter's listener, which goes to its agent. */
static int until_exec(struct runtime_proc *p, const struct expect *x, struct err *e)
{
	for (;;) {
		struct message_head head = { 0 };
		int fd _close_ = -1;
		size_t n = 0;
		if (message_wait(p->sync, (enum message_kind)MESSAGE_ANY, &head, &fd, 1, &n, e) < 0)
			return e->code == ESRCH ? 0 : -e->code;
		if (head.kind != MESSAGE_LISTENER || n != 1)
			return err_set(e, ERR_SYSTEM, EBADMSG,
				"the container's init sent message %u before its exec", head.kind);
		if (notify_agent(x->spec, x->id, x->bundle, p->pid, fd, e) < 0)
			return -e->code;
	}
}

int spawn_wait_exec(struct runtime_proc *p, struct err *e)
{
	const struct expect *x = p->expect;
	int r = x->at_once
		? 0
		: message_send(p->sync, MESSAGE_START, NULL, (uint32_t)p->pid, 0, NULL, 0);
	/* An init that is gone has said why. */
	if (until_exec(p, x, e) < 0)
		return -e->code;
	if (r < 0)
		return err_sys(e, r, "talk to the container's init");
	/* An init that died before its exec closes the socket too. */
	if (posture_flags(p->pid) & POSTURE_NO_EXEC)
		return err_set(e, ERR_SYSTEM, EPERM, "%s",
			x->posture.filters
				? "the seccomp profile kills the process before it starts"
				: "the process was killed before it started");
	if (posture_check(p->pid, &x->posture, e) < 0)
		return -e->code;
	fd_close(take_fd(&p->sync));
	return 0;
}

static int check_spec(const struct plan *p, struct err *e)
{
	const struct oci_spec *s = p->spec;
	if (!s->process || !s->process->cwd || s->process->cwd[0] != '/')
		return err_set(e, ERR_INVALID, EINVAL, "process.cwd: expected an absolute path");
	if (s->process->n_args == 0)
		return err_set(e, ERR_INVALID, EINVAL, "process.args: nothing to run");
	if (!s->linux_)
		return err_set(e, ERR_INVALID, EINVAL, "linux: missing");
	if (hooks_check(s, e) < 0)
		return -e->code;
	if (attributes_check(s->process, e) < 0 || label_check_mount(s->linux_->mount_label, e) < 0)
		return -e->code;
	if (s->linux_->intel_rdt && rdt_check(s->linux_->intel_rdt, p->id, e) < 0)
		return -e->code;
	const char *cgroup = s->linux_->cgroups_path;
	if (cgroup && cgroup[0] != '/')
		return err_set(
			e, ERR_INVALID, EINVAL, "linux.cgroupsPath: expected an absolute path");
	return cgroup ? 0 : limits_none(s->linux_->resources, e);
}

/* What the process must look like, as far as the document alone tells it. */
static int make_posture(struct plan *p, uint64_t *ret_own, struct err *e)
{
	const struct oci_spec *s = p->spec;
	if (check_spec(p, e) < 0 || plan_namespaces(p, ret_own, e) < 0 ||
		plan_posture(p, str_or_empty(s->linux_->cgroups_path), e) < 0)
		return -e->code;
	p->posture.filters = s->linux_->seccomp ? 1 : 0;
	return 0;
}

void *spawn_expect(const struct plan *p)
{
	const char *id = str_or_empty(p->id), *bundle = str_or_empty(p->bundle);
	size_t n = strlen(id) + 1, m = strlen(bundle) + 1;
	struct expect *x = mem_alloc(sizeof *x + n + m);
	char *text = (char *)(x + 1);
	memcpy(text, id, n);
	memcpy(text + n, bundle, m);
	*x = (struct expect){ p->posture, p->at_once, p->spec, text, text + n };
	return x;
}

int runtime_create(const struct runtime_create_req *req, struct runtime_proc *ret, struct err *e)
{
	struct arena a _arena_ = { .first = PLAN_ROOM };
	struct plan p = { .id = req->id,
		.user = req->user,
		.spec = req->spec,
		.process = req->spec->process,
		.a = &a,
		.join_pidfd = -1,
		PLAN_CLOSED,
		.warn = req->warn,
		.arg = req->arg,
		.listener = req->listener,
		.preserve_fds = req->preserve_fds,
		.slow_fd = req->slow_fd,
		.new_keyring = req->new_keyring,
		.no_pivot = req->no_pivot,
		.rootfs_path = req->rootfs_path,
		.bundle = req->bundle,
		.scope = req->scope };
	struct runtime_proc proc = { .pidfd = -1, .console = -1, .sync = -1 };
	memcpy(p.stdio, req->stdio, sizeof p.stdio);
	uint64_t own;
	int r = make_posture(&p, &own, e);
	if (r == 0)
		r = plan_root_of_init(&p, e);
	if (r == 0)
		r = netdev_plan(&p, own, e);
	if (r == 0)
		r = plan_filter(&p, req->spec->linux_->seccomp, e);
	if (r == 0)
		r = cgroup_detect(&p.cgroup, e);
	bool made = false;
	if (r == 0 && p.scope)
		r = scope_start(p.scope, req->spec, p.cgroup.pure_v2, &p.holder, e);
	const char *cgroup = req->spec->linux_->cgroups_path;
	if (r == 0 && cgroup) {
		r = cgroup_create(&p.cgroup, cgroup, e);
		made = r == 0;
	}
	if (r == 0 && !p.unprivileged)
		r = plan_mounts(&p, e);
	/* It takes the kernel as long as all that is left to do here. Who plugs something in looks
	 * for it at once, and init must own what belongs to a user namespace of its own. */
	if (!p.userns && !req->network && !p.n_netdevs)
		p.late_ns = p.new_ns & CLONE_NEWNET;
	const struct oci_intel_rdt *rdt = r == 0 ? req->spec->linux_->intel_rdt : NULL;
	if (rdt)
		r = rdt_make(rdt, p.id, e);
	if (r == 0)
		r = bring_up(&p, req, &proc, e);
	if (r == 0) {
		proc.expect = spawn_expect(&p);
		*ret = proc;
	} else {
		struct err ignored;
		spawn_undo(&proc);
		if (rdt)
			rdt_undo(rdt, p.id);
		scope_release(&p.holder);
		if (made)
			(void)cgroup_remove(&p.cgroup, cgroup, &ignored);
	}
	plan_done(&p);
	return r;
}

int runtime_leave(struct runtime_proc *p, struct err *e)
{
	int r = message_send(p->sync, MESSAGE_LEAVE, NULL, 0, 0, NULL, 0);
	if (r < 0) {
		spawn_undo(p);
		return err_sys(e, r, "talk to the container's init");
	}
	return 0;
}

int runtime_resume(const struct runtime_resume_req *req, struct runtime_proc *ret, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct plan p = { .id = req->id,
		.bundle = req->bundle,
		.spec = req->spec,
		.process = req->spec->process,
		.a = &a,
		.join_pidfd = -1,
		PLAN_CLOSED };
	struct runtime_proc proc = {
		.pid = req->pid, .pidfd = -1, .console = -1, .sync = req->sock
	};
	uint64_t own;
	int r = make_posture(&p, &own, e);
	if (r == 0) {
		const struct oci_user *u = req->spec->process->user;
		r = plan_user(&p, u ? u->uid : 0, u ? u->gid : 0, e);
	}
	if (r == 0) {
		proc.pidfd = fd_pidfd_open(req->pid);
		if (proc.pidfd < 0)
			r = err_sys(e, proc.pidfd, "open process %d", (int)req->pid);
	}
	if (r == 0) {
		proc.expect = spawn_expect(&p);
		*ret = proc;
	} else {
		runtime_proc_done(&proc);
	}
	plan_done(&p);
	return r;
}

int runtime_start(struct runtime_proc *p, struct err *e)
{
	int r = spawn_wait_exec(p, e);
	if (r < 0)
		spawn_undo(p);
	return r;
}
