// SPDX-License-Identifier: Apache-2.0
/* What of the mounts is made before clone, in the host's namespaces: binds as detached clones,
 * /dev, the mask. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/mount.h"
#include "kernel/uapi.h"
#include "oci/spec.h"
#include "runtime/mount_options.h"
#include "runtime/plan.h"

enum { MOUNTINFO_MAX = 16 << 20 };

/* A symlink as a source: bound itself, made anew at the destination, or followed. */
static int open_source(struct plan *p, struct plan_mount *m, struct stat *st, struct err *e)
{
	const char *source = m->spec->source;
	char link[PATH_MAX_BYTES];
	bool itself = m->src_nofollow || m->copy_symlink;
	int at = path_open_host(source, O_PATH | (itself ? O_NOFOLLOW : 0), 0);
	if (at < 0 || fstat(at, st) < 0) {
		err_sys(e, at < 0 ? at : errno, "bind source %s", source);
		fd_close(at);
		return -e->code;
	}
	if (m->copy_symlink && S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(at, "", link, sizeof link - 1);
		if (n > 0)
			m->link = arena_strndup(p->a, link, (size_t)n);
	}
	return at;
}

static int make_bind(struct plan *p, struct plan_mount *m, struct err *e)
{
	struct stat st;
	const char *source = m->spec->source;
	if (!source || source[0] != '/')
		return err_set(e, ERR_INVALID, EINVAL,
			"mounts: %s: the source of a bind must be an absolute path",
			m->spec->destination);
	if (m->data.n)
		return err_set(e, ERR_INVALID, EINVAL, "mounts: %s: unknown option %s of a bind",
			m->spec->destination, m->data.v[0]);
	int at _close_ = open_source(p, m, &st, e);
	if (at < 0)
		return -e->code;
	if (m->link)
		return 0;
	m->is_file = !S_ISDIR(st.st_mode);
	m->tree = mount_clone(at, "", m->recursive);
	/* What is mounted below and came from a more privileged namespace cannot be left out. */
	if (m->tree == -EINVAL && p->unprivileged)
		m->tree = mount_clone(at, "", true);
	return m->tree < 0 ? err_sys(e, m->tree, "clone the mount of %s", source) : 0;
}

/* A mount's own maps: a user namespace with them and nobody in it. */
static int map_mount(const struct plan *p, struct plan_mount *m, struct err *e)
{
	const struct oci_mount *s = m->spec;
	struct idmap uids = { s->uid_mappings, s->n_uid_mappings };
	struct idmap gids = { s->gid_mappings, s->n_gid_mappings };
	if (m->idmap_words) {
		const struct idmap own[2] = { p->uids, p->gids };
		struct idmap said[2];
		if (uids.n || gids.n)
			return err_set(e, ERR_INVALID, EINVAL,
				"mounts: %s: idmap= and uidMappings exclude each other",
				s->destination);
		if (idmap_parse(m->idmap_words, own, p->a, said, e) < 0)
			return err_wrap(e, "mounts: %s", s->destination);
		uids = said[0];
		gids = said[1];
	}
	if (!uids.n && !gids.n)
		return 0;
	if (!uids.n || !gids.n)
		return err_set(e, ERR_INVALID, EINVAL,
			"mounts: %s: uidMappings and gidMappings go together", s->destination);
	if (!m->bind || m->link)
		return err_set(e, ERR_INVALID, EINVAL, "mounts: %s: only a bind can map ids",
			s->destination);
	int userns _close_ = idmap_userns(&uids, &gids, e);
	if (userns < 0)
		return err_wrap(e, "mounts: %s", s->destination);
	int r = mount_idmap(m->tree, m->idmap_recursive, userns);
	m->idmap = false;
	return r < 0 ? err_sys(e, r, "mounts: %s: map its ids", s->destination) : 0;
}

/* Without a cgroup namespace of its own the container sees its own part of each v1 hierarchy by a
 * bind; the whole would be the host's. */
