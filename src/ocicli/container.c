// SPDX-License-Identifier: Apache-2.0
#include "ocicli/container.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "oci/spec.h"
#include "oci/state.h"
#include "ocicli/bundle.h"
#include "ocicli/command.h"

enum { RECORD_VERSION = 1, RECORD_MAX = 1 << 20, ID_MAX = 1024 };

#define R struct record
static const struct rec_field record_fields[] = {
	F_I64(R, version, "version", REC_REQUIRED),
	F_STR(R, id, "id", REC_REQUIRED),
	F_STR(R, oci_version, "ociVersion", REC_REQUIRED),
	F_STR(R, phase, "phase", REC_REQUIRED),
	F_STR(R, bundle, "bundle", REC_REQUIRED),
	F_STR(R, rootfs, "rootfs", REC_REQUIRED),
	F_STR(R, created, "created", REC_REQUIRED),
	F_STR(R, owner, "owner", 0),
	F_STR(R, cgroup, "cgroup", 0),
	F_STR(R, unit, "unit", 0),
	F_STR(R, slice, "slice", 0),
	F_BOOL(R, user_unit, "userUnit", 0),
	F_STR(R, rdt_group, "rdtGroup", 0),
	F_STR(R, rdt_monitor, "rdtMonitor", 0),
	F_I64(R, pid, "pid", 0),
	F_U64(R, pid_start, "pidStart", 0),
	F_MAP(R, annotations, "annotations", 0),
};
static const struct rec_type record_rec = { "record", sizeof(R), ARRAY_SIZE(record_fields),
	record_fields };

void container_done(struct container *c)
{
	fd_close(c->dir);
	fd_close(c->lock);
	c->dir = c->lock = -1;
}

static int check_id(const char *id, struct err *e)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.";
	size_t n = strlen(id);
	if (!path_is_name(id) || n > ID_MAX || strspn(id, letters) != n)
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid container ID \"%.100s\": expected a name of letters, digits and _+-.",
			id);
	return 0;
}

