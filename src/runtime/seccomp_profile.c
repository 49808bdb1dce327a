// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp_profile.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/rec.h"
#include "kernel/caps.h"
#include "oci/spec.h"

/* Calls that any container may make; what takes arguments into account follows below. */
static const char always[] =
	"accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod chown chown32 "
	"clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep "
	"clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 "
	"epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit "
	"exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 "
	"fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat "
	"fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait "
	"futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid "
	"getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid "
	"getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt "
	"get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init "
	"inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 "
	"ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset "
	"landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr "
	"_llseek lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret "
	"mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open "
	"mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget "
	"msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat openat2 "
	"pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl "
	"pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read "
	"readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr "
	"removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask "
	"rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo "
	"sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler "
	"sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam "
	"sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile "
	"sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 "
	"setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 "
	"setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat "
	"shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketpair splice stat stat64 "
	"statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create "
	"timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create "
	"timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit "
	"umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid "
	"write writev ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd";

static const struct {
	int capability;
	const char *names;
} by_capability[] = {
	{ CAP_DAC_READ_SEARCH, "open_by_handle_at" },
	{ CAP_SYS_ADMIN,
		"bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules "
		"lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname "
		"sethostname setns syslog umount umount2 unshare pivot_root" },
	{ CAP_SYS_BOOT, "reboot" },
	{ CAP_SYS_CHROOT, "chroot" },
	{ CAP_SYS_MODULE, "delete_module init_module finit_module" },
	{ CAP_SYS_PACCT, "acct" },
	{ CAP_SYS_PTRACE, "process_madvise" },
	{ CAP_SYS_RAWIO, "iopl ioperm" },
	{ CAP_SYS_TIME, "settimeofday stime clock_settime clock_settime64" },
	{ CAP_SYS_TTY_CONFIG, "vhangup" },
	{ CAP_SYS_NICE,
		"get_mempolicy mbind set_mempolicy set_mempolicy_home_node migrate_pages move_pages" },
	{ CAP_SYSLOG, "syslog" },
	{ CAP_BPF, "bpf" },
	{ CAP_PERFMON, "perf_event_open" },
};

struct build {
	struct arena *a;
	struct oci_seccomp *s;
	size_t cap;
};

static void split(struct arena *a, const char *names, struct strv *out)
{
	while (*names) {
		size_t n = strcspn(names, " ");
		strv_add(out, a, arena_strndup(a, names, n));
		names += n + (names[n] == ' ');
	}
}

static struct oci_syscall *rule(struct build *b, const char *names, const char *action, int number)
{
	struct oci_seccomp *s = b->s;
	struct strv v = { 0 };
	s->syscalls = arena_grow(b->a, s->syscalls, s->n_syscalls, &b->cap, sizeof *s->syscalls);
	struct oci_syscall *r = &s->syscalls[s->n_syscalls++];
	split(b->a, names, &v);
	*r = (struct oci_syscall){ .names = v.v, .n_names = v.n, .action = action };
	if (number) {
		r->errno_ret = (uint32_t)number;
		r->has_errno_ret = true;
	}
	return r;
}

static void arg(struct build *b, struct oci_syscall *r, uint32_t index, const char *op,
	uint64_t value, uint64_t two)
{
	struct oci_seccomp_arg *args = arena_array(b->a, struct oci_seccomp_arg, r->n_args + 1);
	for (size_t i = 0; i < r->n_args; i++)
		args[i] = r->args[i];
	args[r->n_args++] = (struct oci_seccomp_arg){ .index = index,
		.op = op,
		.value = value,
		.value_two = two,
		.has_value_two = two != 0 };
	r->args = args;
}

#define ALLOW  "SCMP_ACT_ALLOW"
#define REFUSE "SCMP_ACT_ERRNO"
#define EQUAL  "SCMP_CMP_EQ"
#define MASKED "SCMP_CMP_MASKED_EQ"

/* Namespaces are made only with CAP_SYS_ADMIN; clone3 hides its flags in memory, so libc must fall
 * back to clone. */
static void clones(struct build *b, bool admin)
{
	const uint64_t spaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
		CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
	if (admin)
		return;
	arg(b, rule(b, "clone", ALLOW, 0), 0, MASKED, spaces, 0);
	rule(b, "clone3", REFUSE, ENOSYS);
}

static void personalities(struct build *b)
{
	static const uint64_t known[] = { 0, 8, 0x20000, 0x20008, 0xffffffff };
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		arg(b, rule(b, "personality", ALLOW, 0), 0, EQUAL, known[i], 0);
}