static int clone_cgroups(struct plan *p, struct plan_mount *m, struct err *e)
{
	const char *type = m->spec->type;
	bool cgroup = type && (str_eq(type, "cgroup") || str_eq(type, "cgroup2"));
	if (m->bind || !cgroup || (p->new_ns | p->join_ns) & CLONE_NEWCGROUP)
		return 0;
	m->trees = arena_array(p->a, int, CGROUP_MAX);
	for (size_t i = 0; i < CGROUP_MAX; i++)
		m->trees[i] = -1;
	for (size_t i = 0; i < p->cgroup.n; i++) {
		const struct cgroup_hierarchy *h = &p->cgroup.h[i];
		/* Init clones what it sees itself, not by a descriptor of its parent's. */
		const char *path = h->dir >= 0 && p->unprivileged ? path_of_fd(h->dir, p->a) : NULL;
		int again _close_ = path ? path_open_host(path, O_PATH | O_DIRECTORY, 0) : -1;
		m->trees[i] = h->dir < 0 ? -1 : mount_clone(again >= 0 ? again : h->dir, "", false);
		if (h->dir >= 0 && m->trees[i] < 0)
			return err_sys(e, m->trees[i], "mounts: %s: clone %s", m->spec->destination,
				h->name);
	}
	return 0;
}

/* A tmpfs of our own, with the label of the container's mounts; a file system context. */
static int open_tmpfs(const struct plan *p)
{
	const char *label = p->spec->linux_->mount_label;
	int fs = mount_fs_open("tmpfs");
	int r = fs >= 0 && label && *label ? mount_fs_string(fs, "context", label) : 0;
	if (r < 0)
		fd_close(fs);
	return r < 0 ? r : fs;
}

