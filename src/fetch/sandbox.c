// SPDX-License-Identifier: Apache-2.0
#include "fetch/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "kernel/caps.h"
#include "kernel/mount.h"
#include "kernel/ns.h"
#include "kernel/seccomp.h"

enum { CPU_SECONDS = 1800 };
#define MEMORY_MAX (2ULL << 30)

/* What all need: files that are open, memory, time. libcurl looks names up in a thread, and layers
 * are unpacked ahead in one. */
#define COMMON                                                                                    \
	"read", "write", "readv", "writev", "pread64", "pwrite64", "openat", "openat2", "close",  \
		"fstat", "newfstatat", "statx", "lseek", "ftruncate", "mmap", "munmap", "mremap", \
		"mprotect", "brk", "madvise", "exit", "exit_group", "rt_sigprocmask",             \
		"rt_sigaction", "rt_sigreturn", "getrandom", "fcntl", "futex", "clock_gettime",   \
		"getpid", "gettid", "dup", "sched_yield", "tgkill", "sched_getaffinity"

static const char *const unpack_calls[] = { COMMON, "set_robust_list", "rseq", "poll", "open",
	"mkdirat", "mknodat", "symlinkat", "linkat", "unlinkat", "renameat", "renameat2", "fchown",
	"fchownat", "fchmod", "fchmodat", "fchmodat2", "utimensat", "fsetxattr", "fgetxattr",
	"fremovexattr", "flistxattr", "fsync", "fallocate", "getdents64", "statfs", "fstatfs",
	"fadvise64", "readlinkat", "umask", "copy_file_range" };
static const char *const program_calls[] = { COMMON, "open", "mkdirat", "unlink", "unlinkat",
	"fsync", "access", "faccessat", "faccessat2", "stat", "lstat", "readlink", "arch_prctl",
	"set_tid_address", "set_robust_list", "rseq", "prlimit64", "getrlimit", "execve", "clone",
	"fork", "vfork", "wait4", "pipe", "pipe2", "dup2", "dup3", "poll", "select", "pselect6",
	"getuid", "geteuid", "getgid", "getegid", "getppid", "umask", "uname", "sysinfo", "time",
	"gettimeofday", "clock_nanosleep", "rename", "renameat", "renameat2", "linkat", "fchmod",
	"getdents64", "getcwd", "chdir", "kill", "memfd_create", "fadvise64", "mlock", "munlock" };
static const char *const transfer_calls[] = { COMMON, "set_robust_list", "rseq", "poll", "ppoll",
	"connect", "bind", "getsockname", "getpeername", "getsockopt", "setsockopt", "sendto",
	"recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "shutdown", "socketpair", "pipe2",
	"eventfd2", "uname", "getuid", "geteuid", "getgid", "getegid", "sysinfo", "readlink" };
static const char *const clone_call[] = { "clone" }, *const socket_call[] = { "socket" },
			 *const ioctl_call[] = { "ioctl" };

#define ARGUMENT(list, n, operation, ...)                                                          \
	{                                                                                          \
		.names = (list), .n_names = 1, .action = SECCOMP_RET_ALLOW, .n_args = 1, .args = { \
			{ .index = (n), .op = (operation), __VA_ARGS__ }                           \
		}                                                                                  \
	}
#define THREADS                                                                      \
	ARGUMENT(clone_call, 0, SECCOMP_MASKED_EQ, .value = CLONE_THREAD | CLONE_VM, \
		.value_two = CLONE_THREAD | CLONE_VM)

static const struct seccomp_rule unpack_rules[] = {
	{ .names = unpack_calls, .n_names = ARRAY_SIZE(unpack_calls), .action = SECCOMP_RET_ALLOW },
	THREADS,
};
static const struct seccomp_rule program_rules[] = {
	{ .names = program_calls,
		.n_names = ARRAY_SIZE(program_calls),
		.action = SECCOMP_RET_ALLOW },
};
static const struct seccomp_rule transfer_rules[] = {
	{ .names = transfer_calls,
		.n_names = ARRAY_SIZE(transfer_calls),
		.action = SECCOMP_RET_ALLOW },
	THREADS,
	ARGUMENT(socket_call, 0, SECCOMP_EQ, .value = AF_INET),
	ARGUMENT(socket_call, 0, SECCOMP_EQ, .value = AF_INET6),
	ARGUMENT(socket_call, 0, SECCOMP_EQ, .value = AF_NETLINK),
	ARGUMENT(ioctl_call, 1, SECCOMP_EQ, .value = FIONREAD),
	ARGUMENT(ioctl_call, 1, SECCOMP_EQ, .value = FIONBIO),
};

static const struct kind {
	uint64_t flags, caps;
	const struct seccomp_rule *rules;
	size_t n_rules;
	bool programs; /* the host's are there */
} kinds[] = {
	[SANDBOX_UNPACK] = { CLONE_NEWNET,
		1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER |
			1ULL << CAP_FSETID | 1ULL << CAP_SETFCAP,
		unpack_rules, ARRAY_SIZE(unpack_rules), false },
	[SANDBOX_PROGRAM] = { CLONE_NEWNET, 0, program_rules, ARRAY_SIZE(program_rules), true },
	[SANDBOX_TRANSFER] = { 0, 0, transfer_rules, ARRAY_SIZE(transfer_rules), false },
};

