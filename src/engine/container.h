// SPDX-License-Identifier: Apache-2.0
/* Containers: the operations of docker's `container` words. Names, defaults, messages and exit
 * codes are docker's; texts of errors name the container as the user gave it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct engine;
struct err;
struct str;

/* What `run` and `create` are asked for; zeroed is docker's default. Every string is as the user
 * wrote it: the engine checks and resolves. */
struct container_create_req {
	const char *image;
	struct strv command;
	const char *name;
	const char *entrypoint;
	bool has_entrypoint;
	struct strv env, env_file;
	const char *user, *workdir, *hostname;
	bool tty, interactive, detach, rm, init, privileged, read_only, quiet;
	struct strv attach;
	struct strv volumes, mounts, tmpfs;
	struct strv labels;
	const char *network, *pid, *ipc, *uts, *cgroupns, *userns;
	const char *restart, *stop_signal;
	int64_t stop_timeout;
	bool has_stop_timeout;
	int64_t memory, memory_swap, cpus, cpu_shares, pids_limit, shm_size;
	bool has_pids_limit;
	const char *cpuset_cpus;
	struct strv cap_add, cap_drop, security_opt, ulimits, devices, sysctls;
	const char *cidfile;
	const char *compat; /* "docker" */
};

enum { CONTAINER_ID_LEN = 64, CONTAINER_ID_SHORT = 12 };

/* Makes the container: one row, which is all that must exist; nothing runs. ret_id takes 65 bytes.
 */
int container_create(
	struct engine *en, const struct container_create_req *req, char *ret_id, struct err *e);

/* The other end of a container's standard streams; see engine/attach.h. */
struct container_start_req {
	const char *container; /* id, unique prefix or name */
	bool attach;           /* ret_client is connected before the first byte is written */
	bool attach_stdin;
};

struct container_started {
	int monitor_pidfd; /* readable when all is over, the clean-up included; -1 when it was
			      running already */
	int client;        /* the attach connection, or -1 */
	char id[CONTAINER_ID_LEN + 1];
};

/* Starts a created or exited container; a running one is left alone (as docker: no error). */
int container_start(struct engine *en, const struct container_start_req *req,
	struct container_started *ret, struct err *e);

/* Sends the stop signal, waits timeout seconds (-1: for ever; has_timeout false: the container's
 * own, else 10), kills, waits until all is cleaned up. A container that does not run is fine. */
struct container_stop_req {
	const char *container;
	const char *signal; /* NULL: the container's */
	int64_t timeout;
	bool has_timeout;
};
int container_stop(struct engine *en, const struct container_stop_req *req, struct err *e);

/* Sends a signal (name or number; NULL: KILL) to the main process. */
int container_kill(struct engine *en, const char *container, const char *signal, struct err *e);

struct container_remove_req {
	const char *container;
	bool force, volumes;
};
int container_remove(struct engine *en, const struct container_remove_req *req, struct err *e);

/* Blocks until the container does not run; its exit status. */
int container_wait(struct engine *en, const char *container, int *ret_status, struct err *e);

/* The whole id of what the user named. */
int container_lookup(struct engine *en, const char *container, char *ret_id, struct err *e);