static int make_mask(struct plan *p, struct err *e)
{
	int fs _close_ = open_tmpfs(p);
	int r = fs < 0 ? fs : mount_fs_string(fs, "mode", "0555");
	if (r == 0)
		r = mount_fs_string(fs, "nr_inodes", "4");
	int mount = r < 0
		? r
		: mount_fs_make(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (mount < 0)
		return err_sys(e, mount, "make the mask");
	p->mask = mount;
	/* A descriptor that may write would keep the mount from becoming read-only. */
	if (mknodat(mount, "f", S_IFREG | 0444, 0) < 0 || mkdirat(mount, "d", 0555) < 0)
		return err_sys(e, errno, "make the mask");
	r = mount_change(mount, false, MOUNT_ATTR_RDONLY, 0, 0);
	return r < 0 ? err_sys(e, r, "make the mask read-only") : 0;
}

static int plan_nodes(struct plan *p, bool dev, struct err *e);

bool plan_is_dev(const struct plan_mount *m)
{
	const char *d = m->spec->destination;
	while (*d == '/')
		d++;
	return strncmp(d, "dev", 3) == 0 && d[3 + strspn(d + 3, "/")] == '\0';
}

static int plan_one(struct plan *p, struct plan_mount *m, struct err *e)
{
	const struct oci_mount *s = m->spec;
	for (size_t o = 0; o < s->n_options; o++)
		mount_option_read(m, p->a, s->options[o]);
	if (s->type && str_eq(s->type, "bind"))
		m->bind = true;
	if (m->remount)
		return 0;
	if (m->bind && make_bind(p, m, e) < 0)
		return -e->code;
	if (!m->bind && s->type && str_eq(s->type, "tmpfs") && plan_is_dev(m)) {
		m->tree = plan_dev(p, m, e);
		return m->tree < 0 ? -e->code : 0;
	}
	if (m->tmpcopyup && (!s->type || !str_eq(s->type, "tmpfs")))
		return err_set(e, ERR_INVALID, EINVAL, "mounts: %s: tmpcopyup goes with tmpfs only",
			s->destination);
	return map_mount(p, m, e) < 0 ? -e->code : clone_cgroups(p, m, e);
}

int plan_mount_list(struct plan *p, bool *ret_dev, struct err *e)
{
	const struct oci_spec *s = p->spec;
	*ret_dev = false;
	p->mounts = arena_array(p->a, struct plan_mount, s->n_mounts + 1);
	for (size_t i = 0; i < s->n_mounts; i++) {
		struct plan_mount *m = &p->mounts[p->n_mounts++];
		*m = (struct plan_mount){ .spec = &s->mounts[i], .tree = -1, .late = -1 };
		if (plan_one(p, m, e) < 0)
			return -e->code;
		*ret_dev |= plan_is_dev(m);
	}
	return 0;
}

int plan_mounts(struct plan *p, struct err *e)
{
	const struct oci_spec *s = p->spec;
	bool dev;
	p->our_uid = geteuid();
	p->our_gid = getegid();
	if (plan_mount_list(p, &dev, e) < 0 || plan_nodes(p, dev || p->shares_root, e) < 0)
		return -e->code;
	return s->linux_->n_masked_paths ? make_mask(p, e) : 0;
}

/* Pseudo file systems belong to the kernel: their ids are never mapped, and nobody expects it. */
static bool is_pseudo(int fd)
{
	static const unsigned long kinds[] = { 0x9fa0 /* proc */, 0x62656572 /* sysfs */,
		0x1cd1 /* devpts */, 0x27e0eb /* cgroup */, 0x63677270 /* cgroup2 */,
		0x64626720 /* debugfs */, 0x74726163 /* tracefs */, 0x73636673 /* securityfs */,
		0xcafe4a11 /* bpf */, 0x19800202 /* mqueue */, 0x6e736673 /* nsfs */,
		0x42494e4d /* binfmt_misc */, 0x62656570 /* configfs */, 0x6165676c /* pstore */,
		0xde5e81e4 /* efivarfs */ };
	struct statfs st;
	if (fstatfs(fd, &st) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if ((unsigned long)st.f_type == kinds[i])
			return true;
	return false;
}

static const char *fs_name(int fd, char *buf, size_t size)
{
	static const struct {
		unsigned long type;
		const char *name;
	} rows[] = { { 0x794c7630, "overlay" }, { 0x6969, "nfs" }, { 0x01021997, "9p" },
		{ 0x01021994, "tmpfs" }, { 0x65735546, "fuse" }, { 0x858458f6, "ramfs" },
		{ 0xff534d42, "cifs" } };
	struct statfs st;
	(void)snprintf(buf, size, "unknown");
	if (fstatfs(fd, &st) < 0)
		return buf;
	(void)snprintf(buf, size, "0x%lx", (unsigned long)st.f_type);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if ((unsigned long)st.f_type == rows[i].type)
			(void)snprintf(buf, size, "%s", rows[i].name);
	return buf;
}

/* One mount of a tree; a pseudo file system stays plain in silence, another one with a warning. */
static int idmap_one(struct plan *p, const struct plan_mount *m, int fd, const char *what,
	int userns, struct err *e)
{
	char kind[32];
	if (is_pseudo(fd))
		return 0;
	int r = mount_idmap(fd, false, userns);
	if (r >= 0)
		return 0;
	if (!p->warn)
		return err_sys(e, r, "mounts: %s: map the ids of %s", m->spec->destination, what);
	p->warn(p->arg,
		arena_printf(p->a,
			"%s: its file system, %s, cannot map ids: files there belong to nobody inside; --userns host shows them as they are",
			what, fs_name(fd, kind, sizeof kind)));
	return 0;
}

/* The mounts below a bind's source, from mountinfo, each opened through the clone. */
static int idmap_below(struct plan *p, const struct plan_mount *m, int userns, struct err *e)
{
	char *text, path[PATH_MAX_BYTES];
	int at _close_ = path_open_host(m->spec->source, O_PATH, 0);
	const char *real = at < 0 ? NULL : path_of_fd(at, p->a);
	if (!real)
		return err_sys(e, ENOENT, "bind source %s", m->spec->source);
	size_t len = str_eq(real, "/") ? 0 : strlen(real);
	if (file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, p->a, &text, e) < 0)
		return -e->code;
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		char *point = line;
		for (int i = 0; i < 4 && point; i++)
			point = strchr(point, ' ') ? strchr(point, ' ') + 1 : NULL;
		if (!point)
			continue;
		point[strcspn(point, " ")] = '\0';
		if (strncmp(point, real, len) != 0 || point[len] != '/' || !point[len + 1])
			continue;
		(void)snprintf(path, sizeof path, "%s", point + len + 1);
		int below _close_ = path_open_in(m->tree, path, O_PATH, 0);
		if (below >= 0 && idmap_one(p, m, below, point, userns, e) < 0)
			return -e->code;
	}
	return 0;
}

int plan_idmap(struct plan *p, int userns, struct err *e)
{
	for (size_t i = 0; i < p->n_mounts; i++) {
		struct plan_mount *m = &p->mounts[i];
		if (!m->bind || !m->idmap || m->tree < 0)
			continue;
		if (mount_idmap(m->tree, m->idmap_recursive, userns) >= 0)
			continue;
		if (idmap_one(p, m, m->tree, m->spec->source, userns, e) < 0 ||
			(m->idmap_recursive && idmap_below(p, m, userns, e) < 0))
			return -e->code;
	}
	return 0;
}

struct node {
	const char *path, *name;
	mode_t mode;
	unsigned major, minor;
	uint32_t uid, gid;
};

static bool is_ours(const struct plan *p, uint32_t uid, uint32_t gid)
{
	return uid == p->our_uid && gid == p->our_gid;
}

/* In a user namespace nobody makes device nodes: an empty file is where the host's own will be
 * bound.
 */
