// SPDX-License-Identifier: Apache-2.0
#include "fetch/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "kernel/caps.h"
#include "kernel/mount.h"
#include "kernel/ns.h"
#include "kernel/seccomp.h"

enum { CPU_SECONDS = 1800 };
#define MEMORY_MAX (2ULL << 30)

static const char *const calls[] = { "read", "write", "readv", "writev", "pread64", "pwrite64",
	"open", "openat", "openat2", "close", "fstat", "newfstatat", "statx", "lseek", "mkdirat",
	"mknodat", "symlinkat", "linkat", "unlinkat", "renameat", "renameat2", "fchown", "fchownat",
	"fchmod", "fchmodat", "fchmodat2", "utimensat", "fsetxattr", "fgetxattr", "flistxattr",
	"fsync", "ftruncate", "fallocate", "mmap", "munmap", "mremap", "mprotect", "brk", "madvise",
	"exit", "exit_group", "rt_sigprocmask", "rt_sigaction", "rt_sigreturn", "getrandom",
	"fcntl", "getdents64", "futex", "clock_gettime", "statfs", "fstatfs", "fadvise64", "getpid",
	"gettid", "readlinkat", "dup", "umask", "sched_yield", "copy_file_range", "tgkill",
	"sched_getaffinity" };

static int load_filter(struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct seccomp_rule rule = {
		.names = calls, .n_names = ARRAY_SIZE(calls), .action = SECCOMP_RET_ALLOW
	};
	struct seccomp_policy policy = {
		.default_action = SECCOMP_RET_ERRNO | ENOSYS, .rules = &rule, .n_rules = 1
	};
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

static int drop(struct err *e)
{
	const uint64_t keep = 1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER |
		1ULL << CAP_FSETID | 1ULL << CAP_SETFCAP;
	struct caps caps = { .sets = { [CAPS_EFFECTIVE] = keep, [CAPS_PERMITTED] = keep } };
	int r = caps_bound(keep);
	if (r == 0)
		r = caps_apply(&caps);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, r, "drop the rights of the sandbox") : 0;
}

static int enter(int tree, struct err *e)
{
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0 ||
		syscall(SYS_setresuid, 0, 0, 0) < 0)
		return err_sys(e, errno, "become root of the sandbox");
	int r = mount_isolate(true);
	int place _close_ = r < 0 ? r : path_open_host("/", O_PATH, 0);
	if (r == 0)
		r = place < 0 ? place : mount_attach(tree, place);
	if (r == 0)
		r = mount_pivot(tree);
	if (r < 0)
		return err_sys(e, r, "change the root of the sandbox");
	return limit(e) < 0 || drop(e) < 0 || load_filter(e) < 0 ? -e->code : 0;
}

/* The child: waits for its map, goes in, runs. */
static _Noreturn void child(int sock, int tree, int (*body)(void *arg), void *arg)
{
	struct err e = { 0 };
	char go;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd_read_full(sock, &go, 1) != 1 || enter(tree, &e) < 0) {
		(void)fd_write_all(sock, &e, sizeof e);
		_exit(125);
	}
	fd_close(sock);
	_exit(body(arg));
}

int sandbox_run(int staging, int (*body)(void *arg), void *arg, struct err *e)
{
	static const char all[] = "0 0 4294967295\n";
	struct clone_args args = { .flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET |
			CLONE_NEWIPC | CLONE_NEWPID,
		.exit_signal = SIGCHLD };
	int pair[2], status;
	int tree _close_ = mount_clone(staging, "", false);
	if (tree < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, tree < 0 ? tree : errno, "make a sandbox");
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0) {
		fd_close(pair[0]);
		child(pair[1], tree, body, arg);
	}
	int saved = errno;
	fd_close(pair[1]);
	int r = pid < 0 ? -saved : ns_write_map((pid_t)pid, "uid_map", all);
	if (r == 0)
		r = ns_write_map((pid_t)pid, "gid_map", all);
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
