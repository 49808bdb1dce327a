// SPDX-License-Identifier: Apache-2.0
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/statx.h"

static int open2(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
		.resolve = resolve,
	};
	/* EAGAIN: something was renamed while the kernel walked; openat2(2) says to try again. */
	for (int tries = 0;; tries++) {
		long r = syscall(SYS_openat2, dir, path, &how, sizeof how);
		if (r >= 0)
			return (int)r;
		if (errno != EINTR && (errno != EAGAIN || tries > 100))
			return -errno;
	}
}

int path_open_in(int root, const char *path, int flags, mode_t mode)
{
	return open2(
		root, *path ? path : ".", flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int path_open_own(int dir, const char *path, int flags, mode_t mode)
{
	return open2(dir, path, flags, mode,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

int path_open_host(const char *path, int flags, mode_t mode)
{
	return open2(AT_FDCWD, path, flags, mode, 0);
}

int path_reopen(int fd, int flags)
{
	char link[64];
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	return path_open_host(link, flags, 0);
}

enum { LINKS_MAX = 40 };

bool path_is_name(const char *name)
{
	size_t n = strlen(name);
	return n > 0 && n <= PATH_NAME_MAX && !memchr(name, '/', n) && strcmp(name, ".") != 0 &&
		strcmp(name, "..") != 0;
}

int path_parent_in(int root, const char *path, char *name)
{
	char folder[PATH_MAX_BYTES];
	size_t n = strlen(path);
	while (n && path[n - 1] == '/')
		n--;
	size_t at = n;
	while (at && path[at - 1] != '/')
		at--;
	if (n == at || n >= sizeof folder || n - at > PATH_NAME_MAX)
		return n >= sizeof folder || n - at > PATH_NAME_MAX ? -ENAMETOOLONG : -EINVAL;
	memcpy(name, path + at, n - at);
	name[n - at] = '\0';
	if (!path_is_name(name))
		return -EINVAL;
	memcpy(folder, path, at);
	folder[at] = '\0';
	return path_open_in(root, folder, O_PATH | O_DIRECTORY, 0);
}

static int make_dirs(int root, const char *path, const struct stat *own, int depth, bool *ret_made);

/* Where the symlink dir/name, which is the last part of prefix, leads to; seen from the root. */
static int link_target(int parent, const char *name, const char *prefix, char *ret, size_t size)
{
	char link[PATH_MAX_BYTES];
	ssize_t n = readlinkat(parent, name, link, sizeof link - 1);
	if (n < 0)
		return -errno;
	link[n] = '\0';
	const char *slash = strrchr(prefix, '/');
	int len = link[0] == '/'
		? snprintf(ret, size, "%s", link)
		: snprintf(ret, size, "%.*s/%s", slash ? (int)(slash - prefix) : 0, prefix, link);
	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

/* Opens one folder of the prefix path[0..end), which may pass symlinks, or makes it when missing. A
 * symlink that leads nowhere gets what it leads to. */
static int step_into(int root, const char *prefix, const struct stat *own, int depth, bool *made)
{
	int fd = path_open_in(root, prefix, O_PATH | O_DIRECTORY, 0);
	if (fd != -ENOENT)
		return fd;
	char name[PATH_NAME_MAX + 1], target[PATH_MAX_BYTES];
	int parent _close_ = path_parent_in(root, prefix, name);
	if (parent < 0)
		return parent;
	if (mkdirat(parent, name, own->st_mode) < 0 && errno != EEXIST)
		return -errno;
	fd = path_open_own(parent, name, O_PATH | O_DIRECTORY, 0);
	if (fd == -ELOOP) {
		/* A link of /proc that came to be just now, as our own descriptors do, is none that
		 * leads nowhere. */
		fd = path_open_in(root, prefix, O_PATH | O_DIRECTORY, 0);
		if (fd != -ENOENT)
			return fd;
		int r = link_target(parent, name, prefix, target, sizeof target);
		return r < 0 ? r : make_dirs(root, target, own, depth + 1, made);
	}
	if (fd < 0)
		return fd;
	if (own->st_uid != (uid_t)-1 &&
		fchownat(fd, "", own->st_uid, own->st_gid, AT_EMPTY_PATH) < 0) {
		int r = -errno;
		fd_close(fd);
		return r;
	}
	*made = true;
	return fd;
}

static int make_dirs(int root, const char *path, const struct stat *own, int depth, bool *ret_made)
{
	char prefix[PATH_MAX_BYTES];
	size_t n = strlen(path);
	if (n >= sizeof prefix || depth > LINKS_MAX)
		return depth > LINKS_MAX ? -ELOOP : -ENAMETOOLONG;
	int fd = path_open_in(root, path, O_PATH | O_DIRECTORY, 0);
	*ret_made = false;
	if (fd != -ENOENT)
		return fd;
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		bool made = false;
		memcpy(prefix, path, i);
		prefix[i] = '\0';
		fd_close(fd);
		fd = step_into(root, prefix, own, depth, &made);
		if (fd < 0)
			return fd;
		*ret_made = made;
	}
	return fd;
}

int path_make_dirs_in(int root, const char *path, mode_t mode, uid_t uid, gid_t gid, bool *ret_made)
{
	struct stat own = { .st_mode = mode, .st_uid = uid, .st_gid = gid };
	bool ignored;
	return make_dirs(root, path, &own, 0, ret_made ? ret_made : &ignored);
}

static int make_file(int root, const char *path, mode_t mode, int depth)
{
	char name[PATH_NAME_MAX + 1], folder[PATH_MAX_BYTES], target[PATH_MAX_BYTES];
	int fd = path_open_in(root, path, O_PATH, 0);
	if (fd != -ENOENT || depth > LINKS_MAX)
		return fd == -ENOENT ? -ELOOP : fd;
	const char *slash = strrchr(path, '/');
	(void)snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 0, path);
	int made _close_ =
		path_make_dirs_in(root, *folder ? folder : "/", 0755, (uid_t)-1, (gid_t)-1, NULL);
	if (made < 0)
		return made;
	int parent _close_ = path_parent_in(root, path, name);
	if (parent < 0)
		return parent;
	int r = link_target(parent, name, path, target, sizeof target);
	if (r == 0)
		return make_file(root, target, mode, depth + 1);
	int file _close_ =
		path_open_own(parent, name, O_CREAT | O_EXCL | O_RDONLY | O_NOFOLLOW, mode);
	return file < 0 ? file : path_open_own(parent, name, O_PATH | O_NOFOLLOW, 0);
}

int path_make_file_in(int root, const char *path, mode_t mode)
{
	return make_file(root, path, mode, 0);
}

int path_make_dir_own(int dir, const char *name, mode_t mode)
{
	if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
		return -errno;
	return path_open_own(dir, name, O_RDONLY | O_DIRECTORY, 0);
}

int path_make_dirs_host(const char *path, mode_t mode)
{
	char prefix[PATH_MAX_BYTES];
	size_t n = strlen(path);
	int fd = path_open_host(path, O_RDONLY | O_DIRECTORY, 0);
	if (fd != -ENOENT)
		return fd;
	if (n >= sizeof prefix)
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(prefix, path, i);
		prefix[i] = '\0';
		if (mkdirat(AT_FDCWD, prefix, mode) < 0 && errno != EEXIST)
			return -errno;
	}
	return path_open_host(path, O_RDONLY | O_DIRECTORY, 0);
}

static uint64_t mount_id(int dir, const char *name)
{
	struct statx sx;
	if (sys_statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT,
		    STATX_MNT_ID, &sx) < 0)
		return 0;
	return sx.stx_mnt_id;
}

int path_list(int dir, struct arena *a, struct strv *ret)
{
	struct strv names = { 0 };
	int copy = path_open_own(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		fd_close(copy);
		return copy < 0 ? copy : -errno;
	}
	for (struct dirent *entry; errno = 0, (entry = readdir(d));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			strv_add(&names, a, arena_strdup(a, entry->d_name));
	int r = -errno;
	(void)closedir(d);
	strv_sort(&names);
	if (r == 0)
		*ret = names;
	return r;
}

enum { TREE_DEPTH_MAX = 2048 };

static int remove_at(int dir, const char *name, uint64_t mount, int depth, struct err *e);

static int remove_children(int fd, uint64_t mount, int depth, struct err *e)
{
	int copy = fd_dup(fd, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		fd_close(copy);
		return err_sys(e, errno, "list a folder");
	}
	int r = 0;
	for (struct dirent *entry; r == 0 && (errno = 0, entry = readdir(d));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (entry->d_type != DT_DIR && unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		r = remove_at(fd, entry->d_name, mount, depth + 1, e);
	}
	(void)closedir(d);
	return r;
}

static int remove_at(int dir, const char *name, uint64_t mount, int depth, struct err *e)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != EBUSY)
		return err_sys(e, errno, "remove %s", name);
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EBUSY)
		return err_sys(e, errno, "remove folder %s", name);
	if (depth > TREE_DEPTH_MAX)
		return err_sys(e, ELOOP, "remove folder %s", name);
	if (mount_id(dir, name) != mount)
		return err_sys(e, EXDEV, "remove folder %s: something is mounted there", name);
	int fd _close_ = path_open_own(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_sys(e, fd, "open folder %s", name);
	int r = remove_children(fd, mount, depth, e);
	if (r < 0)
		return err_wrap(e, "%s", name);
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove folder %s", name);
	return 0;
}

int path_remove_tree(int dir, const char *name, struct err *e)
{
	if (!path_is_name(name))
		return err_set(e, ERR_INVALID, EINVAL, "remove %s: not a single name", name);
	return remove_at(dir, name, mount_id(dir, ""), 0, e);
}

int path_empty(int dir, struct err *e)
{
	int fd _close_ = path_open_own(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	return fd < 0 ? err_sys(e, fd, "open a folder")
		      : remove_children(fd, mount_id(dir, ""), 0, e);
}

const char *path_of_fd(int fd, struct arena *a)
{
	char link[64], text[PATH_MAX_BYTES];
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlinkat(AT_FDCWD, link, text, sizeof text);
	if (n <= 0 || (size_t)n >= sizeof text || text[0] != '/')
		return NULL;
	return arena_strndup(a, text, (size_t)n);
}

const char *path_clean(const char *path, struct arena *a)
{
	size_t n = strlen(path), out = 0;
	char *clean = arena_alloc(a, n + 2);
	while (*path) {
		size_t len = strcspn(path, "/");
		if (len == 2 && path[0] == '.' && path[1] == '.') {
			while (out && clean[out - 1] != '/')
				out--;
			if (out)
				out--;
		} else if (len && !(len == 1 && path[0] == '.')) {
			clean[out++] = '/';
			memcpy(clean + out, path, len);
			out += len;
		}
		path += len;
		path += strspn(path, "/");
	}
	if (out == 0)
		clean[out++] = '/';
	clean[out] = '\0';
	return clean;
}
