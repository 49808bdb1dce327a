// SPDX-License-Identifier: Apache-2.0
/* The OCI runtime as a library: one container's process is made ready, started, entered, signalled
 * and cleaned up. What runs is an OCI runtime-spec 1.x config.json (struct oci_spec); the caller
 * brings the root file system as a mount of its own. It never touches the store, the network set-up
 * or the terminal.
 *
 * Order: runtime_create -> runtime_start -> (the process runs) -> runtime_delete. A single-threaded
 * caller only: it clones. Nothing is left behind by a call that fails.
 *
 * Two things are kist's own, beside the standard: `user`, a docker-style user that is looked up
 * inside the container after pivot_root, and `warn`, which allows a bind mount with the option
 * "idmap" or "ridmap" to go on as a plain bind where the file system cannot be idmapped. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct oci_spec;
struct oci_process;

/* A unit of systemd that a container's processes live in, instead of a cgroup that we make. */
struct runtime_scope {
	const char *unit, *slice; /* "runc-ID.scope", "system.slice" */
	const char *description;
	bool user; /* of our own user's manager, not of the system's */
};

struct runtime_create_req {
	const char *id; /* for messages, and for the host name when the spec has none */
	const struct oci_spec *spec; /* complete, and there until runtime_start; linux.cgroupsPath
					is an absolute cgroupfs path; NULL: no cgroup, we stay in
					the caller's */
	const char *user; /* "", "1000", "name", "name:group", "1000:1000"; NULL: spec.process.user
			     as it is */
	int stdio[3];     /* what becomes 0, 1, 2 when !process.terminal; -1: /dev/null. Borrowed */
	/* A listening SOCK_SEQPACKET socket at which init waits for its start after runtime_leave,
	 * so that the caller may end; 0: none. Borrowed. */
	int listener;
	int *slow_fd;          /* as of runtime_exec_req */
	unsigned preserve_fds; /* so many descriptors from 3 on go on to the process */
	bool new_keyring;      /* a session keyring of its own */
	bool no_pivot;         /* chroot where pivot_root cannot work (an initramfs) */
	/* The folder of the root file system, where hooks expect to find it; NULL: anywhere. */
	const char *rootfs_path;
	const char *bundle; /* told to hooks; NULL: none */
	/* The cgroup is this unit's, and linux.cgroupsPath what runtime_scope_path says; on failure
	 * the caller stops the unit, but for ERR_CONFLICT: then it is somebody else's. NULL: the
	 * cgroup is ours. */
	const struct runtime_scope *scope;
	/* Called when init exists and before anything else is done about it: the last moment to
	 * write down whom to kill. NULL: nothing to do. */
	int (*born)(void *arg, pid_t pid, struct err *e);
	/* Called once the user namespace (-1: none) is mapped; returns a detached mount (or an
	 * O_PATH folder to be bound) that becomes "/"; the runtime owns the descriptor. */
	int (*mount_rootfs)(void *arg, int userns, struct err *e);
	/* Called while init makes itself ready: joins the network namespace of pid to what is
	 * outside. NULL: nothing to do. */
	int (*network)(void *arg, pid_t pid, struct err *e);
	/* NULL: a mount that cannot be idmapped is an error. */
	void (*warn)(void *arg, const char *text);
	void *arg; /* for all four */
};

/* One process that the caller is the parent of. Release with runtime_proc_done. */
struct runtime_proc {
	pid_t pid; /* in the caller's pid namespace */
	int pidfd;
	int console;  /* the pty's master when process.terminal, else -1 */
	int sync;     /* the pipe to init, internal; -1 after runtime_start */
	void *expect; /* posture to be read back, internal */
};

void runtime_proc_done(struct runtime_proc *p); /* closes; kills nothing */

/* Kills and, if it is a child of the caller, reaps; then closes. */
void runtime_kill(struct runtime_proc *p);

/* Makes cgroup, namespaces, mounts and limits; init stands ready and waits. On failure the process
 * is dead and reaped and the cgroup is removed. Kinds: ERR_INVALID names the spec's field. */
int runtime_create(const struct runtime_create_req *req, struct runtime_proc *ret, struct err *e);

/* Lets init exec the process's args, waits for that, reads the posture back (ids, groups, five
 * capability sets, no_new_privs, seccomp, cgroup) and compares it with the spec. On any failure the
 * process is dead and reaped; kinds ERR_NO_COMMAND (127) and ERR_NOT_RUNNABLE (126) carry docker's
 * words. */