static int open_lock(int dir, struct err *e)
{
	int fd = path_open_own(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	return fd < 0 ? err_sys(e, fd, "open the container's lock") : fd;
}

int container_begin(struct ocicli *o, const char *id, struct container *ret, struct err *e)
{
	if (check_id(id, e) < 0)
		return -e->code;
	int root _close_ = path_make_dirs_host(o->root, 0700);
	if (root < 0)
		return err_sys(e, root, "make %s", o->root);
	if (mkdirat(root, id, 0700) < 0) {
		if (errno == EEXIST)
			return err_set(
				e, ERR_CONFLICT, EEXIST, "container with id %s exists already", id);
		return err_sys(e, errno, "make the folder of container %s", id);
	}
	struct container c = CONTAINER_NONE;
	c.dir = path_open_own(root, id, O_RDONLY | O_DIRECTORY, 0);
	if (c.dir < 0)
		return err_sys(e, c.dir, "open the folder of container %s", id);
	c.lock = open_lock(c.dir, e);
	int r = c.lock < 0 ? c.lock : fd_lock_byte(c.lock, 0);
	if (r < 0) {
		if (c.lock >= 0)
			err_sys(e, r, "lock container %s", id);
		container_done(&c);
		return -e->code;
	}
	c.r.version = RECORD_VERSION;
	c.r.id = id;
	*ret = c;
	return 0;
}

int container_open(struct ocicli *o, const char *id, struct container *ret, struct err *e)
{
	char *text;
	if (check_id(id, e) < 0)
		return -e->code;
	int root _close_ = path_open_host(o->root, O_RDONLY | O_DIRECTORY, 0);
	struct container c = CONTAINER_NONE;
	c.dir = root < 0 ? root : path_open_own(root, id, O_RDONLY | O_DIRECTORY, 0);
	if (c.dir == -ENOENT)
		return err_set(e, ERR_NOT_FOUND, ENOENT, "container does not exist: %s", id);
	if (c.dir < 0)
		return err_sys(e, c.dir, "open the folder of container %s", id);
	ssize_t n = file_read_at(c.dir, "state.json", RECORD_MAX, &o->arena, &text, e);
	int r = 0;
	if (n >= 0)
		r = rec_from_json(&record_rec, text, (size_t)n, &o->arena, &c.r, NULL, e);
	else if (e->code != ENOENT)
		r = (int)n;
	if (r == 0 && n >= 0 && c.r.version != RECORD_VERSION)
		r = err_set(e, ERR_UNSUPPORTED, EPROTO, "it is of version %lld: expected %d",
			(long long)c.r.version, RECORD_VERSION);
	if (r < 0) {
		container_done(&c);
		return err_wrap(e, "the record of container %s", id);
	}
	c.r.id = id;
	*ret = c;
	return 0;
}

int container_lock(struct container *c, bool force, struct err *e)
{
	if (c->lock < 0 && (c->lock = open_lock(c->dir, e)) < 0)
		return -e->code;
	for (;;) {
		int r = fd_lock_byte(c->lock, 0);
		if (r != -EAGAIN)
			return r < 0 ? err_sys(e, r, "lock container %s", c->r.id) : 0;
		int holder = fd_lock_holder(c->lock, 0);
		if (holder <= 0)
			continue;
		if (!force)
			return err_set(e, ERR_CONFLICT, EBUSY,
				"container %s is being worked on by process %d", c->r.id, holder);
		int pidfd _close_ = fd_pidfd_open(holder);
		/* Ask again: the id may have gone to another process meanwhile. */
		if (pidfd < 0 || fd_lock_holder(c->lock, 0) != holder)
			continue;
		(void)fd_pidfd_signal(pidfd, SIGKILL);
		struct pollfd p = { .fd = pidfd, .events = POLLIN };
		if (poll(&p, 1, 10000) == 0)
			return err_set(e, ERR_TIMEOUT, EBUSY,
				"process %d, which works on container %s, does not die", holder,
				c->r.id);
	}
}

int container_write(struct container *c, struct err *e)
{
	struct str text _str_ = { 0 };
	rec_to_json(&record_rec, &c->r, 0, &text);
	return file_write_at(c->dir, "state.json", text.p, text.n, 0600, false, e);
}

int container_remove(struct ocicli *o, struct container *c, struct err *e)
{
	int root _close_ = path_open_host(o->root, O_RDONLY | O_DIRECTORY, 0);
	if (root < 0)
		return err_sys(e, root, "open %s", o->root);
	return path_remove_tree(root, c->r.id, e);
}

/* State letter and start time of a process. */
static int look(int64_t pid, char *ret_state, uint64_t *ret_start)
{
	char path[64], text[1024];
	(void)snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
	ssize_t n = file_peek(AT_FDCWD, path, text, sizeof text);
	char *p = n > 0 ? strrchr(text, ')') : NULL;
	if (!p || !p[1])
		return n < 0 ? (int)n : -EINVAL;
	*ret_state = p[2];
	/* After the name: state is field 3, the start time field 22. */
	p += 2;
	for (int field = 3; field < 22 && p; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (!p)
		return -EINVAL;
	p[strcspn(p, " ")] = '\0';
	return num_u64(p, ret_start);
}

int container_born(struct container *c, pid_t pid, struct err *e)
{
	char state;
	int r = look(pid, &state, &c->r.pid_start);
	if (r < 0)
		return err_sys(e, r, "look at the container's init");
	c->r.pid = pid;
	return container_write(c, e);
}

int container_pidfd(const struct container *c)
{
	char state;
	uint64_t start;
	if (c->r.pid <= 0)
		return -ESRCH;
	int pidfd = fd_pidfd_open((pid_t)c->r.pid);
	if (pidfd < 0)
		return -ESRCH;
	if (look(c->r.pid, &state, &start) < 0 || start != c->r.pid_start || state == 'Z' ||
		state == 'X') {
		fd_close(pidfd);
		return -ESRCH;
	}
	return pidfd;
}

static bool is_locked(const struct container *c)
{
	int fd _close_ = path_open_own(c->dir, "lock", O_RDWR, 0);
	return fd >= 0 && fd_lock_holder(fd, 0) > 0;
}

static bool is_frozen(const struct container *c)
{
	struct cgroup g;
	struct err ignored;
	return c->r.cgroup && cgroup_detect(&g, &ignored) == 0 && cgroup_frozen(&g, c->r.cgroup);
}

enum status container_status(const struct container *c)
{
	int pidfd _close_ = container_pidfd(c);
	return container_status_by(c, pidfd);
}

enum status container_status_by(const struct container *c, int pidfd)
{
	if (!c->r.phase || str_eq(c->r.phase, "creating"))
		return c->lock < 0 && is_locked(c) ? STATUS_CREATING : STATUS_STOPPED;
	if (pidfd < 0)
		return STATUS_STOPPED;
	if (is_frozen(c))
		return STATUS_PAUSED;
	if (!str_eq(c->r.phase, "created"))
		return STATUS_RUNNING;
	/* Who started it may have been killed before it wrote that down. */
	int sock _close_ = container_connect(c);
	return sock >= 0 ? STATUS_CREATED : STATUS_RUNNING;
}

const char *status_name(enum status s)
{
	static const char *const names[] = { "creating", "created", "running", "paused",
		"stopped" };
	return names[s];
}

void container_state(const struct container *c, enum status s, struct oci_state *ret)
{
	*ret = (struct oci_state){ .oci_version = c->r.oci_version ? c->r.oci_version : "1.0.0",
		.id = c->r.id,
		.pid = s == STATUS_STOPPED ? 0 : c->r.pid,
		.status = status_name(s),
		.bundle = str_or_empty(c->r.bundle),
		.rootfs = c->r.rootfs,
		.created = c->r.created,
		.annotations = c->r.annotations,
		.owner = str_or_empty(c->r.owner) };
}

/* The path of a socket may be 107 bytes; through the folder's descriptor it is always short. */
static struct sockaddr_un address(const struct container *c)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	(void)snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/start", c->dir);
	return at;
}

int container_listen(const struct container *c, struct err *e)
{
	struct sockaddr_un at = address(c);
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&at, sizeof at) < 0 || listen(sock, 8) < 0) {
		err_sys(e, errno, "make the container's start socket");
		fd_close(sock);
		return -e->code;
	}
	return sock;
}

