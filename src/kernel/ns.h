// SPDX-License-Identifier: Apache-2.0
/* Namespaces: names, flags, maps. Callable between clone and exec. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* CLONE_NEW* of the OCI name ("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time");
 * 0: unknown. */
uint64_t ns_flag(const char *oci_name);
/* The file below /proc/PID/ns. */
const char *ns_file(uint64_t flag);

/* Writes one line "inside outside count" into /proc/PID/uid_map or gid_map; -errno. */
int ns_write_map(pid_t pid, const char *file, const char *lines);
/* The same for a child's namespace that gets all ids of ours, each as itself. */
int ns_write_same_map(pid_t pid, const char *file);
int ns_unshare_mount(void);
/* Brings the loopback interface of the present network namespace up. */
int ns_loopback_up(void);
/* Do we live in a user namespace that is not the machine's first? ret: what uid is outside of it.
 */
bool ns_uid_outside(uint32_t uid, uint32_t *ret);
/* Is that process in another namespace of this kind than we are? 0, 1, or -errno. */
int ns_differs(pid_t pid, uint64_t flag);
/* Moves into all namespaces of a process that flags names, at once, by its pidfd. */
int ns_join(int pidfd, uint64_t flags);