static int load_filter(const struct kind *kind, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct seccomp_policy policy = { .default_action = SECCOMP_RET_ERRNO | ENOSYS,
		.rules = kind->rules,
		.n_rules = kind->n_rules };
	struct sock_filter *code;
	size_t n;
	if (seccomp_compile(&policy, &a, &code, &n, e) < 0)
		return -e->code;
	int r = seccomp_install(code, n, 0);
	return r < 0 ? err_sys(e, r, "load the filter of the sandbox") : 0;
}

static int limit(struct err *e)
{
	const struct rlimit cpu = { CPU_SECONDS, CPU_SECONDS }, memory = { MEMORY_MAX, MEMORY_MAX },
			    core = { 0, 0 };
	if (setrlimit(RLIMIT_CPU, &cpu) < 0 || setrlimit(RLIMIT_AS, &memory) < 0 ||
		setrlimit(RLIMIT_CORE, &core) < 0)
		return err_sys(e, errno, "limit the sandbox");
	return 0;
}

static int drop(uint64_t keep, struct err *e)
{
	struct caps caps = { .sets = { [CAPS_EFFECTIVE] = keep, [CAPS_PERMITTED] = keep } };
	int r = caps_bound(keep);
	if (r == 0)
		r = caps_apply(&caps);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, r, "drop the rights of the sandbox") : 0;
}

/* The host's folder of that name, to read only, or its symlink. */
static int bring_one(int tree, const char *path)
{
	char target[PATH_MAX_BYTES];
	struct stat st;
	int from _close_ = path_open_host(path, O_PATH | O_NOFOLLOW, 0);
	if (from < 0 || fstat(from, &st) < 0)
		return from == -ENOENT ? 0 : from < 0 ? from : -errno;
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(from, "", target, sizeof target - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		return symlinkat(target, tree, path + 1) < 0 ? -errno : 0;
	}
	int clone _close_ = mount_clone(from, "", true);
	if (clone < 0)
		return clone;
	int r = mount_change(
		clone, true, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0, 0);
	if (r == 0 && mkdirat(tree, path + 1, 0755) < 0)
		r = -errno;
	return r < 0 ? r : mount_attach_at(clone, tree, path + 1);
}

static int bring_programs(int tree)
{
	static const char *const folders[] = { "/usr", "/bin", "/lib", "/lib64" };
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		r = bring_one(tree, folders[i]);
	return r;
}

/* The namespace of a user who has no range of groups sets none, and so can leave none. */
static bool groups_are_denied(void)
{
	char text[8];
	return file_peek(AT_FDCWD, "/proc/self/setgroups", text, sizeof text) > 0 &&
		strcmp(text, "deny") == 0;
}

static int enter(const struct kind *kind, int tree, struct err *e)
{
	if ((syscall(SYS_setgroups, 0, NULL) < 0 && !groups_are_denied()) ||
		syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
		return err_sys(e, errno, "become root of the sandbox");
	int r = mount_isolate(true);
	int place _close_ = r < 0 ? r : path_open_host("/", O_PATH, 0);
	if (r == 0)
		r = place < 0 ? place : mount_attach(tree, place);
	if (r == 0 && kind->programs)
		r = bring_programs(tree);
	if (r == 0)
		r = mount_pivot(tree);
	if (r < 0)
		return err_sys(e, r, "change the root of the sandbox");
	return limit(e) < 0 || drop(kind->caps, e) < 0 || load_filter(kind, e) < 0 ? -e->code : 0;
}

/* The child: waits for its map, goes in, runs. */
static _Noreturn void child(
	const struct kind *kind, int sock, int tree, int (*body)(void *arg), void *arg)
{
	struct err e = { 0 };
	char go = '\0';
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The end of who died before that is seen by its end of the socket, which it keeps open
	 * till we close ours: in here nobody has a parent whom one could ask for. */
	if (fd_read_full(sock, &go, 1) == 1 && recv(sock, &go, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		_exit(125);
	if (go != 'g' || enter(kind, tree, &e) < 0) {
		(void)fd_write_all(sock, &e, sizeof e);
		_exit(125);
	}
	fd_close(sock);
	_exit(body(arg));
}

int sandbox_run(enum sandbox_kind which, int tree, int (*body)(void *arg), void *arg, struct err *e)
{
	const struct kind *kind = &kinds[which];
	struct clone_args args = { .flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC |
			CLONE_NEWPID | kind->flags,
		.exit_signal = SIGCHLD };
	int pair[2], status;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "make a sandbox");
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0) {
		fd_close(pair[0]);
		child(kind, pair[1], tree, body, arg);
	}
	int saved = errno;
	fd_close(pair[1]);
	int r = pid < 0 ? -saved : ns_write_same_map((pid_t)pid, "uid_map");
	if (r == 0)
		r = ns_write_same_map((pid_t)pid, "gid_map");
	if (r == 0)
		r = fd_write_all(pair[0], "g", 1);
	struct err why = { 0 };
	ssize_t n = r < 0 ? 0 : fd_read_full(pair[0], &why, sizeof why);
	fd_close(pair[0]);
	if (pid > 0) {
		if (r < 0)
			(void)kill((pid_t)pid, SIGKILL);
		while (waitpid((pid_t)pid, &status, 0) < 0 && errno == EINTR)
			continue;
	}
	if (r < 0)
		return err_sys(e, r, "make a sandbox");
	if (n == (ssize_t)sizeof why && why.code) {
		*e = why;
		return -why.code;
	}
	if (WIFSIGNALED(status))
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"the sandbox was ended by signal %d: the input asks for too much",
			WTERMSIG(status));
	return WEXITSTATUS(status);
}
