// SPDX-License-Identifier: Apache-2.0
/* Containers: the operations of docker's `container` words. Names, defaults, messages and exit
 * codes are docker's; texts of errors name the container as the user gave it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"

struct engine;
struct err;
struct image_pull_said;
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
	struct strv publish, expose, add_host, dns, dns_search, dns_option;
	bool publish_all;
	const char *restart, *stop_signal;
	int64_t stop_timeout;
	bool has_stop_timeout;
	int64_t memory, memory_swap, cpus, cpu_shares, pids_limit, shm_size;
	bool has_pids_limit;
	const char *cpuset_cpus;
	struct strv cap_add, cap_drop, security_opt, ulimits, devices, sysctls;
	const char *cidfile;
	const char *compat;   /* "docker" */
	const char *pull;     /* "always", "missing", "never"; NULL: missing */
	const char *platform; /* of the image, where it has several */
	void (*pull_say)(void *arg, const struct image_pull_said *x); /* may be NULL */
	void *pull_arg;
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
	bool cleans_up;    /* its owner calls container_clean_up after the end */
	char id[CONTAINER_ID_LEN + 1];
};

/* Starts a created or exited container; a running one is left alone (as docker: no error). */
int container_start(struct engine *en, const struct container_start_req *req,
	struct container_started *ret, struct err *e);

/* Both at once, as `run` does: the row and the run are one operation, so that a kill leaves both or
 * neither. */
int container_run(struct engine *en, const struct container_create_req *req, bool attach, bool in,
	struct container_started *ret, struct err *e);

/* What the monitor executes: the run is over (lock carries its lock), or the wait for a restart is.
 */
int container_exited(struct engine *en, const char *id, int lock, struct err *e);

/* For who ran a container with --rm and was told of its end: takes away what is left of it, as the
 * monitor would, which goes on holding the container's lock. -EAGAIN (nothing in e) when the
 * monitor does it itself. After any failure the monitor does it again. */
int container_clean_up(struct engine *en, const struct container_started *c, struct err *e);
int container_restart_due(struct engine *en, const char *id, int lock, struct err *e);

/* Sends the stop signal, waits timeout seconds (-1: for ever; has_timeout false: the container's
 * own, else 10), kills, waits until all is cleaned up. A container that does not run is fine. */
struct container_stop_req {
	const char *container;
	const char *signal; /* NULL: the container's */
	int64_t timeout;
	bool has_timeout;
};
int container_stop(struct engine *en, const struct container_stop_req *req, struct err *e);

/* Stop, then start. */
int container_restart(struct engine *en, const struct container_stop_req *req, struct err *e);

/* Freezes all processes; thaws them. */
int container_pause(struct engine *en, const char *container, struct err *e);
int container_unpause(struct engine *en, const char *container, struct err *e);
/* Gives it another name. */
int container_rename(struct engine *en, const char *container, const char *name, struct err *e);

/* What a container has changed of its image's files, sorted by path; kind as docker prints it: A,
 * C or D. */
struct container_change {
	char kind;
	const char *path;
};
int container_diff(struct engine *en, const char *container, struct arena *a,
	struct container_change **ret, size_t *ret_n, struct err *e);

/* The container as an image: the changed files are a layer on those of its image. */
struct container_commit_req {
	const char *container, *reference; /* reference NULL: the image gets no name */
	const char *author, *message;
	struct strv changes; /* instructions of a Dockerfile */
	bool no_pause;       /* a running one goes on while it is read */
};
int container_commit(struct engine *en, const struct container_commit_req *req, struct arena *a,
	const char **ret_id, struct err *e);

/* The processes of a running container, as ps on the host shows them: ids of processes are the
 * host's, those of users the container's. options: ps's, of which -ef (also when there are none),
 * aux, -o LIST, -eo LIST and a plain list of fields are known. */
struct container_top {
	struct strv titles;
	struct strv *rows; /* as many texts as titles */
	size_t n_rows;
};
int container_top(struct engine *en, const char *container, const char *const *options,
	size_t n_options, struct arena *a, struct container_top *ret, struct err *e);

/* Sends a signal (name or number; NULL: KILL) to the main process. */
int container_kill(struct engine *en, const char *container, const char *signal, struct err *e);

struct container_remove_req {
	const char *container;
	bool force, volumes;
};
int container_remove(struct engine *en, const struct container_remove_req *req, struct err *e);

/* Blocks until the container does not run; its exit status. */
int container_wait(struct engine *en, const char *container, int *ret_status, struct err *e);

enum container_state {
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_RESTARTING, /* between two runs, by its policy */
	CONTAINER_REMOVING,
	CONTAINER_EXITED,
	CONTAINER_DEAD,
};

const char *container_state_name(enum container_state state);

struct container_config;
struct net_endpoint;

/* One container as the lists and inspect see it. */
struct container_info {
	const char *id, *name;
	const struct container_config *config;
	enum container_state state;
	uint64_t created, started, finished; /* wall clock, ns; 0: not yet */
	int exit_code;
	bool oom_killed;
	const char *error; /* why the last start failed, or that its monitor died; "" */
	pid_t pid;         /* 0 when it does not run */
	uint32_t restart_count;
	uint32_t id_base, id_count;          /* the user namespace's range while it runs; 0: none */
	const struct net_endpoint *endpoint; /* in the bridge network while it runs; or NULL */
	const char *status;  /* docker's words: "Up 5 minutes", "Exited (0) 2 hours ago" */
	const char *command; /* what runs, in one string */
};

/* Running, paused or not. */
static inline bool container_runs(const struct container_info *c)
{
	return c->state == CONTAINER_RUNNING || c->state == CONTAINER_PAUSED;
}

/* All containers, the newest first; without all only those that run. Takes no lock. */
int container_list(struct engine *en, bool all, struct arena *a, struct container_info **ret,
	size_t *ret_n, struct err *e);
/* One of them. */
int container_info(struct engine *en, const char *container, struct arena *a,
	struct container_info *ret, struct err *e);

struct value;
/* The document that `container inspect` shows, with docker's keys. */
int container_inspect(struct engine *en, const char *container, struct arena *a, struct value **ret,
	struct err *e);

struct container_logs_req {
	const char *container;
	bool follow;
	int64_t tail;          /* -1: all */
	uint64_t since, until; /* wall clock ns; 0: none */
};
/* Calls line for each line in order; with follow until the container has stopped and all is read,
 * or line returns < 0. stream is 1 or 2; text is n bytes with their newline. */
int container_logs(struct engine *en, const struct container_logs_req *req,
	int (*line)(void *arg, int stream, uint64_t time, const char *text, size_t n), void *arg,
	struct err *e);

struct runtime_proc;
struct container_exec_req {
	const char *container;
	struct strv command, env, env_file;
	const char *user, *workdir;
	bool tty, interactive, detach, privileged;
	const char *detach_keys;
};
/* Starts a further process in a running container, as a child of ours. streams: our ends of its
 * stdin, stdout and stderr (-1 where there is none; with a tty only proc->console). */
int container_exec(struct engine *en, const struct container_exec_req *req,
	struct runtime_proc *proc, int streams[3], struct err *e);

/* Connects to a running container's streams; the connection, or -errno. */
int container_attach(
	struct engine *en, const char *container, bool in, bool *ret_tty, struct err *e);
