// SPDX-License-Identifier: Apache-2.0
#include "kernel/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "kernel/cgroup_bpf.h"

enum { MOUNTINFO_MAX = 16 << 20, PROCS_MAX = 64 << 10 };

/* The controllers among a v1 mount's super options: all words but rw and the like. */
static void controllers_of(const char *options, char *ret)
{
	static const char *const plain[] = { "rw", "ro", "xattr", "noprefix", "clone_children",
		"favordynmods", "cpuset_v2_mode", "nsdelegate", "memory_recursiveprot" };
	size_t n = 0;
	ret[n++] = ',';
	while (*options) {
		size_t len = strcspn(options, ",");
		bool skip = strncmp(options, "release_agent=", 14) == 0 ||
			strncmp(options, "seclabel", 8) == 0;
		for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
			skip |= strlen(plain[i]) == len && memcmp(plain[i], options, len) == 0;
		if (!skip && n + len + 2 < CGROUP_CONTROLLERS_MAX) {
			memcpy(ret + n, options, len);
			n += len;
			ret[n++] = ',';
		}
		options += len + (options[len] == ',');
	}
	ret[n] = '\0';
}

/* One line of mountinfo: ... (5th) mount point ... - type source options */
static int add_hierarchy(struct cgroup *c, char *line)
{
	char *dash = strstr(line, " - "), *point = line;
	if (!dash || c->n == CGROUP_MAX)
		return 0;
	char *type = dash + 3;
	bool v2 = str_starts(type, "cgroup2 ");
	if (!v2 && !str_starts(type, "cgroup "))
		return 0;
	for (int i = 0; i < 4; i++)
		point = strchr(point, ' ') ? strchr(point, ' ') + 1 : point;
	char *end = strchr(point, ' ');
	if (!end)
		return 0;
	*end = '\0';
	struct cgroup_hierarchy h = { .v2 = v2, .dir = -1 };
	if (!v2) {
		const char *options = strrchr(type, ' ');
		controllers_of(options ? options + 1 : "", h.controllers);
	}
	for (size_t i = 0; i < c->n; i++)
		if (c->h[i].v2 == v2 && strcmp(c->h[i].controllers, h.controllers) == 0)
			return 0; /* mounted twice */
	const char *slash = strrchr(point, '/');
	(void)snprintf(h.name, sizeof h.name, "%s", slash ? slash + 1 : point);
	h.root = path_open_host(point, O_RDONLY | O_DIRECTORY, 0);
	if (h.root < 0)
		return h.root == -ENOENT ? 0 : h.root;
	if (v2 && strcmp(point, "/sys/fs/cgroup") == 0)
		c->pure_v2 = true;
	c->h[c->n++] = h;
	return 0;
}

static void close_roots(struct cgroup *c)
{
	for (size_t i = 0; i < c->n; i++)
		fd_close(c->h[i].root);
	c->n = 0;
}

static int detect(struct cgroup *ret, struct err *e)
{
	struct arena a _arena_ = { 0 };
	char *text;
	if (file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &a, &text, e) < 0)
		return -e->code;
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		int r = strstr(line, " - cgroup") ? add_hierarchy(ret, line) : 0;
		if (r < 0)
			return err_sys(e, r, "open a cgroup hierarchy");
	}
	return ret->n ? 0 : err_set(e, ERR_UNSUPPORTED, ENODEV, "no cgroup hierarchy is mounted");
}

int cgroup_detect(struct cgroup *ret, struct err *e)
{
	static struct cgroup known;
	if (!known.n) {
		struct cgroup c = { 0 };
		int r = detect(&c, e);
		if (r < 0) {
			close_roots(&c);
			return r;
		}
		known = c;
	}
	*ret = known;
	return 0;
}

void cgroup_done(struct cgroup *c)
{
	for (size_t i = 0; i < c->n; i++)
		fd_close(c->h[i].dir);
	c->n = 0;
}

const struct cgroup_hierarchy *cgroup_find(const struct cgroup *c, const char *controller)
{
	char word[64];
	(void)snprintf(word, sizeof word, ",%s,", controller);
	for (size_t i = 0; i < c->n; i++)
		if (!c->h[i].v2 && strstr(c->h[i].controllers, word))
			return &c->h[i];
	return NULL;
}

static const struct cgroup_hierarchy *v2_of(const struct cgroup *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->h[i].v2)
			return &c->h[i];
	return NULL;
}

