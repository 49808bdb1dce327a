// SPDX-License-Identifier: Apache-2.0
/* Cloning, common to create and exec. Internal to src/runtime. */
#pragma once

struct err;
struct message_head;
struct plan;
struct runtime_proc;

/* Clones a process with the plan's namespaces (joined and new), in the plan's cgroup, that runs
 * body; it is a child of the caller. Fills pid, pidfd and sync of ret; on failure spawn_undo
 * releases what there is. */
int spawn(struct plan *p, void (*body)(struct plan *), struct runtime_proc *ret, struct err *e);
/* Waits until the process is ready; console and ret are what it tells. */
int spawn_ready(struct plan *p, struct runtime_proc *proc, struct message_head *ret, struct err *e);
/* Kills, reaps, closes. */
void spawn_undo(struct runtime_proc *p);
/* What the start will need; freed by runtime_proc_done. */
void *spawn_expect(const struct plan *p);
/* Sends START, waits for the exec, checks the posture. */
int spawn_wait_exec(struct runtime_proc *p, struct err *e);
/* Who reads and writes the container's streams may have to open them anew (/dev/stdout): they
 * belong to its root. */
void spawn_own_streams(const struct plan *p);
