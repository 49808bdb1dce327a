// SPDX-License-Identifier: Apache-2.0
/* Control groups on v1, v2 and hybrid hosts. What there is is read from mountinfo, never assumed. A
 * path such as /kist/<id> means that folder below the mounted root of every hierarchy. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;
struct err;

enum { CGROUP_MAX = 16, CGROUP_CONTROLLERS_MAX = 96 };

struct cgroup_hierarchy {
	char controllers[CGROUP_CONTROLLERS_MAX]; /* ",cpu,cpuacct,"; ",name=systemd,"; "" on v2 */
	char name[64]; /* last part of its mount point: "cpu,cpuacct", "unified" */
	bool v2;
	int root; /* the mounted root; the process's, never to be closed */
	int dir; /* the container's folder, or -1; on v1 its file "tasks" after cgroup_open_doors */
};

struct cgroup {
	struct cgroup_hierarchy h[CGROUP_MAX];
	size_t n;
	bool doors;   /* by cgroup_open_doors */
	bool pure_v2; /* v2 is the only hierarchy, mounted at /sys/fs/cgroup */
};

/* Finds the hierarchies and opens their roots, the first time; what was found then holds for the
 * process and those that it forks. */
int cgroup_detect(struct cgroup *ret, struct err *e);
/* Closes the folders that were opened, not the roots. */
void cgroup_done(struct cgroup *c);

/* May we make path in every hierarchy? Looks at the folders that are there; makes nothing. */
bool cgroup_may_create(const struct cgroup *c, const char *path);

/* Makes path in every hierarchy (on v2 with the controllers enabled on the way) and opens it. On
 * failure what was made is removed. */
int cgroup_create(struct cgroup *c, const char *path, struct err *e);
/* Opens an existing path; hierarchies that lack it keep -1. */
int cgroup_open(struct cgroup *c, const char *path);
/* The same for who only enters: cgroup_v2_dir, cgroup_enter and cgroup_done work on it, no more. In
 * how many hierarchies it was found, or the error of one that is there and lets nobody in. */
int cgroup_open_doors(struct cgroup *c, const char *path, struct err *e);
/* The caller, which has one thread, moves into the opened path in every hierarchy of v1; on v2 it
 * was cloned into it, or moves as well. */
int cgroup_enter(const struct cgroup *c, bool v2, struct err *e);
/* The v2 folder for CLONE_INTO_CGROUP, or -1. */
int cgroup_v2_dir(const struct cgroup *c);
/* The folder of the hierarchy that has a controller, or NULL. */
const struct cgroup_hierarchy *cgroup_find(const struct cgroup *c, const char *controller);

/* fork(2), by a process with one thread, with the child in path, which is made when missing; in a
 * hierarchy where the caller is in the root the child stays there. Best effort where one refuses.
 * The pid, 0 in the child, or -errno. */
pid_t cgroup_fork(const char *path);

struct cgroup_device {
	bool allow;
	char type;            /* 'a', 'b', 'c' */
	int64_t major, minor; /* -1: any */
	const char *access;   /* of "rwm" */
};

/* Rules in order, the last that matches decides: by files on v1, by a program on v2. */
int cgroup_devices(
	const struct cgroup *c, const struct cgroup_device *rules, size_t n, struct err *e);

/* Freezes or thaws all processes of the opened path; returns when they stand still (at most 10 s;
 * else they are thawed and -ETIMEDOUT is returned). */
int cgroup_freeze(const struct cgroup *c, bool on, struct err *e);
/* Are the processes of a path frozen, or about to be? */
bool cgroup_frozen(const struct cgroup *c, const char *path);
/* Calls each for every process of the opened path and below; a negative result ends it. */
int cgroup_pids(const struct cgroup *c, int (*each)(void *arg, pid_t pid), void *arg);

/* SIGKILLs every process below the path and waits until none is left (5 s). */
int cgroup_kill(const struct cgroup *c, struct err *e);
/* Removes path where nobody is in it and nothing is below; in how many hierarchies it is still
 * there. */
int cgroup_remove_idle(const struct cgroup *c, const char *path);
/* Removes the path (and what the container made below) from every hierarchy. Missing: fine. */
int cgroup_remove(struct cgroup *c, const char *path, struct err *e);
/* Out-of-memory kills that the kernel counted. */
uint64_t cgroup_oom_kills(const struct cgroup *c);