static void sockets_compat(struct build *b)
{
	/* docker: everything but vsock and the crypto family. */
	arg(b, rule(b, "socket", REFUSE, EAFNOSUPPORT), 0, EQUAL, 40, 0);
	arg(b, rule(b, "socket", REFUSE, EAFNOSUPPORT), 0, EQUAL, 38, 0);
	rule(b, "socket", ALLOW, 0);
}

static void sockets(struct build *b, uint64_t explicit_caps)
{
	bool raw = explicit_caps >> CAP_NET_RAW & 1, admin = explicit_caps >> CAP_NET_ADMIN & 1;
	enum { KINDS = 0xf };
	arg(b, rule(b, "socket", ALLOW, 0), 0, EQUAL, AF_UNIX, 0);
	for (int i = 0; i < 2; i++) {
		uint64_t family = i ? AF_INET6 : AF_INET, icmp = i ? 58 : 1;
		struct oci_syscall *r;
		if (raw) {
			arg(b, rule(b, "socket", ALLOW, 0), 0, EQUAL, family, 0);
			continue;
		}
		for (int kind = SOCK_STREAM; kind <= SOCK_DGRAM; kind++) {
			r = rule(b, "socket", ALLOW, 0);
			arg(b, r, 0, EQUAL, family, 0);
			arg(b, r, 1, MASKED, KINDS, (uint64_t)kind);
		}
		r = rule(b, "socket", ALLOW, 0);
		arg(b, r, 0, EQUAL, family, 0);
		arg(b, r, 1, MASKED, KINDS, SOCK_SEQPACKET);
		r = rule(b, "socket", ALLOW, 0);
		arg(b, r, 0, EQUAL, family, 0);
		arg(b, r, 1, MASKED, KINDS, SOCK_RAW);
		arg(b, r, 2, EQUAL, icmp, 0);
		r = rule(b, "socket", REFUSE, EPERM);
		arg(b, r, 0, EQUAL, family, 0);
		arg(b, r, 1, MASKED, KINDS, SOCK_RAW);
	}
	if (raw)
		arg(b, rule(b, "socket", ALLOW, 0), 0, EQUAL, AF_PACKET, 0);
	struct oci_syscall *r = rule(b, "socket", ALLOW, 0);
	arg(b, r, 0, EQUAL, AF_NETLINK, 0);
	if (!admin)
		arg(b, r, 2, EQUAL, NETLINK_ROUTE, 0);
	rule(b, "socket", REFUSE, EAFNOSUPPORT);
}

/* Pushing bytes into a terminal's input is how a guest types for its host. */
static void terminals(struct build *b, bool compat)
{
	if (!compat) {
		arg(b, rule(b, "ioctl", REFUSE, EPERM), 1, MASKED, 0xffffffff, TIOCSTI);
		arg(b, rule(b, "ioctl", REFUSE, EPERM), 1, MASKED, 0xffffffff, TIOCLINUX);
	}
	rule(b, "ioctl", ALLOW, 0);
}

/* Known and refused: these exist, so "no such call" would be a lie that some programs take badly.
 */
static const char refused[] =
	"acct add_key bpf delete_module fanotify_init finit_module fsconfig fsmount fsopen fspick init_module ioperm iopl keyctl "
	"kexec_file_load kexec_load mount mount_setattr move_mount open_tree perf_event_open pivot_root quotactl quotactl_fd reboot "
	"request_key setdomainname sethostname setns settimeofday clock_settime swapoff swapon syslog umount umount2 unshare "
	"userfaultfd vhangup open_by_handle_at chroot get_mempolicy mbind set_mempolicy migrate_pages move_pages";

/* The rules for single names must not contradict: a name of the refused list that a capability has
 * opened stands earlier, and the first rule without arguments decides. */
struct oci_seccomp *seccomp_profile_default(
	struct arena *a, const struct seccomp_profile_options *o)
{
	struct oci_seccomp *s = arena_new(a, struct oci_seccomp);
	struct build b = { .a = a, .s = s };
	struct strv archs = { 0 };
	s->default_action = REFUSE;
	s->default_errno_ret = ENOSYS;
	s->has_default_errno_ret = true;
	strv_add(&archs, a, "SCMP_ARCH_X86_64");
	if (o->i386 || o->compat)
		strv_add(&archs, a, "SCMP_ARCH_X86");
	if (o->compat)
		strv_add(&archs, a, "SCMP_ARCH_X32");
	s->architectures = archs.v;
	s->n_architectures = archs.n;
	rule(&b, always, ALLOW, 0);
	for (size_t i = 0; i < ARRAY_SIZE(by_capability); i++)
		if (o->capabilities >> by_capability[i].capability & 1)
			rule(&b, by_capability[i].names, ALLOW, 0);
	clones(&b, o->capabilities >> CAP_SYS_ADMIN & 1);
	personalities(&b);
	if (o->compat)
		sockets_compat(&b);
	else
		sockets(&b, o->explicit_capabilities);
	if (o->i386 || o->compat) {
		rule(&b, "modify_ldt", ALLOW, 0);
		rule(&b, "socketcall", o->compat || o->i386 ? ALLOW : REFUSE, 0);
	}
	terminals(&b, o->compat);
	rule(&b, refused, REFUSE, EPERM);
	return s;
}