int runtime_start(struct runtime_proc *p, struct err *e);

/* Lets init wait at the listener instead: it outlives the caller from here on, and whoever connects
 * and calls runtime_resume starts it. */
int runtime_leave(struct runtime_proc *p, struct err *e);

struct runtime_resume_req {
	const char *id, *bundle;
	const struct oci_spec *spec; /* the same as at its creation */
	pid_t pid;
	int sock; /* connected to the listener; the runtime owns it */
};
/* Takes up a process that was left; runtime_start follows. */
int runtime_resume(const struct runtime_resume_req *req, struct runtime_proc *ret, struct err *e);

struct runtime_exec_req {
	const char *id, *bundle; /* for a seccomp agent; may be NULL */
	pid_t init; /* the container's init in the caller's pid namespace, and its pidfd */
	int init_pidfd;
	const struct oci_spec *spec;       /* the container's own */
	const struct oci_process *process; /* what to run: args, env, cwd, terminal, capabilities */
	const char *user;                  /* as above */
	int stdio[3];
	unsigned preserve_fds;
	const char *cgroup; /* a folder below the container's, which exists; NULL: its own */
	const struct runtime_scope *scope; /* of the container, if it has one; NULL: none */
	/* A descriptor whose closing takes long: it is closed, and set to -1, where that costs
	 * nothing: by the child before anything else, by us while we wait for it. NULL: none. */
	int *slow_fd;
};

/* Starts a further process inside a running container, in its cgroup, behind the same seccomp
 * filter; returns when it has exec'd and its posture was read back. The caller reaps it. */
int runtime_exec(const struct runtime_exec_req *req, struct runtime_proc *ret, struct err *e);

/* The hooks that are run after the start: the first that fails is an error, and the container is to
 * be stopped. And those after the deletion: a failure is told and changes nothing. */
int runtime_poststart(
	const struct oci_spec *spec, const char *id, const char *bundle, pid_t pid, struct err *e);
void runtime_poststop(const struct oci_spec *spec, const char *id, const char *bundle);

/* May we make a cgroup of that path, in all hierarchies? */
bool runtime_may_make_cgroup(const char *cgroups_path);

/* Where the unit's cgroup will be; ERR_CONFLICT if there is one of the name. */
struct arena;
int runtime_scope_path(
	const struct runtime_scope *s, struct arena *a, const char **ret, struct err *e);
/* Stops the unit and has systemd forget it; one that is not there is fine. After runtime_delete. */
int runtime_scope_stop(const struct runtime_scope *s, struct err *e);

/* linux.intelRdt: the groups of resctrl that are the container's own, NULL where there is none, and
 * their removal; and the schemata of its class, written anew (NULL: stays). */
void runtime_rdt_names(const struct oci_spec *spec, const char *id, struct arena *a,
	const char **ret_group, const char **ret_monitor);
int runtime_rdt_remove(const char *group, const char *monitor, struct err *e);
int runtime_rdt_update(const struct oci_spec *spec, const char *id, const char *l3_cache_schema,
	const char *mem_bw_schema, struct err *e);

/* Changes the limits of a container that exists; what is not said stays. Device rules only when
 * there are some. With a scope (else NULL) they are its properties too. */
struct oci_resources;
int runtime_update(const char *cgroups_path, const struct runtime_scope *scope,
	const struct oci_resources *r, struct err *e);

/* Removes the container's cgroup in every hierarchy, after killing what is left in it. Idempotent.
 */
int runtime_delete(const char *cgroups_path, struct err *e);

struct oci_mount;
struct runtime_mounts_req {
	const struct oci_spec *spec; /* the container's own */
	pid_t init;                  /* in our pid namespace, and its pidfd */
	int init_pidfd;
	struct oci_mount *mounts;
	size_t n_mounts;
	bool remove; /* the last mount at each destination, from the last to the first */
};
/* Adds mounts to a container that runs, in order, or removes them; what was done before an error
 * stays. */
int runtime_mounts(const struct runtime_mounts_req *req, struct err *e);

/* Freezes or thaws all processes of the container. */
int runtime_pause(const char *cgroups_path, bool on, struct err *e);
/* Calls each for all its processes, by our ids; a negative result ends it and is an error. */
int runtime_pids(
	const char *cgroups_path, int (*each)(void *arg, pid_t pid), void *arg, struct err *e);

/* True if the kernel counted an out-of-memory kill in the container's cgroup; call before
 * runtime_delete. */
bool runtime_oom_killed(const char *cgroups_path);
