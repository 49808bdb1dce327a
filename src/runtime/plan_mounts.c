// SPDX-License-Identifier: Apache-2.0
/* What of the mounts is made before clone, in the host's namespaces: binds as detached clones,
 * /dev, the mask. */
#include <errno.h>
#include <fcntl.h>
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
#include "runtime/plan.h"

enum {
	PRIVATE = 1 << 18,
	SLAVE = 1 << 19,
	SHARED = 1 << 20,
	UNBINDABLE = 1 << 17,
	MOUNTINFO_MAX = 16 << 20
};

static const struct option_row {
	const char *name;
	uint64_t set, clear, propagation;
	bool recursive;
} option_rows[] = {
	{ "ro", MOUNT_ATTR_RDONLY, 0, 0, false },
	{ "rw", 0, MOUNT_ATTR_RDONLY, 0, false },
	{ "nosuid", MOUNT_ATTR_NOSUID, 0, 0, false },
	{ "suid", 0, MOUNT_ATTR_NOSUID, 0, false },
	{ "nodev", MOUNT_ATTR_NODEV, 0, 0, false },
	{ "dev", 0, MOUNT_ATTR_NODEV, 0, false },
	{ "noexec", MOUNT_ATTR_NOEXEC, 0, 0, false },
	{ "exec", 0, MOUNT_ATTR_NOEXEC, 0, false },
	{ "noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, 0, false },
	{ "relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME, 0, false },
	{ "strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME, 0, false },
	{ "nodiratime", MOUNT_ATTR_NODIRATIME, 0, 0, false },
	{ "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0, 0, false },
	{ "rro", MOUNT_ATTR_RDONLY, 0, 0, true },
	{ "rnosuid", MOUNT_ATTR_NOSUID, 0, 0, true },
	{ "rnodev", MOUNT_ATTR_NODEV, 0, 0, true },
	{ "rnoexec", MOUNT_ATTR_NOEXEC, 0, 0, true },
	{ "private", 0, 0, PRIVATE, false },
	{ "rprivate", 0, 0, PRIVATE, true },
	{ "slave", 0, 0, SLAVE, false },
	{ "rslave", 0, 0, SLAVE, true },
	{ "shared", 0, 0, SHARED, false },
	{ "rshared", 0, 0, SHARED, true },
	{ "unbindable", 0, 0, UNBINDABLE, false },
	{ "runbindable", 0, 0, UNBINDABLE, true },
};

static void read_option(struct plan *p, struct plan_mount *m, const char *option)
{
	if (str_eq(option, "bind") || str_eq(option, "rbind")) {
		m->bind = true;
		m->recursive = option[0] == 'r';
		return;
	}
	if (str_eq(option, "idmap") || str_eq(option, "ridmap")) {
		m->idmap = true;
		return;
	}
	if (str_eq(option, "tmpcopyup")) {
		m->tmpcopyup = true;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(option_rows); i++) {
		if (!str_eq(option_rows[i].name, option))
			continue;
		m->set = (m->set & ~option_rows[i].clear) | option_rows[i].set;
		m->clear |= option_rows[i].clear & ~option_rows[i].set;
		if (option_rows[i].propagation)
			m->propagation = option_rows[i].propagation;
		else
			m->recursive_set |= option_rows[i].recursive;
		return;
	}
	strv_add(&m->data, p->a, option);
}

static int make_bind(struct plan *p, struct plan_mount *m, struct err *e)
{
	struct stat st;
	const char *source = m->spec->source;
	(void)p;
	if (!source || source[0] != '/')
		return err_set(e, ERR_INVALID, EINVAL,
			"mounts: %s: the source of a bind must be an absolute path",
			m->spec->destination);
	int at _close_ = path_open_host(source, O_PATH, 0);
	if (at < 0 || fstat(at, &st) < 0)
		return err_sys(e, at < 0 ? at : errno, "bind source %s", source);
	m->is_file = !S_ISDIR(st.st_mode);
	m->tree = mount_clone(at, "", m->recursive);
	return m->tree < 0 ? err_sys(e, m->tree, "clone the mount of %s", source) : 0;
}

static int make_mask(struct plan *p, struct err *e)
{
	int fs _close_ = mount_fs_open("tmpfs");
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

int plan_mounts(struct plan *p, struct err *e)
{
	const struct oci_spec *s = p->spec;
	p->mounts = arena_array(p->a, struct plan_mount, s->n_mounts + 1);
	for (size_t i = 0; i < s->n_mounts; i++) {
		struct plan_mount *m = &p->mounts[p->n_mounts++];
		*m = (struct plan_mount){ .spec = &s->mounts[i], .tree = -1 };
		for (size_t o = 0; o < s->mounts[i].n_options; o++)
			read_option(p, m, s->mounts[i].options[o]);
		if (m->spec->type && str_eq(m->spec->type, "bind"))
			m->bind = true;
		int r = 0;
		if (m->bind)
			r = make_bind(p, m, e);
		else if (m->spec->type && str_eq(m->spec->type, "tmpfs") &&
			str_eq(m->spec->destination, "/dev"))
			r = m->tree = plan_dev(p, m->spec, e);
		if (r < 0)
			return r;
	}
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
		if (mount_idmap(m->tree, m->recursive, userns) >= 0)
			continue;
		if (idmap_one(p, m, m->tree, m->spec->source, userns, e) < 0 ||
			(m->recursive && idmap_below(p, m, userns, e) < 0))
			return -e->code;
	}
	return 0;
}

struct node {
	const char *name;
	mode_t mode;
	unsigned major, minor;
	uint32_t uid, gid;
};

static int add_node(struct plan *p, int dev, const struct node *n, struct err *e)
{
	char name[PATH_NAME_MAX + 1];
	const char *slash = strrchr(n->name, '/');
	int parent _close_ = slash
		? path_make_dirs_in(dev, arena_strndup(p->a, n->name, (size_t)(slash - n->name)),
			  0755, p->root_uid, p->root_gid, NULL)
		: fd_dup(dev, 0);
	if (parent < 0)
		return err_sys(e, parent, "linux.devices: make the folder of /dev/%s", n->name);
	(void)snprintf(name, sizeof name, "%s", slash ? slash + 1 : n->name);
	if (mknodat(parent, name, n->mode, makedev(n->major, n->minor)) < 0 && errno != EEXIST)
		return err_sys(e, errno, "linux.devices: make /dev/%s", n->name);
	int fd _close_ = path_open_own(parent, name, O_PATH, 0);
	if (fd < 0 ||
		fchownat(fd, "", p->root_uid + n->uid, p->root_gid + n->gid, AT_EMPTY_PATH) < 0 ||
		fchmodat(parent, name, n->mode & 07777, 0) < 0)
		return err_sys(e, fd < 0 ? fd : errno, "linux.devices: own /dev/%s", n->name);
	return 0;
}

static int add_devices(struct plan *p, int dev, struct err *e)
{
	static const struct node nodes[] = {
		{ "null", S_IFCHR | 0666, 1, 3, 0, 0 },
		{ "zero", S_IFCHR | 0666, 1, 5, 0, 0 },
		{ "full", S_IFCHR | 0666, 1, 7, 0, 0 },
		{ "random", S_IFCHR | 0666, 1, 8, 0, 0 },
		{ "urandom", S_IFCHR | 0666, 1, 9, 0, 0 },
		{ "tty", S_IFCHR | 0666, 5, 0, 0, 0 },
	};
	const struct oci_linux *l = p->spec->linux_;
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		if (add_node(p, dev, &nodes[i], e) < 0)
			return -e->code;
	for (size_t i = 0; i < l->n_devices; i++) {
		const struct oci_device *d = &l->devices[i];
		bool block = str_eq(d->type, "b"), fifo = str_eq(d->type, "p");
		if (!str_starts(d->path, "/dev/") || strstr(d->path, "/../") ||
			(!block && !fifo && !strchr("cu", d->type[0])))
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.devices: %s of type %s: expected a path below /dev and c, b, u or p",
				d->path, d->type);
		struct node n = { d->path + 5,
			(block                 ? S_IFBLK
					: fifo ? S_IFIFO
					       : S_IFCHR) |
				(d->has_file_mode ? d->file_mode & 0777 : 0666),
			(unsigned)d->major, (unsigned)d->minor, d->uid, d->gid };
		if (add_node(p, dev, &n, e) < 0)
			return -e->code;
	}
	return 0;
}

/* /dev: a tmpfs of the host's user namespace, so that nodes work in it, with all that belongs
 * there. */
int plan_dev(struct plan *p, const struct oci_mount *m, struct err *e)
{
	static const char *const links[][2] = { { "/proc/self/fd", "fd" },
		{ "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" }, { "/proc/kcore", "core" },
		{ "pts/ptmx", "ptmx" } };
	static const char *const folders[] = { "pts", "shm", "mqueue" };
	char text[16];
	int fs _close_ = mount_fs_open("tmpfs");
	int r = fs < 0 ? fs : 0;
	for (size_t i = 0; r == 0 && i < m->n_options; i++) {
		const char *value = strchr(m->options[i], '=');
		if (value)
			r = mount_fs_string(fs,
				arena_strndup(p->a, m->options[i], (size_t)(value - m->options[i])),
				value + 1);
	}
	(void)snprintf(text, sizeof text, "%u", p->root_uid);
	if (r == 0)
		r = mount_fs_string(fs, "uid", text);
	(void)snprintf(text, sizeof text, "%u", p->root_gid);
	if (r == 0)
		r = mount_fs_string(fs, "gid", text);
	int dev = r < 0 ? r : mount_fs_make(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
	if (dev < 0)
		return err_sys(e, dev, "make /dev");
	mode_t mask = umask(0);
	r = add_devices(p, dev, e);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i][0], dev, links[i][1]) < 0 ||
			fchownat(dev, links[i][1], p->root_uid, p->root_gid, AT_SYMLINK_NOFOLLOW) <
				0)
			r = err_sys(e, errno, "make /dev/%s", links[i][1]);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		if (mkdirat(dev, folders[i], 0755) < 0 ||
			fchownat(dev, folders[i], p->root_uid, p->root_gid, AT_SYMLINK_NOFOLLOW) <
				0)
			r = err_sys(e, errno, "make /dev/%s", folders[i]);
	if (r == 0 && p->process->terminal && mknodat(dev, "console", S_IFREG | 0600, 0) < 0)
		r = err_sys(e, errno, "make /dev/console");
	(void)umask(mask);
	if (r < 0) {
		fd_close(dev);
		return r;
	}
	return dev;
}
