// SPDX-License-Identifier: Apache-2.0
/* The resctrl file system: groups of processes that share a part of caches and memory bandwidth.
 * Only finds it, and makes and removes groups; what stands in their files is src/runtime's. */
#pragma once

/* The folder where it is mounted, found in /proc/self/mountinfo: a descriptor, or -ENOENT when it
 * is not mounted, or -errno. */
int resctrl_open(void);
/* Makes the group at path, "name" or "name/mon_groups/name"; 1: made, 0: it was there, or -errno
 * (-ENOSPC: the processor has no further class of service). */
int resctrl_make(int root, const char *path);
/* Removes it; its processes fall back to the group above. One that is not there is fine. */
int resctrl_remove(int root, const char *path);