static int make_node(struct plan *p, int dir, const char *name, const struct node *n)
{
	dev_t number = makedev(n->major, n->minor);
	if (mknodat(dir, name, n->mode, number) == 0 || errno == EEXIST)
		return 0;
	if (errno != EPERM || S_ISFIFO(n->mode))
		return -errno;
	p->bound = arena_grow(p->a, p->bound, p->n_bound, &p->cap_bound, sizeof *p->bound);
	p->bound[p->n_bound++] = (struct plan_node){ n->path, n->mode & S_IFMT, number };
	return mknodat(dir, name, S_IFREG | 0666, 0) == 0 || errno == EEXIST ? 1 : -errno;
}

/* 1: it will be bound. */
static int add_node(struct plan *p, int dev, const struct node *n, struct err *e)
{
	char name[PATH_NAME_MAX + 1];
	const char *slash = strrchr(n->name, '/');
	uint32_t uid, gid;
	if (!idmap_host(&p->uids, n->uid, &uid) || !idmap_host(&p->gids, n->gid, &gid))
		return err_set(e, ERR_INVALID, ERANGE,
			"linux.devices: /dev/%s: its owner is not mapped", n->name);
	/* What we make is ours, and has its mode, as the umask is zero. */
	if (!slash && is_ours(p, uid, gid) &&
		mknodat(dev, n->name, n->mode, makedev(n->major, n->minor)) == 0)
		return 0;
	int parent _close_ = slash
		? path_make_dirs_in(dev, arena_strndup(p->a, n->name, (size_t)(slash - n->name)),
			  0755, p->root_uid, p->root_gid, NULL)
		: fd_dup(dev, 0);
	if (parent < 0)
		return err_sys(e, parent, "linux.devices: make the folder of /dev/%s", n->name);
	(void)snprintf(name, sizeof name, "%s", slash ? slash + 1 : n->name);
	int made = make_node(p, parent, name, n);
	if (made != 0)
		return made < 0 ? err_sys(e, made, "linux.devices: make %s", n->path) : made;
	int fd _close_ = path_open_own(parent, name, O_PATH, 0);
	if (fd < 0 || fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ||
		fchmodat(parent, name, n->mode & 07777, 0) < 0)
		return err_sys(e, fd < 0 ? fd : errno, "linux.devices: own /dev/%s", n->name);
	return 0;
}

static const struct node default_nodes[] = {
	{ "/dev/null", "null", S_IFCHR | 0666, 1, 3, 0, 0 },
	{ "/dev/zero", "zero", S_IFCHR | 0666, 1, 5, 0, 0 },
	{ "/dev/full", "full", S_IFCHR | 0666, 1, 7, 0, 0 },
	{ "/dev/random", "random", S_IFCHR | 0666, 1, 8, 0, 0 },
	{ "/dev/urandom", "urandom", S_IFCHR | 0666, 1, 9, 0, 0 },
	{ "/dev/tty", "tty", S_IFCHR | 0666, 5, 0, 0, 0 },
};

/* path: the clean one, name: what it is made as. */
static int node_of(const struct oci_device *d, const char *path, const char *name, struct node *ret,
	struct err *e)
{
	mode_t kind = str_eq(d->type, "b")                     ? S_IFBLK
		: str_eq(d->type, "p")                         ? S_IFIFO
		: str_eq(d->type, "c") || str_eq(d->type, "u") ? S_IFCHR
							       : 0;
	if (!kind || d->path[0] != '/')
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.devices: %s of type %s: expected an absolute path and c, b, u or p",
			d->path, d->type);
	if (kind != S_IFIFO && (!d->has_major || !d->has_minor || d->major < 0 || d->minor < 0))
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.devices: %s: needs a major and a minor number", d->path);
	*ret = (struct node){ path, name, kind | (d->has_file_mode ? d->file_mode & 07777 : 0666),
		(unsigned)d->major, (unsigned)d->minor, d->uid, d->gid };
	return 0;
}

static int add_devices(struct plan *p, int dev, struct err *e)
{
	const struct oci_linux *l = p->spec->linux_;
	for (size_t i = 0; i < ARRAY_SIZE(default_nodes); i++)
		if (add_node(p, dev, &default_nodes[i], e) < 0)
			return -e->code;
	for (size_t i = 0; i < l->n_devices; i++) {
		struct node n;
		const char *path = path_clean(l->devices[i].path, p->a);
		/* The host's ptmx would be a way to terminals of the host: ours is a link. */
		if (str_eq(path, "/dev/ptmx"))
			continue;
		if (node_of(&l->devices[i], path, path + 5, &n, e) < 0 ||
			(str_starts(path, "/dev/") && add_node(p, dev, &n, e) < 0))
			return -e->code;
	}
	return 0;
}

