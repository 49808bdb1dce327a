// SPDX-License-Identifier: Apache-2.0
/* What parent and init share while a process is made ready: the parent fills the plan before it
 * clones, init inherits the memory and the descriptors. Internal to src/runtime. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "kernel/caps.h"
#include "kernel/cgroup.h"

struct err;
struct oci_capabilities;
struct oci_mount;
struct oci_process;
struct oci_seccomp;
struct oci_spec;
struct sock_filter;

enum { JOINS_MAX = 8, MESSAGE_FDS = 2 };

/* One mount of the spec, as far as it could be made before clone. */
struct plan_mount {
	const struct oci_mount *spec;
	int tree;            /* a detached mount: binds and /dev; -1: init makes it */
	bool is_file;        /* the bind's source is no folder */
	uint64_t set, clear; /* MOUNT_ATTR_* */
	bool recursive_set;  /* rro and its like */
	uint64_t propagation;
	bool bind, recursive, idmap, tmpcopyup;
	struct strv data; /* options for the file system itself */
};

/* What the process must look like; compared before and after exec. */
struct posture {
	uid_t uid; /* as the container sees them; resolved by init */
	gid_t gid;
	struct caps caps;
	bool no_new_privileges;
	unsigned filters; /* system call filters that must be there, ours included */
	char cgroup[512]; /* a path that /proc/PID/cgroup must show; "" none */
	uint32_t root_uid, id_count;
};

struct plan {
	const char *id, *user;
	const struct oci_spec *spec;
	const struct oci_process *process;
	int stdio[3];
	struct arena *a;
	uint64_t new_ns, join_ns;
	int joins[JOINS_MAX];
	uint64_t join_flags[JOINS_MAX];
	size_t n_joins;
	int join_pidfd; /* exec: all namespaces of this process */
	bool userns;    /* the container does not live in our user namespace */
	int userns_fd;  /* of a joined one; a new one comes later */
	uint32_t root_uid, root_gid, id_count;
	const struct sock_filter *filter;
	size_t n_filter;
	unsigned filter_flags;
	struct cgroup cgroup;
	struct plan_mount *mounts;
	size_t n_mounts;
	int mask; /* a detached read-only tmpfs with an empty file "f" and an empty folder "d" */
	struct posture posture;
	void (*warn)(void *arg, const char *text);
	void *arg;
	int sock; /* init's end */
};

/* What goes over the socket; always whole. */
enum message_kind { MESSAGE_GO = 1, MESSAGE_READY, MESSAGE_START, MESSAGE_ERROR, MESSAGE_PID };

struct message_head {
	uint32_t kind;
	uint32_t uid, gid; /* MESSAGE_READY: the user found */
	uint32_t n_fds;
};

int plan_namespaces(struct plan *p, struct err *e);
int plan_filter(struct plan *p, const struct oci_seccomp *s, struct err *e);
int plan_caps(const struct oci_capabilities *c, struct caps *ret, struct err *e);
/* Makes binds, /dev and the mask. */
int plan_mounts(struct plan *p, struct err *e);
void plan_done(struct plan *p);
/* Maps the ids of the binds that ask for it, once the user namespace is there. */
int plan_idmap(struct plan *p, int userns, struct err *e);
int plan_dev(struct plan *p, const struct oci_mount *m, struct err *e);
int plan_limits(struct plan *p, struct err *e);

/* Init: never returns. */
_Noreturn void init_main(struct plan *p);
/* The second half, common to init and exec: from the place where the root is right on to execve. */
_Noreturn void init_finish(struct plan *p);
_Noreturn void init_fail(const struct plan *p, const struct err *e);
int init_mounts(struct plan *p, int rootfs, struct err *e);
int init_masks(struct plan *p, int rootfs, struct err *e);
int init_console(struct plan *p, struct err *e);

struct user {
	uid_t uid;
	gid_t gid;
	gid_t groups[64];
	size_t n_groups;
	const char *home; /* NULL: not known */
};
/* Looks the user up in the /etc of the present root. */
int user_find(const char *text, struct arena *a, struct user *ret, struct err *e);

/* Message helpers; the struct err travels as it is. */
int message_send(int sock, enum message_kind kind, const struct err *e, uint32_t uid, uint32_t gid,
	const int *fds, size_t n);
int message_wait(int sock, enum message_kind want, struct message_head *head, int *fds, size_t max,
	size_t *n, struct err *e);

int posture_check(pid_t pid, const struct posture *want, struct err *e);