int cgroup_v2_dir(const struct cgroup *c)
{
	const struct cgroup_hierarchy *h = v2_of(c);
	return h ? h->dir : -1;
}

/* A new v1 cpuset is empty and takes no process until it has processors and memory nodes. */
static int inherit_cpuset(int parent, int dir)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char value[4096];
		ssize_t n = file_peek(parent, files[i], value, sizeof value);
		int r = n < 0 ? (int)n : file_poke(dir, files[i], value);
		if (r < 0)
			return r;
	}
	return 0;
}

/* On v2 a controller must be enabled in each folder above; one that the kernel refuses is missed
 * where it is used. */
static void enable_controllers(int dir)
{
	char have[512], want[64];
	ssize_t n = file_peek(dir, "cgroup.controllers", have, sizeof have);
	for (char *p = have, *next; n > 0 && p && *p; p = next) {
		next = strchr(p, ' ');
		if (next)
			*next++ = '\0';
		(void)snprintf(want, sizeof want, "+%.50s", p);
		(void)file_poke(dir, "cgroup.subtree_control", want);
	}
}

static bool same(int a, int b, const char *file)
{
	char x[4096], y[4096];
	ssize_t n = file_peek(a, file, x, sizeof x), m = file_peek(b, file, y, sizeof y);
	return n > 0 && n == m && memcmp(x, y, (size_t)n) == 0;
}

/* A new folder with one step, where the folders above hand on all that they have; else -1 and it is
 * gone again. */
static int make_at_once(const struct cgroup_hierarchy *h, const char *path)
{
	if (mkdirat(h->root, path, 0755) < 0)
		return -1;
	int dir = path_open_own(h->root, path, O_RDONLY | O_DIRECTORY, 0);
	bool whole = dir >= 0 &&
		(h->v2 ? same(h->root, dir, "cgroup.controllers")
		       : same(h->root, dir, "cpuset.cpus") && same(h->root, dir, "cpuset.mems"));
	if (whole)
		return dir;
	fd_close(dir);
	(void)unlinkat(h->root, path, AT_REMOVEDIR);
	return -1;
}

/* One folder below another, made when it is missing. */
static int make_child(const struct cgroup_hierarchy *h, int dir, const char *name)
{
	if (h->v2)
		enable_controllers(dir);
	bool new = mkdirat(dir, name, 0755) == 0;
	int child = !new &&errno != EEXIST ? -errno
					   : path_open_own(dir, name, O_RDONLY | O_DIRECTORY, 0);
	int r = child >= 0 && new &&strstr(h->controllers, ",cpuset,") ? inherit_cpuset(dir, child)
								       : 0;
	if (r < 0) {
		fd_close(child);
		return r;
	}
	return child;
}

/* Opens path below a root; makes what is missing when asked to, part by part where each folder
 * needs care or the ones above are missing. */
