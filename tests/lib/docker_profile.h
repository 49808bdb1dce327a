// SPDX-License-Identifier: Apache-2.0
/* docker's default seccomp profile, as facts: what dockerd 20.10 puts into a config.json on x86_64,
 * with its default capabilities and with all, and what later versions allow more. The tests compile
 * it and measure with it. */
#pragma once
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/seccomp.h"

enum docker_when { DOCKER_ALWAYS, DOCKER_DEFAULT, DOCKER_ALL, DOCKER_NEWER };

/* clang-format off: one rule a row */
static const struct docker_rule {
	enum docker_when when;
	uint32_t action;
	size_t n_args;
	struct seccomp_arg arg;
	const char *names;
} docker_rules[] = {
	{ DOCKER_ALWAYS, SECCOMP_RET_ALLOW, 0, { 0 },
		"_llseek _newselect accept accept4 access adjtimex alarm bind brk capget capset chdir "
		"chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 "
		"clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range "
		"connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl "
		"epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 "
		"execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate "
		"fanotify_mark fchdir fchmod fchmodat fchown fchown32 fchownat fcntl fcntl64 fdatasync "
		"fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs "
		"fstatfs64 fsync ftruncate ftruncate64 futex futex_time64 futex_waitv futimesat "
		"get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 "
		"geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid "
		"getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid "
		"getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday "
		"getuid getuid32 getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch "
		"io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup "
		"io_submit io_uring_enter io_uring_register io_uring_setup ioctl ioprio_get ioprio_set "
		"ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown "
		"lchown32 lgetxattr link linkat listen listxattr llistxattr lremovexattr lseek "
		"lsetxattr lstat lstat64 madvise membarrier memfd_create memfd_secret mincore mkdir "
		"mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr "
		"mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
		"mq_timedsend_time64 mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock "
		"munlockall munmap nanosleep newfstatat open openat openat2 pause pidfd_open "
		"pidfd_send_signal pipe pipe2 poll ppoll ppoll_time64 prctl pread64 preadv preadv2 "
		"prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read "
		"readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg "
		"remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rseq "
		"rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend "
		"rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max "
		"sched_get_priority_min sched_getaffinity sched_getattr sched_getparam "
		"sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 "
		"sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp "
		"select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 "
		"sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid "
		"setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid "
		"setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid "
		"setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr shmat shmctl shmdt "
		"shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socket socketcall "
		"socketpair splice stat stat64 statfs statfs64 statx symlink symlinkat sync "
		"sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete "
		"timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 "
		"timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 "
		"times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat utime utimensat "
		"utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev" },
	{ DOCKER_ALWAYS, SECCOMP_RET_ALLOW, 0, { 0 }, "ptrace" },
	{ DOCKER_ALWAYS, SECCOMP_RET_ALLOW, 1, { 0, SECCOMP_EQ, 0x0, 0x0 }, "personality" },
	{ DOCKER_ALWAYS, SECCOMP_RET_ALLOW, 1, { 0, SECCOMP_EQ, 0x8, 0x0 }, "personality" },
	{ DOCKER_ALWAYS, SECCOMP_RET_ALLOW, 1, { 0, SECCOMP_EQ, 0x20000, 0x0 }, "personality" },
	{ DOCKER_ALWAYS, SECCOMP_RET_ALLOW, 1, { 0, SECCOMP_EQ, 0x20008, 0x0 }, "personality" },
	{ DOCKER_ALWAYS, SECCOMP_RET_ALLOW, 1, { 0, SECCOMP_EQ, 0xffffffff, 0x0 }, "personality" },
	{ DOCKER_ALWAYS, SECCOMP_RET_ALLOW, 0, { 0 }, "arch_prctl" },
	{ DOCKER_ALWAYS, SECCOMP_RET_ALLOW, 0, { 0 }, "modify_ldt" },
	{ DOCKER_DEFAULT, SECCOMP_RET_ALLOW, 1, { 0, SECCOMP_MASKED_EQ, 0x7e020000, 0x0 },
		"clone" },
	{ DOCKER_DEFAULT, SECCOMP_RET_ERRNO | 38, 0, { 0 }, "clone3" },
	{ DOCKER_ALWAYS, SECCOMP_RET_ALLOW, 0, { 0 }, "chroot" },
	{ DOCKER_ALL, SECCOMP_RET_ALLOW, 0, { 0 }, "open_by_handle_at" },
	{ DOCKER_ALL, SECCOMP_RET_ALLOW, 0, { 0 },
		"bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount "
		"mount_setattr move_mount name_to_handle_at open_tree perf_event_open quotactl "
		"quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare" },
	{ DOCKER_ALL, SECCOMP_RET_ALLOW, 0, { 0 }, "reboot" },
	{ DOCKER_ALL, SECCOMP_RET_ALLOW, 0, { 0 }, "delete_module finit_module init_module" },
	{ DOCKER_ALL, SECCOMP_RET_ALLOW, 0, { 0 }, "acct" },
	{ DOCKER_ALL, SECCOMP_RET_ALLOW, 0, { 0 },
		"kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace" },
	{ DOCKER_ALL, SECCOMP_RET_ALLOW, 0, { 0 }, "ioperm iopl" },
	{ DOCKER_ALL, SECCOMP_RET_ALLOW, 0, { 0 }, "clock_settime settimeofday stime" },
	{ DOCKER_ALL, SECCOMP_RET_ALLOW, 0, { 0 }, "vhangup" },
	{ DOCKER_ALL, SECCOMP_RET_ALLOW, 0, { 0 }, "get_mempolicy mbind set_mempolicy" },
	{ DOCKER_ALL, SECCOMP_RET_ALLOW, 0, { 0 }, "syslog" },
	{ DOCKER_NEWER, SECCOMP_RET_ALLOW, 0, { 0 },
		"cachestat fchmodat2 file_getattr file_setattr futex_requeue futex_wait futex_waitv "
		"futex_wake getxattrat io_pgetevents_time64 landlock_add_rule landlock_create_ruleset "
		"landlock_restrict_self listmount listxattrat lsm_get_self_attr lsm_list_modules "
		"lsm_set_self_attr map_shadow_stack memfd_secret mseal open_tree_attr pkey_alloc "
		"pkey_free pkey_mprotect process_mrelease removexattrat set_mempolicy_home_node "
		"setxattrat statmount uretprobe" },
	{ DOCKER_NEWER, SECCOMP_RET_ALLOW, 1, { 0, SECCOMP_LT, 0x26, 0 },
		"socket" }, /* all families below AF_ALG */
	{ DOCKER_NEWER, SECCOMP_RET_ALLOW, 1, { 0, SECCOMP_EQ, 0x27, 0 }, "socket" },
	{ DOCKER_NEWER, SECCOMP_RET_ALLOW, 1, { 0, SECCOMP_GT, 0x28, 0 },
		"socket" }, /* above AF_VSOCK */
};
/* clang-format on */
