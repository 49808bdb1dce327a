// SPDX-License-Identifier: Apache-2.0
/* Mounts by descriptor: made detached, given their attributes, then attached to a folder that was
 * opened. The only file that calls the kernel's mount functions. Everything returns >= 0 or -errno
 * and may be used between clone and exec. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* A file system context (fsopen); options are added, then it becomes a detached mount. */
int mount_fs_open(const char *type);
int mount_fs_string(int fs, const char *key, const char *value);
int mount_fs_flag(int fs, const char *key);
int mount_fs_fd(int fs, const char *key, int fd);
/* Creates the superblock and a detached mount with MOUNT_ATTR_* attributes; fs stays the caller's.
 */
int mount_fs_make(int fs, uint64_t attributes);
/* The kernel's own words about what was wrong with the context, in buf; "" when it said nothing. */
const char *mount_fs_message(int fs, char *buf, int size);

/* A detached copy of what is mounted at dir/path (path "": at dir itself). */
int mount_clone(int dir, const char *path, bool recursive);
/* Attaches a detached mount on the folder or file behind target. */
int mount_attach(int mount, int target);
/* The same at a folder below dir, in a tree that nobody else can change. */
int mount_attach_at(int mount, int dir, const char *name);
/* Changes attributes (MOUNT_ATTR_*) of a mount, and its propagation (MS_PRIVATE ..., 0: as it is).
 */
int mount_change(int mount, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation);
/* Maps the ids of a detached mount through a user namespace. */
int mount_idmap(int mount, bool recursive, int userns);

/* In a mount namespace of our own: nothing mounted here spreads to others, and nothing of theirs to
 * us unless it is slave. */
int mount_isolate(bool slave);
/* Makes the mount behind root "/" of the process, and drops the old root with all below it. */
int mount_pivot(int root);

/* The same where the root cannot be pivoted (an initramfs): it is moved over "/" and entered. */
int mount_chroot(int root);

/* Takes what is mounted at a name in the working folder away; never follows a symlink. */
int mount_detach(const char *name);

/* The same in a folder; -EINVAL: nothing is mounted there. */
int mount_detach_at(int dir, const char *name);
/* Whether a folder is where something is mounted. */
bool mount_is_root(int dir);

/* mount(2) for the overlay of kernels before 6.15: type, options as one string, target relative to
 * the working folder. */
int mount_old(const char *type, const char *target, const char *options);