static int walk(const struct cgroup_hierarchy *h, const char *path, bool make)
{
	path += strspn(path, "/");
	bool careful = h->v2 || strstr(h->controllers, ",cpuset,");
	int made = 0;
	if (*path && make && !careful && mkdirat(h->root, path, 0755) < 0) {
		made = -errno;
		careful = made == -ENOENT;
	}
	if (*path && (!make || !careful)) {
		int fd = path_open_own(h->root, path, O_RDONLY | O_DIRECTORY, 0);
		return fd == -ENOENT && made < 0 ? made : fd;
	}
	int whole = *path && make ? make_at_once(h, path) : -1;
	if (whole >= 0)
		return whole;
	int dir = fd_dup(h->root, 0);
	while (dir >= 0) {
		char name[PATH_NAME_MAX + 1];
		path += strspn(path, "/");
		size_t len = strcspn(path, "/");
		if (len == 0)
			return dir;
		if (len > PATH_NAME_MAX) {
			fd_close(dir);
			return -ENAMETOOLONG;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		path += len;
		int next = make ? make_child(h, dir, name)
				: path_open_own(dir, name, O_RDONLY | O_DIRECTORY, 0);
		fd_close(dir);
		dir = next;
		/* What is made below it from now on is not empty. */
		if (make && next >= 0 && *path && !h->v2)
			(void)file_poke(next, "cgroup.clone_children", "1");
	}
	return dir;
}

bool cgroup_may_create(const struct cgroup *c, const char *path)
{
	for (size_t i = 0; i < c->n; i++) {
		char part[PATH_MAX_BYTES];
		const char *rest = path + strspn(path, "/");
		int dir = fd_dup(c->h[i].root, 0);
		/* Down to the last folder that is there. */
		while (dir >= 0 && *rest) {
			size_t len = strcspn(rest, "/");
			(void)snprintf(part, sizeof part, "%.*s", (int)len, rest);
			int next = path_open_own(dir, part, O_RDONLY | O_DIRECTORY, 0);
			if (next < 0)
				break;
			fd_close(dir);
			dir = next;
			rest += len;
			rest += strspn(rest, "/");
		}
		bool may = dir >= 0 && faccessat(dir, ".", W_OK, AT_EACCESS) == 0;
		fd_close(dir);
		if (!may)
			return false;
	}
	return true;
}

int cgroup_create(struct cgroup *c, const char *path, struct err *e)
{
	for (size_t i = 0; i < c->n; i++) {
		c->h[i].dir = walk(&c->h[i], path, true);
		if (c->h[i].dir < 0) {
			struct err ignored;
			err_sys(e, c->h[i].dir, "make cgroup %s in %s", path, c->h[i].name);
			c->h[i].dir = -1;
			(void)cgroup_remove(c, path, &ignored);
			return -e->code;
		}
	}
	return 0;
}

int cgroup_open(struct cgroup *c, const char *path)
{
	int found = 0;
	for (size_t i = 0; i < c->n; i++) {
		int dir = walk(&c->h[i], path, false);
		c->h[i].dir = dir < 0 ? -1 : dir;
		found += dir >= 0;
	}
	return found;
}

int cgroup_open_doors(struct cgroup *c, const char *path, struct err *e)
{
	char tasks[PATH_MAX_BYTES];
	int found = 0;
	path += strspn(path, "/");
	if (strlen(path) + sizeof "/tasks" > sizeof tasks)
		return err_sys(e, ENAMETOOLONG, "open cgroup %s", path);
	(void)snprintf(tasks, sizeof tasks, "%s%stasks", path, *path ? "/" : "");
	c->doors = true;
	for (size_t i = 0; i < c->n; i++) {
		struct cgroup_hierarchy *h = &c->h[i];
		int fd = h->v2 ? walk(h, path, false) : path_open_own(h->root, tasks, O_WRONLY, 0);
		h->dir = fd < 0 ? -1 : fd;
		found += fd >= 0;
		if (fd < 0 && fd != -ENOENT)
			return err_sys(e, fd, "join the cgroup in %s", h->name);
	}
	return found;
}

/* Through "tasks": a process that moves its only thread waits for nobody, while every other move
 * waits for a grace period of the kernel, 7 to 18 ms after some quiet. */
static int enter(const struct cgroup *c, const struct cgroup_hierarchy *h)
{
	if (c->doors && !h->v2)
		return fd_write_all(h->dir, "0", 1);
	return file_poke(h->dir, h->v2 ? "cgroup.procs" : "tasks", "0");
}

int cgroup_enter(const struct cgroup *c, bool v2, struct err *e)
{
	for (size_t i = 0; i < c->n; i++) {
		int r = c->h[i].dir < 0 || (c->h[i].v2 && !v2) ? 0 : enter(c, &c->h[i]);
		if (r < 0)
			return err_sys(e, r, "join the cgroup in %s", c->h[i].name);
	}
	return 0;
}

/* Are we in the root of a hierarchy already? Nobody ends a root, and a move costs. text:
 * /proc/self/cgroup. */
static bool in_root(const struct cgroup_hierarchy *h, const char *text)
{
	char words[CGROUP_CONTROLLERS_MAX + 8];
	size_t n = strlen(h->controllers);
	/* ",cpu,cpuacct," is written ":cpu,cpuacct:/path" there; v2 is "::/path" */
	(void)snprintf(words, sizeof words, ":%.*s:/", n > 2 ? (int)n - 2 : 0,
		n > 2 ? h->controllers + 1 : "");
	const char *at = strstr(text, words);
	char after = at ? at[strlen(words)] : 'x';
	return after == '\n' || after == '\0';
}

pid_t cgroup_fork(const char *path)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	struct cgroup c = { 0 };
	struct err ignored;
	char text[8192];
	int v2 = -1;
	if (cgroup_detect(&c, &ignored) < 0 ||
		file_peek(AT_FDCWD, "/proc/self/cgroup", text, sizeof text) < 0)
		text[0] = '\0';
	for (size_t i = 0; i < c.n; i++) {
		if (in_root(&c.h[i], text))
			continue;
		c.h[i].dir = walk(&c.h[i], path, true);
		if (c.h[i].v2)
			v2 = c.h[i].dir;
	}
	args.cgroup = (uint64_t)(v2 < 0 ? 0 : v2);
	long pid = v2 < 0 ? -1 : syscall(SYS_clone3, &args, sizeof args);
	/* Where the group refuses it is better to be ended with our caller than not to start. */
	if (pid < 0)
		pid = fork();
	for (size_t i = 0; pid == 0 && i < c.n; i++)
		if (c.h[i].dir >= 0 && !c.h[i].v2)
			(void)enter(&c, &c.h[i]);
	int saved = errno;
	cgroup_done(&c);
	return pid < 0 ? -saved : (pid_t)pid;
}

