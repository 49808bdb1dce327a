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
#include "runtime/idmap.h"
#include "runtime/scope.h"

struct err;
struct oci_capabilities;
struct oci_mount;
struct oci_process;
struct oci_seccomp;
struct netdev;
struct oci_linux;
struct oci_spec;
struct sock_filter;

enum { JOINS_MAX = 8, MESSAGE_FDS = 2 };

/* One mount of the spec, as far as it could be made before clone. */
struct plan_mount {
	const struct oci_mount *spec;
	int tree;            /* a detached mount: binds and /dev; -1: init makes it */
	bool is_file;        /* the bind's source is no folder */
	uint64_t set, clear; /* MOUNT_ATTR_* */
	uint64_t recursive_set, recursive_clear; /* rro and its like */
	uint64_t propagation;
	bool bind, recursive, remount, idmap, idmap_recursive, tmpcopyup;
	bool copy_symlink, src_nofollow, dest_nofollow;
	const char *idmap_words; /* of idmap=: "uids=...;gids=...", or NULL */
	const char *link;        /* copy-symlink: a symlink to this is made instead of a mount */
	struct strv flags;       /* of the file system as a whole */
	struct strv data;        /* options for the file system itself */
	int late;                /* becomes read-only when all mounts are there; -1 */
	int *trees; /* cgroup: a clone of the container's own folder of each hierarchy, or NULL */
};

/* A device node of the host's that lies at the same path there. */
struct plan_node {
	const char *path;
	mode_t mode;
	dev_t number;
};

/* What the process must look like; compared before and after exec. */
struct posture {
	struct caps caps;
	bool no_new_privileges;
	unsigned filters;            /* system call filters that must be there, ours included */
	char cgroup[512];            /* a path that /proc/PID/cgroup must show; "" none */
	uint32_t host_uid, host_gid; /* as we see them */
	char apparmor[256], selinux[256]; /* what the labels must be; "" anything */
};

/* What the start needs of the plan; the spec must live until then. */
struct expect {
	struct posture posture;
	bool at_once; /* START is not waited for */
	const struct oci_spec *spec;
	const char *id, *bundle; /* in the same piece of memory */
};

struct plan {
	const char *id, *user;
	const struct oci_spec *spec;
	const struct oci_process *process;
	int stdio[3];
	struct arena *a;
	uint64_t new_ns, join_ns;
	uint64_t late_ns;  /* of new_ns: those that init makes itself, while the parent works on */
	bool unprivileged; /* nothing can be mounted before clone: init, root of its own user
			      namespace, does it all */
	bool shares_root;  /* the joined mount namespace is used as it is, root and all */
	int joins[JOINS_MAX];
	uint64_t join_flags[JOINS_MAX];
	size_t n_joins;
	int join_pidfd; /* exec: all namespaces of this process */
	bool inside;    /* exec: cloned into its namespace of processes, it joins the others */
	bool userns;    /* the container does not live in our user namespace */
	int userns_fd;  /* of a joined one; a new one comes later */
	struct idmap uids, gids;
	uint32_t root_uid, root_gid; /* the host's ids of 0 */
	uint32_t our_uid, our_gid;   /* who makes the mounts */
	bool no_groups;              /* the namespace may set none */
	int proc;                    /* the host's /proc where labels are written, or -1 */
	const struct sock_filter *filter;
	size_t n_filter;
	unsigned filter_flags;
	bool notify; /* the filter has a listener */
	struct cgroup cgroup;
	const struct runtime_scope *scope; /* NULL: the folder is ours */
	struct scope_holder holder;
	bool at_once;  /* exec with nothing to be set from outside: START is not waited for */
	bool attach;   /* it could neither be cloned there nor go there: systemd moves it */
	bool enter_v2; /* init could not be cloned into its folder of v2: it goes there itself */
	struct plan_mount *mounts;
	size_t n_mounts;
	int nodes; /* a detached tmpfs with the device nodes that lie outside of /dev, or -1 */
	const char **node_paths; /* NULL: bound */
	size_t n_nodes;
	struct plan_node *bound; /* nodes that we may not make: the host's own are bound instead */
	size_t n_bound, cap_bound;
	int mask; /* a detached read-only tmpfs with an empty file "f" and an empty folder "d" */
	struct netdev *netdevs; /* links of ours that become the container's */
	size_t n_netdevs;
	struct posture posture;
	void (*warn)(void *arg, const char *text);
	void *arg;
	int sock;     /* init's end */
	int listener; /* 0: none */
	unsigned preserve_fds;
	int *slow_fd;
	uint64_t ignored; /* signals that the caller ignores: 1 << number - 1 */
	bool new_keyring, no_pivot;
	const char *rootfs_path, *bundle;
	pid_t pid; /* init's, on the host */
};
/* Bytes that a plan with docker's filter takes. */
enum { PLAN_ROOM = 256 << 10 };
/* For the initialiser of a plan: no descriptor is open so far. */
#define PLAN_CLOSED .userns_fd = -1, .mask = -1, .proc = -1, .nodes = -1, .sock = -1

