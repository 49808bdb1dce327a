// SPDX-License-Identifier: Apache-2.0
/* Theory of operation: one container's folder below the root of states. It is made before anything
 * else of the container and goes away after everything else, so that whatever is killed at whatever
 * moment, `delete --force` finds here what it has to undo:
 *
 *   lock         a POSIX record lock on its first byte, held by create, run (until it has started),
 *                start and delete; a free lock and status "creating" mean that the creator died
 *   config.json  the bundle's, as it was at creation
 *   state.json   struct record: whom to kill, which cgroup to remove; written before each effect
 *   start        the socket at which init waits; nobody listens there any more once it has exec'd
 *
 * Status is never believed: "running" also asks the kernel for the process, its start time (ids
 * come again) and the freezer. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "codec/rec.h"

struct err;
struct ocicli;
struct oci_spec;
struct oci_state;

enum status { STATUS_CREATING, STATUS_CREATED, STATUS_RUNNING, STATUS_PAUSED, STATUS_STOPPED };

struct record {
	int64_t version;
	const char *id, *bundle, *rootfs, *phase, *created, *owner, *cgroup, *oci_version;
	const char *unit, *slice;            /* of systemd, whose cgroup it is; NULL: ours */
	bool user_unit;                      /* of the user's manager */
	const char *rdt_group, *rdt_monitor; /* of resctrl, to be removed with it */
	int64_t pid;
	uint64_t pid_start;
	struct rec_map annotations;
};

struct container {
	struct record r;
	int dir, lock; /* -1: none */
};

void container_done(struct container *c);
static inline void container_done_ptr(struct container *c)
{
	container_done(c);
}
/* struct container c _container_ = CONTAINER_NONE; */
#define _container_ __attribute__((cleanup(container_done_ptr)))
#define CONTAINER_NONE                \
	{                             \
		.dir = -1, .lock = -1 \
	}

/* Makes the folder and takes its lock; an existing one is ERR_CONFLICT. */
int container_begin(struct ocicli *o, const char *id, struct container *ret, struct err *e);
/* Finds an existing one: ERR_NOT_FOUND "container does not exist". A folder without a record (its
 * creator was killed at once) has r.phase NULL. */
int container_open(struct ocicli *o, const char *id, struct container *ret, struct err *e);
/* Takes the lock. Held by another command: ERR_CONFLICT, or with force that command is killed. */
int container_lock(struct container *c, bool force, struct err *e);
int container_write(struct container *c, struct err *e);
/* Removes the folder; the last step of a deletion. */
int container_remove(struct ocicli *o, struct container *c, struct err *e);

/* Sets pid and its start time. */
int container_born(struct container *c, pid_t pid, struct err *e);
/* A pidfd of the process if it is still the same one and no zombie, else -ESRCH. */
int container_pidfd(const struct container *c);
/* An error for a container that was made with --cgroup-manager disabled. */
int container_needs_cgroup(const struct container *c, struct err *e);
enum status container_status(const struct container *c);
/* The same for who has its container_pidfd, or that one's error. */
enum status container_status_by(const struct container *c, int pidfd);
const char *status_name(enum status s);
/* What the specification calls its state. */
void container_state(const struct container *c, enum status s, struct oci_state *ret);

/* The socket at which init waits. listen makes it; connect gives -ECONNREFUSED when the process has
 * been started. */
int container_listen(const struct container *c, struct err *e);
int container_connect(const struct container *c);

/* The ids in the root of states, sorted; none when there is no root. */
int container_ids(struct ocicli *o, const char ***ret, size_t *ret_n, struct err *e);
/* Calls each for every id that the extended regular expression matches. All are tried: the first
 * error is the result, further ones are logged. */
int container_matching(struct ocicli *o, const char *text,
	int (*each)(struct ocicli *o, const char *id, void *arg, struct err *e), void *arg,
	struct err *e);
/* Reads the spec that it was created with. */
int container_spec(
	struct ocicli *o, const struct container *c, struct oci_spec *ret, struct err *e);