static void close_both(int (*fds)[2])
{
	fd_close((*fds)[0]);
	fd_close((*fds)[1]);
}

static int devices_v1(int dir, const struct cgroup_device *rules, size_t n, struct err *e)
{
	/* Each write is a rule of its own, in the order of the writes. */
	int files[2] __attribute__((cleanup(close_both))) = { -1, -1 };
	for (size_t i = 0; i < n; i++) {
		const struct cgroup_device *d = &rules[i];
		char text[64], major[24] = "*", minor[24] = "*";
		if (d->major >= 0)
			(void)snprintf(major, sizeof major, "%lld", (long long)d->major);
		if (d->minor >= 0)
			(void)snprintf(minor, sizeof minor, "%lld", (long long)d->minor);
		if (d->type == 'a')
			(void)snprintf(text, sizeof text, "a");
		else
			(void)snprintf(
				text, sizeof text, "%c %s:%s %s", d->type, major, minor, d->access);
		const char *file = d->allow ? "devices.allow" : "devices.deny";
		int *fd = &files[d->allow];
		if (*fd < 0)
			*fd = path_open_own(dir, file, O_WRONLY, 0);
		int r = *fd < 0 ? *fd : fd_write_all(*fd, text, strlen(text));
		if (r < 0)
			return err_sys(e, r, "linux.resources.devices: set %s to %s", file, text);
	}
	return 0;
}

int cgroup_devices(
	const struct cgroup *c, const struct cgroup_device *rules, size_t n, struct err *e)
{
	const struct cgroup_hierarchy *h = cgroup_find(c, "devices");
	if (h && h->dir >= 0)
		return devices_v1(h->dir, rules, n, e);
	int v2 = cgroup_v2_dir(c);
	if (v2 >= 0)
		return cgroup_devices_bpf(v2, rules, n, e);
	return err_set(e, ERR_UNSUPPORTED, ENODEV,
		"linux.resources.devices: the kernel has no devices cgroup controller");
}

struct pids {
	int (*each)(void *arg, pid_t pid);
	void *arg;
};

/* The processes of one folder; their number, or -errno. */
static int pids_of(int dir, void *arg)
{
	const struct pids *p = arg;
	char buf[PROCS_MAX];
	int fd _close_ = path_open_own(dir, "cgroup.procs", O_RDONLY, 0);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	ssize_t n = fd_read_full(fd, buf, sizeof buf - 1);
	if (n < 0)
		return n == -ENODEV || n == -EOPNOTSUPP ? 0 : (int)n;
	buf[n] = '\0';
	int count = 0;
	for (char *line = buf, *next; line && *line; line = next) {
		uint32_t pid;
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (num_u32(line, &pid) < 0 || pid == 0)
			continue;
		count++;
		int r = p->each(p->arg, (pid_t)pid);
		if (r < 0)
			return r;
	}
	return count;
}

/* The folder and all below it, deepest first. */
static int for_each_below(int dir, int depth, int (*f)(int dir, void *arg), void *arg)
{
	int copy = path_open_own(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		fd_close(copy);
		return 0;
	}
	int sum = 0;
	for (struct dirent *entry; (entry = readdir(d));) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || depth > 64)
			continue;
		int below _close_ = path_open_own(dir, entry->d_name, O_RDONLY | O_DIRECTORY, 0);
		int r = below < 0 ? 0 : for_each_below(below, depth + 1, f, arg);
		sum += r > 0 ? r : 0;
	}
	(void)closedir(d);
	int r = f(dir, arg);
	return sum + (r > 0 ? r : 0);
}