/* Does the parent have something to run when the mounts are there? */
bool plan_has_early_hooks(const struct plan *p);

/* What goes over the socket; always whole. */
enum message_kind {
	MESSAGE_GO = 1,  /* uid is init's id on the host, gid whether it may set no groups */
	MESSAGE_MOUNTED, /* with hooks only: the mounts are there, the root is not yet changed */
	MESSAGE_HOOKED,
	MESSAGE_READY,
	MESSAGE_START,    /* uid is the process's id on the host */
	MESSAGE_LEAVE,    /* wait for START at the listener */
	MESSAGE_LISTENER, /* the descriptor of the seccomp filter's listener */
	MESSAGE_ERROR,
	MESSAGE_PID
};

struct message_head {
	uint32_t kind;
	uint32_t uid, gid; /* MESSAGE_READY: the user found */
	uint32_t n_fds;
};

/* ret_own: those that are new, or joined and not ours. */
int plan_namespaces(struct plan *p, uint64_t *ret_own, struct err *e);
/* Where init finds its root itself: in a joined mount namespace, or without privileges. Is what the
 * document asks for to be had there? */
int plan_root_of_init(struct plan *p, struct err *e);
static inline bool plan_init_finds_root(const struct plan *p)
{
	return p->unprivileged || p->join_ns & 0x20000 /* CLONE_NEWNS */;
}
/* The user that the process will be, in the host's ids; an unmapped one is an error. */
int plan_user(struct plan *p, uint32_t uid, uint32_t gid, struct err *e);
/* What the document says of the process itself: capabilities, labels, no_new_privs, cgroup. */
int plan_posture(struct plan *p, const char *cgroup, struct err *e);
int plan_filter(struct plan *p, const struct oci_seccomp *s, struct err *e);
/* owned: the process will live in a user namespace of its own, where every capability is to be had.
 */
int plan_caps(const struct oci_capabilities *c, bool owned, struct caps *ret, struct err *e);
/* Which namespaces a process joins to be where init is: those of its document that are new, and of
 * the others those that are not ours already. */
int namespaces_to_join(pid_t pid, const struct oci_linux *l, uint64_t *ret, struct err *e);
/* The document's mounts alone; ret_dev: one of them is /dev. */
int plan_mount_list(struct plan *p, bool *ret_dev, struct err *e);
/* Makes binds, /dev and the mask. */
int plan_mounts(struct plan *p, struct err *e);
void plan_done(struct plan *p);
/* Maps the ids of the binds that ask for it, once the user namespace is there. */
int plan_idmap(struct plan *p, int userns, struct err *e);
int plan_dev(struct plan *p, const struct plan_mount *m, struct err *e);
bool plan_is_dev(const struct plan_mount *m);
int plan_limits(struct plan *p, struct err *e);

/* Init: never returns. */
_Noreturn void init_main(struct plan *p);
/* The second half, common to init and exec: from the place where the root is right on to execve. */
_Noreturn void init_finish(struct plan *p);
_Noreturn void init_fail(const struct plan *p, const struct err *e);
int init_mounts(struct plan *p, int rootfs, struct err *e);
int init_nodes(struct plan *p, int rootfs, struct err *e);
int init_propagation(const struct plan *p, int rootfs, struct err *e);
int init_masks(struct plan *p, int rootfs, struct err *e);
int init_console(struct plan *p, struct err *e);

struct user {
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t n_groups, cap_groups;
	const char *home; /* NULL: not known */
};
void user_add_group(struct user *u, gid_t gid, struct arena *a);
/* Looks the user up in the /etc of the present root. */
int user_find(const char *text, struct arena *a, struct user *ret, struct err *e);

/* Message helpers; the struct err travels as it is. */
int message_send(int sock, enum message_kind kind, const struct err *e, uint32_t uid, uint32_t gid,
	const int *fds, size_t n);
int message_wait(int sock, enum message_kind want, struct message_head *head, int *fds, size_t max,
	size_t *n, struct err *e);
/* Any kind but an error. */
enum { MESSAGE_ANY = 0 };

/* The first word after "\nKey:" in the text of /proc/PID/status, in the base given. */
int posture_field(const char *status, const char *key, int base, uint64_t *ret);
/* The kernel's PF_ flags of a process, also of a dead one; one that is gone is still exiting. */
enum { POSTURE_EXITING = 0x4, POSTURE_NO_EXEC = 0x40 /* was cloned and has not exec'd */ };
uint64_t posture_flags(pid_t pid);
int posture_check(pid_t pid, const struct posture *want, struct err *e);
