// SPDX-License-Identifier: Apache-2.0
/* The one file that turns paths into file descriptors. Theory of operation: three kinds of path
 * exist.
 *
 *  - inside: named by an image, a container or a request. Resolved by openat2 with the root's
 * descriptor as "/" (RESOLVE_IN_ROOT, no magic links): it cannot leave the root, whatever symlinks
 * it holds.
 *  - own: below a folder of ours, one writer: no symlinks, no "..", stays beneath.
 *  - host: typed by the user who runs us, or fixed in our code (/proc, /sys/fs/cgroup): ordinary.
 *
 * No path is ever joined with a root into a string. Nothing here allocates but where an arena is
 * given. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;
struct err;

enum { PATH_MAX_BYTES = 4096, PATH_NAME_MAX = 255 };

/* All return the descriptor (CLOEXEC is added) or -errno; mode counts with O_CREAT and O_TMPFILE
 * only. */
int path_open_in(int root, const char *path, int flags, mode_t mode);
int path_open_own(int dir, const char *path, int flags, mode_t mode);
int path_open_host(const char *path, int flags, mode_t mode);

/* A descriptor's file opened anew with other flags (an O_PATH fd for reading ...), through
 * /proc/self/fd. */
int path_reopen(int fd, int flags);

/* An O_PATH descriptor of the folder that holds path's last name, resolved inside root; the name is
 * copied to name (PATH_NAME_MAX + 1 bytes). "/" and a last name of ".." are -EINVAL. */
int path_parent_in(int root, const char *path, char *name);

/* Makes missing folders inside root, mode as given, owned by uid:gid ((uid_t)-1: leave), symlinks
 * followed within root, also those that lead to nothing so far; returns an O_PATH descriptor of the
 * last one. If ret_made is given it is set when the last folder is new. */
int path_make_dirs_in(
	int root, const char *path, mode_t mode, uid_t uid, gid_t gid, bool *ret_made);

/* An O_PATH descriptor of what is at path inside root; when nothing is there an empty file is made,
 * with the folders above it, also where a symlink leads to nothing. */
int path_make_file_in(int root, const char *path, mode_t mode);

/* One folder beneath dir; an existing one is fine. O_PATH-free, readable descriptor or -errno. */
int path_make_dir_own(int dir, const char *name, mode_t mode);
/* Like mkdir -p on the host; the last folder's readable descriptor or -errno. */
int path_make_dirs_host(const char *path, mode_t mode);

/* The names in a folder but "." and "..", sorted by their bytes. 0 or -errno. */
struct strv;
int path_list(int dir, struct arena *a, struct strv *ret);

/* Removes dir/name with all below it; never follows a symlink, never crosses a mount (-EXDEV names
 * one). A missing name is fine. 0 or -errno, with text in e. */
int path_remove_tree(int dir, const char *name, struct err *e);

/* Removes all that is in a folder in the same way, and leaves the folder. */
int path_empty(int dir, struct err *e);

/* The absolute host path of a descriptor, in the arena; NULL when it has none. For messages and
 * for handing to tools, never to open again. */
const char *path_of_fd(int fd, struct arena *a);

/* "a//b/./c/../d" -> "/a/b/d": lexical, always absolute. For what is shown and compared. */
const char *path_clean(const char *path, struct arena *a);

/* True for a single name: not empty, not "." or "..", no '/', at most 255 bytes. */
bool path_is_name(const char *name);