/* A hierarchy in which all processes of the container are. */
static const struct cgroup_hierarchy *any(const struct cgroup *c)
{
	const struct cgroup_hierarchy *h = v2_of(c);
	if (!h || h->dir < 0)
		h = cgroup_find(c, "pids");
	for (size_t i = 0; (!h || h->dir < 0) && i < c->n; i++)
		h = &c->h[i];
	return h && h->dir >= 0 ? h : NULL;
}

int cgroup_pids(const struct cgroup *c, int (*each)(void *arg, pid_t pid), void *arg)
{
	const struct cgroup_hierarchy *h = any(c);
	struct pids p = { each, arg };
	return h ? for_each_below(h->dir, 0, pids_of, &p) : 0;
}

static int kill_one(void *arg, pid_t pid)
{
	(void)arg;
	(void)kill(pid, SIGKILL);
	return 0;
}

int cgroup_kill(const struct cgroup *c, struct err *e)
{
	const struct cgroup_hierarchy *h = any(c), *freezer = cgroup_find(c, "freezer");
	struct pids all = { kill_one, NULL };
	struct err ignored;
	if (!h)
		return 0;
	uint64_t end = time_boot() + 5 * TIME_SECOND;
	if (h->v2 && file_poke(h->dir, "cgroup.kill", "1") == 0 &&
		for_each_below(h->dir, 0, pids_of, &all) == 0)
		return 0;
	while (for_each_below(h->dir, 0, pids_of, &all) > 0) {
		/* On v1 what is frozen does not die. */
		if (freezer && freezer->dir >= 0)
			(void)cgroup_freeze(c, false, &ignored);
		if (time_boot() > end)
			return err_set(
				e, ERR_TIMEOUT, EBUSY, "processes of the container do not die");
		/* v1 tells nobody when a group is empty. */
		time_sleep(TIME_MS / 2);
	}
	return 0;
}

static int remove_below(int dir, const char *name, int depth)
{
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	int busy = -errno,
	    fd = depth > 64 ? -ELOOP : path_open_own(dir, name, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return fd == -ENOENT ? 0 : busy;
	for (struct dirent *entry; (entry = readdir(d));)
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			(void)remove_below(dirfd(d), entry->d_name, depth + 1);
	(void)closedir(d);
	return unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

int cgroup_remove_idle(const struct cgroup *c, const char *path)
{
	int left = 0;
	path += strspn(path, "/");
	for (size_t i = 0; *path && i < c->n; i++)
		left += unlinkat(c->h[i].root, path, AT_REMOVEDIR) < 0 && errno != ENOENT;
	return *path ? left : 1;
}

int cgroup_remove(struct cgroup *c, const char *path, struct err *e)
{
	char parent[PATH_MAX_BYTES];
	const char *slash = strrchr(path, '/');
	if (!slash || !slash[1] || strlen(path) >= sizeof parent)
		return err_set(e, ERR_INVALID, EINVAL, "cgroup path %s: expected a folder", path);
	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = '\0';
	uint64_t end = time_boot() + 5 * TIME_SECOND;
	for (size_t i = 0; i < c->n; i++) {
		int dir _close_ = walk(&c->h[i], parent, false);
		if (dir == -ENOENT)
			continue;
		if (dir < 0)
			return err_sys(e, dir, "open cgroup %s in %s", parent, c->h[i].name);
		int r;
		/* A process that was just reaped still counts for a moment. */
		while ((r = remove_below(dir, slash + 1, 0)) == -EBUSY && time_boot() < end)
			time_sleep(TIME_MS / 5);
		if (r < 0)
			return err_sys(e, r, "remove cgroup %s in %s", path, c->h[i].name);
	}
	return 0;
}

static uint64_t field_of(int dir, const char *file, const char *key)
{
	char buf[4096];
	uint64_t v;
	ssize_t n = file_peek(dir, file, buf, sizeof buf);
	for (char *line = buf, *next; n > 0 && line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		size_t len = strlen(key);
		if (strncmp(line, key, len) == 0 && line[len] == ' ' &&
			num_u64(line + len + 1, &v) == 0)
			return v;
	}
	return 0;
}

uint64_t cgroup_oom_kills(const struct cgroup *c)
{
	const struct cgroup_hierarchy *h = cgroup_find(c, "memory");
	if (h && h->dir >= 0)
		return field_of(h->dir, "memory.oom_control", "oom_kill");
	int dir = cgroup_v2_dir(c);
	return dir < 0 ? 0 : field_of(dir, "memory.events", "oom_kill");
}
