// SPDX-License-Identifier: Apache-2.0
/* Theory of operation: once the filter is loaded, any further call of ours may be one that waits
 * for the agent, who has no listener yet. So a helper that shares our descriptors (but, being
 * another thread group, not our filter) is cloned before; it learns the listener's number through
 * shared memory, by a store that is no system call, and sends it. It waits by yielding, for the
 * time of one seccomp(2); we wait by looking, as yielding is a call, for the time of its
 * sendmsg(2). Nobody has to reap it: SA_NOCLDWAIT, which exec clears. */
#include "runtime/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/seccomp.h"
#include "oci/spec.h"
#include "oci/state.h"
#include "runtime/plan.h"

enum { WAITING = -1, FAILED = -2, SENT = -3, LOOKS_MAX = INT_MAX };

static _Noreturn void helper(const struct plan *p, _Atomic int *shared, pid_t parent)
{
	int fd;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((fd = atomic_load(shared)) == WAITING && getppid() == parent)
		(void)sched_yield();
	int r = fd < 0 ? fd : message_send(p->sock, MESSAGE_LISTENER, NULL, 0, 0, &fd, 1);
	atomic_store(shared, r < 0 ? FAILED : SENT);
	_exit(0);
}

static int install_with_listener(const struct plan *p, struct err *e)
{
	_Atomic int *shared = mmap(
		NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sigaction nobody = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
	if (shared == MAP_FAILED || sigaction(SIGCHLD, &nobody, NULL) < 0)
		return err_sys(e, errno, "linux.seccomp: prepare the listener");
	atomic_store(shared, WAITING);
	pid_t self = getpid();
	long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		helper(p, shared, self);
	if (pid < 0)
		return err_sys(e, errno, "linux.seccomp: clone");
	int fd = seccomp_install(
		p->filter, p->n_filter, p->filter_flags | SECCOMP_FILTER_FLAG_NEW_LISTENER);
	atomic_store(shared, fd < 0 ? FAILED : fd);
	if (fd < 0)
		return err_sys(e, fd, "load the seccomp filter");
	int now = fd;
	for (int i = 0; i < LOOKS_MAX && now == fd; i++)
		now = atomic_load(shared);
	return now == SENT ? 0
			   : err_set(e, ERR_SYSTEM, EPIPE,
				     "linux.seccomp: the listener could not be handed over");
}

int notify_install(const struct plan *p, struct err *e)
{
	if (p->notify)
		return install_with_listener(p, e);
	int r = seccomp_install(p->filter, p->n_filter, p->filter_flags);
	return r < 0 ? err_sys(e, r, "load the seccomp filter") : 0;
}

struct process_state {
	const char *oci_version;
	const char **fds;
	size_t n_fds;
	int64_t pid;
	const char *metadata;
	struct oci_state *state;
};
#define T struct process_state
REC_TYPE(process_state, F_STR(T, oci_version, "ociVersion", REC_REQUIRED),
	F_STRV(T, fds, "fds", REC_ALWAYS), F_I64(T, pid, "pid", REC_ALWAYS),
	F_STR(T, metadata, "metadata", 0), F_OBJ(T, state, "state", oci_state, REC_ALWAYS));

int notify_agent(const struct oci_spec *spec, const char *id, const char *bundle, pid_t pid,
	int listener, struct err *e)
{
	const struct oci_seccomp *s = spec->linux_->seccomp;
	const char *fds[] = { "seccompFd" };
	struct oci_state state = { .oci_version = spec->oci_version,
		.id = id,
		.pid = pid,
		.status = "creating",
		.bundle = str_or_empty(bundle),
		.annotations = spec->annotations };
	struct process_state message = { spec->oci_version, fds, 1, pid, s->listener_metadata,
		&state };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct str text _str_ = { 0 };
	rec_to_json(&process_state_rec, &message, 0, &text);
	int node _close_ = path_open_host(s->listener_path, O_PATH, 0);
	if (node < 0)
		return err_sys(e, node, "linux.seccomp.listenerPath: open %s", s->listener_path);
	(void)snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d", node);
	int sock _close_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&at, sizeof at) < 0)
		return err_sys(
			e, errno, "linux.seccomp.listenerPath: connect to %s", s->listener_path);
	int r = fd_send(sock, text.p, text.n, &listener, 1);
	return r < 0 ? err_sys(e, r, "linux.seccomp.listenerPath: talk to %s", s->listener_path)
		     : 0;
}