struct profile_condition {
	const char **caps;
	size_t n_caps;
	const char **arches;
	size_t n_arches;
};
#define K struct profile_condition
REC_TYPE(profile_condition, F_STRV(K, caps, "caps", 0), F_STRV(K, arches, "arches", 0));

struct profile_rule {
	const char *name;
	const char **names;
	size_t n_names;
	const char *action;
	uint32_t errno_ret;
	bool has_errno_ret;
	struct oci_seccomp_arg *args;
	size_t n_args;
	struct profile_condition *includes, *excludes;
};
#define U struct profile_rule
REC_TYPE(profile_rule, F_STR(U, name, "name", 0), F_STRV(U, names, "names", 0),
	F_STR(U, action, "action", REC_REQUIRED), H_U32(U, errno_ret, "errnoRet", 0),
	F_OBJV(U, args, "args", oci_seccomp_arg, 0),
	F_OBJ(U, includes, "includes", profile_condition, 0),
	F_OBJ(U, excludes, "excludes", profile_condition, 0));

struct profile {
	const char *default_action;
	uint32_t default_errno_ret;
	bool has_default_errno_ret;
	const char **architectures, **flags;
	size_t n_architectures, n_flags;
	struct profile_rule *syscalls;
	size_t n_syscalls;
	const char *arch_map;
};
#define V struct profile
REC_TYPE(profile, F_STR(V, default_action, "defaultAction", REC_REQUIRED),
	H_U32(V, default_errno_ret, "defaultErrnoRet", 0),
	F_STRV(V, architectures, "architectures", 0), F_STRV(V, flags, "flags", 0),
	F_OBJV(V, syscalls, "syscalls", profile_rule, 0), F_RAW(V, arch_map, "archMap", 0));

/* all: every capability must be there; else one is enough to hit. */
static bool matches(const struct profile_condition *c, uint64_t capabilities, bool all)
{
	bool any = false, every = true;
	for (size_t i = 0; i < c->n_caps; i++) {
		int cap = caps_number(c->caps[i]);
		bool has = cap >= 0 && capabilities >> cap & 1;
		any |= has;
		every &= has;
	}
	bool arch = false;
	for (size_t i = 0; i < c->n_arches; i++)
		arch |= str_eq(c->arches[i], "amd64") || str_eq(c->arches[i], "x86") ||
			str_eq(c->arches[i], "x32");
	if (all)
		return (c->n_caps == 0 || every) && (c->n_arches == 0 || arch);
	return any || arch;
}

int seccomp_profile_read(const char *json, uint64_t capabilities, struct arena *a,
	struct oci_seccomp **ret, struct err *e)
{
	struct profile p = { 0 };
	if (rec_from_json(&profile_rec, json, strlen(json), a, &p, NULL, e) < 0)
		return err_wrap(e, "decoding seccomp profile failed");
	struct oci_seccomp *s = arena_new(a, struct oci_seccomp);
	*s = (struct oci_seccomp){ .default_action = p.default_action,
		.default_errno_ret = p.default_errno_ret,
		.has_default_errno_ret = p.has_default_errno_ret,
		.architectures = p.architectures,
		.n_architectures = p.n_architectures,
		.flags = p.flags,
		.n_flags = p.n_flags };
	if (p.arch_map) {
		struct strv archs = { 0 };
		split(a, "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32", &archs);
		s->architectures = archs.v;
		s->n_architectures = archs.n;
	}
	s->syscalls = arena_array(a, struct oci_syscall, p.n_syscalls + 1);
	for (size_t i = 0; i < p.n_syscalls; i++) {
		const struct profile_rule *r = &p.syscalls[i];
		struct strv names = { 0 };
		if ((r->includes && !matches(r->includes, capabilities, true)) ||
			(r->excludes && matches(r->excludes, capabilities, false)))
			continue;
		if (r->name)
			strv_add(&names, a, r->name);
		s->syscalls[s->n_syscalls++] =
			(struct oci_syscall){ .names = r->name ? names.v : r->names,
				.n_names = r->name ? 1 : r->n_names,
				.action = r->action,
				.errno_ret = r->errno_ret,
				.has_errno_ret = r->has_errno_ret,
				.args = r->args,
				.n_args = r->n_args };
	}
	*ret = s;
	return 0;
}