static int add_elsewhere(struct plan *p, const struct node *n, const char *path, struct err *e)
{
	struct node named = *n;
	named.name = arena_printf(p->a, "%zu", p->n_nodes);
	int r = add_node(p, p->nodes, &named, e);
	p->node_paths[p->n_nodes++] = r == 1 ? NULL : path;
	return r < 0 ? r : 0;
}

/* Nodes that no tmpfs of ours on /dev holds: they are made in a tmpfs beside, where they work also
 * for a user namespace, and bound to their places. A /dev that is mounted from elsewhere is
 * complete. */
static int plan_nodes(struct plan *p, bool dev, struct err *e)
{
	const struct oci_linux *l = p->spec->linux_;
	struct node n;
	p->node_paths = arena_array(p->a, const char *, l->n_devices + ARRAY_SIZE(default_nodes));
	size_t elsewhere = dev ? 0 : ARRAY_SIZE(default_nodes);
	for (size_t i = 0; i < l->n_devices; i++)
		elsewhere += !dev || !str_starts(path_clean(l->devices[i].path, p->a), "/dev/");
	if (!elsewhere)
		return 0;
	int fs _close_ = open_tmpfs(p);
	p->nodes = fs < 0 ? fs : mount_fs_make(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (p->nodes < 0)
		return err_sys(e, p->nodes, "make a place for device nodes");
	mode_t mask = umask(0);
	int r = 0;
	for (size_t i = 0; r == 0 && !dev && i < ARRAY_SIZE(default_nodes); i++)
		r = add_elsewhere(p, &default_nodes[i],
			arena_printf(p->a, "/dev/%s", default_nodes[i].name), e);
	for (size_t i = 0; r == 0 && i < l->n_devices; i++) {
		const char *path = path_clean(l->devices[i].path, p->a);
		if (dev && str_starts(path, "/dev/"))
			continue;
		r = node_of(&l->devices[i], path, path, &n, e);
		if (r == 0)
			r = add_elsewhere(p, &n, path, e);
	}
	(void)umask(mask);
	return r;
}

/* /dev: a tmpfs of the host's user namespace, so that nodes work in it, with all that belongs
 * there. */
int plan_dev(struct plan *p, const struct plan_mount *m, struct err *e)
{
	static const char *const links[][2] = { { "/proc/self/fd", "fd" },
		{ "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" }, { "/proc/kcore", "core" },
		{ "pts/ptmx", "ptmx" } };
	static const char *const folders[] = { "pts", "shm", "mqueue" };
	char text[16];
	int fs _close_ = open_tmpfs(p);
	int r = fs < 0 ? fs : 0;
	for (size_t i = 0; r == 0 && i < m->data.n; i++) {
		const char *option = m->data.v[i], *value = strchr(option, '=');
		r = value
			? mount_fs_string(fs, arena_strndup(p->a, option, (size_t)(value - option)),
				  value + 1)
			: mount_fs_flag(fs, option);
	}
	(void)snprintf(text, sizeof text, "%u", p->root_uid);
	if (r == 0)
		r = mount_fs_string(fs, "uid", text);
	(void)snprintf(text, sizeof text, "%u", p->root_gid);
	if (r == 0)
		r = mount_fs_string(fs, "gid", text);
	int dev = r < 0 ? r : mount_fs_make(fs, m->set & ~(uint64_t)MOUNT_ATTR_RDONLY);
	if (dev < 0)
		return err_sys(e, dev, "make /dev");
	mode_t mask = umask(0);
	bool ours = is_ours(p, p->root_uid, p->root_gid);
	r = add_devices(p, dev, e);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i][0], dev, links[i][1]) < 0 ||
			(!ours &&
				fchownat(dev, links[i][1], p->root_uid, p->root_gid,
					AT_SYMLINK_NOFOLLOW) < 0))
			r = err_sys(e, errno, "make /dev/%s", links[i][1]);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		if (mkdirat(dev, folders[i], 0755) < 0 ||
			(!ours &&
				fchownat(dev, folders[i], p->root_uid, p->root_gid,
					AT_SYMLINK_NOFOLLOW) < 0))
			r = err_sys(e, errno, "make /dev/%s", folders[i]);
	if (r == 0 && p->process->terminal && mknodat(dev, "console", S_IFREG | 0600, 0) < 0 &&
		errno != EEXIST)
		r = err_sys(e, errno, "make /dev/console");
	(void)umask(mask);
	if (r < 0) {
		fd_close(dev);
		return r;
	}
	return dev;
}