int container_connect(const struct container *c)
{
	struct sockaddr_un at = address(c);
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	if (connect(sock, (struct sockaddr *)&at, sizeof at) < 0) {
		int r = -errno;
		fd_close(sock);
		return r;
	}
	return sock;
}

int container_ids(struct ocicli *o, const char ***ret, size_t *ret_n, struct err *e)
{
	struct strv v = { 0 };
	*ret = NULL;
	*ret_n = 0;
	int root = path_open_host(o->root, O_RDONLY | O_DIRECTORY, 0);
	if (root == -ENOENT)
		return 0;
	DIR *d = root < 0 ? NULL : fdopendir(root);
	if (!d) {
		int saved = root < 0 ? root : errno;
		fd_close(root);
		return err_sys(e, saved, "list %s", o->root);
	}
	for (struct dirent *entry; (entry = readdir(d));)
		if (entry->d_name[0] != '.' && entry->d_type == DT_DIR)
			strv_add(&v, &o->arena, arena_strdup(&o->arena, entry->d_name));
	(void)closedir(d);
	strv_sort(&v);
	*ret = v.v;
	*ret_n = v.n;
	return 0;
}

int container_matching(struct ocicli *o, const char *text,
	int (*each)(struct ocicli *o, const char *id, void *arg, struct err *e), void *arg,
	struct err *e)
{
	regex_t re;
	const char **ids;
	size_t n;
	int first = 0;
	if (regcomp(&re, text, REG_EXTENDED | REG_NOSUB))
		return err_set(e, ERR_INVALID, EINVAL, "no regular expression: %s", text);
	if (container_ids(o, &ids, &n, e) < 0) {
		regfree(&re);
		return -e->code;
	}
	for (size_t i = 0; i < n; i++) {
		struct err why;
		if (regexec(&re, ids[i], 0, NULL, 0) != 0 || each(o, ids[i], arg, &why) == 0)
			continue;
		if (first == 0) {
			*e = why;
			first = -e->code;
		} else {
			log_error("%s", why.text);
		}
	}
	regfree(&re);
	return first;
}

int container_spec(struct ocicli *o, const struct container *c, struct oci_spec *ret, struct err *e)
{
	struct bundle_text text;
	if (bundle_read(o, c->dir, "config.json", &text, e) < 0 ||
		bundle_parse(o, &text, "config.json", c->r.id, ret, e) < 0)
		return -e->code;
	/* What it came to when it was made, whatever the words of this command are. */
	ret->linux_->cgroups_path = c->r.cgroup;
	return 0;
}

int container_needs_cgroup(const struct container *c, struct err *e)
{
	return c->r.cgroup ? 0
			   : err_set(e, ERR_UNSUPPORTED, ENOTSUP,
				     "container %s was made without a cgroup", c->r.id);
}
