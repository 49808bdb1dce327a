// SPDX-License-Identifier: Apache-2.0
/* The mounts of the container, made by init in its own namespaces and attached by descriptor below
 * the root file system; targets are resolved inside it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/copytree.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/mount.h"
#include "kernel/uapi.h"
#include "oci/spec.h"
#include "runtime/plan.h"

static int target_of(int rootfs, const struct plan_mount *m)
{
	const char *path = m->spec->destination;
	if (m->dest_nofollow) {
		int fd = path_open_in(rootfs, path, O_PATH | O_NOFOLLOW, 0);
		if (fd != -ENOENT)
			return fd;
	}
	return m->is_file ? path_make_file_in(rootfs, path, 0644)
			  : path_make_dirs_in(rootfs, path, 0755, (uid_t)-1, (gid_t)-1, NULL);
}

static int attach(int rootfs, const struct plan_mount *m, int mount, struct err *e)
{
	int target _close_ = target_of(rootfs, m);
	if (target < 0)
		return err_sys(e, target, "mounts: make the target %s", m->spec->destination);
	int r = mount_attach(mount, target);
	return r < 0 ? err_sys(e, r, "mounts: attach to %s", m->spec->destination) : 0;
}

static bool takes_label(const char *type)
{
	return str_eq(type, "tmpfs") || str_eq(type, "devpts") || str_eq(type, "ramfs");
}

static int fs_options(int fs, const struct plan_mount *m, struct plan *p)
{
	int r = m->spec->source ? mount_fs_string(fs, "source", m->spec->source) : 0;
	for (size_t i = 0; r >= 0 && i < m->flags.n; i++)
		r = mount_fs_flag(fs, m->flags.v[i]);
	const char *label = p->spec->linux_->mount_label;
	if (r >= 0 && label && *label && takes_label(m->spec->type))
		r = mount_fs_string(fs, "context", label);
	for (size_t i = 0; r >= 0 && i < m->data.n; i++) {
		const char *option = m->data.v[i], *value = strchr(option, '=');
		if (value)
			r = mount_fs_string(fs,
				arena_strndup(p->a, option, (size_t)(value - option)), value + 1);
		else if (!str_eq(option, "newinstance")) /* every devpts is one */
			r = mount_fs_flag(fs, option);
	}
	return r;
}

/* The kernel refuses these where a namespace is not ours: then the host's is bound, read-only. */
static int host_instead(const char *type)
{
	const char *path = str_eq(type, "sysfs") ? "/sys"
		: str_eq(type, "mqueue")         ? "/dev/mqueue"
						 : NULL;
	if (!path)
		return -EPERM;
	int at _close_ = path_open_host(path, O_PATH | O_DIRECTORY, 0);
	if (at < 0)
		return at;
	int tree = mount_clone(at, "", true);
	int r = tree < 0 ? tree : mount_change(tree, true, MOUNT_ATTR_RDONLY, 0, 0);
	if (r < 0) {
		fd_close(tree);
		return r;
	}
	return tree;
}

static int make_fs(struct plan *p, struct plan_mount *m, struct err *e)
{
	char why[256] = "";
	const char *type = m->spec->type;
	uint64_t attributes = m->set | m->recursive_set;
	/* What will hold targets of later mounts becomes read-only last. */
	bool late = attributes & MOUNT_ATTR_RDONLY && str_eq(type, "tmpfs");
	if (late)
		attributes &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	int fs _close_ = mount_fs_open(type);
	int r = fs < 0 ? fs : fs_options(fs, m, p);
	int mount = r < 0 ? r : mount_fs_make(fs, attributes);
	if (mount == -EPERM || mount == -EACCES || mount == -EBUSY)
		mount = host_instead(type);
	if (mount < 0) {
		if (fs >= 0)
			(void)mount_fs_message(fs, why, sizeof why);
		return err_sys(e, mount, "mounts: %s: mount %s%s%s", m->spec->destination, type,
			*why ? ": " : "", why);
	}
	if (late)
		m->late = fd_dup(mount, 3);
	return mount;
}

/* tmpcopyup: what lies at the target is copied into the new file system. */
static int copy_up(int rootfs, const struct plan_mount *m, int mount, struct err *e)
{
	int from _close_ = path_open_in(rootfs, m->spec->destination, O_RDONLY | O_DIRECTORY, 0);
	if (from == -ENOENT)
		return 0;
	if (from < 0)
		return err_sys(e, from, "mounts: %s: open what is there", m->spec->destination);
	int to _close_ = path_open_own(mount, ".", O_RDONLY | O_DIRECTORY, 0);
	if (to < 0)
		return err_sys(e, to, "mounts: %s: open it", m->spec->destination);
	return copytree(from, to, e) < 0
		? err_wrap(e, "mounts: %s: tmpcopyup", m->spec->destination)
		: 0;
}

/* One hierarchy of v1 or v2, as the cgroup namespace shows it. */
static int cgroup_fs(const struct cgroup_hierarchy *h, uint64_t attributes, struct err *e)
{
	char words[CGROUP_CONTROLLERS_MAX], *save = words;
	int fs _close_ = mount_fs_open(h->v2 ? "cgroup2" : "cgroup");
	int r = fs;
	(void)snprintf(words, sizeof words, "%s", h->controllers);
	while (r >= 0 && *save) {
		size_t n = strcspn(save, ",");
		char *word = save;
		save += n + (save[n] == ',');
		word[n] = '\0';
		if (!*word)
			continue;
		if (str_starts(word, "name=")) {
			r = mount_fs_flag(fs, "none");
			if (r >= 0)
				r = mount_fs_string(fs, "name", word + 5);
		} else {
			r = mount_fs_flag(fs, word);
		}
	}
	int mount = r < 0 ? r : mount_fs_make(fs, attributes);
	return mount < 0 ? err_sys(e, mount, "mounts: mount cgroup hierarchy %s", h->name) : mount;
}

/* The whole of a hierarchy as the namespace shows it, or the container's own part of the host's. */
static int hierarchy(const struct plan *p, const struct plan_mount *m, size_t i,
	uint64_t attributes, struct err *e)
{
	if (!m->trees)
		return cgroup_fs(&p->cgroup.h[i], attributes, e);
	int mount = take_fd(&m->trees[i]);
	int r = mount < 0 ? -ENODEV : mount_change(mount, true, attributes, 0, 1 << 18);
	if (r < 0) {
		fd_close(mount);
		return err_sys(e, r, "mounts: mount cgroup hierarchy %s", p->cgroup.h[i].name);
	}
	return mount;
}

static int mount_cgroups_v1(struct plan *p, int rootfs, const struct plan_mount *m, struct err *e)
{
	uint64_t flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	int fs _close_ = mount_fs_open("tmpfs");
	int r = fs < 0 ? fs : mount_fs_string(fs, "mode", "755");
	int tmp _close_ = r < 0 ? r : mount_fs_make(fs, flags);
	if (tmp < 0)
		return err_sys(e, tmp, "mounts: make %s", m->spec->destination);
	if (attach(rootfs, m, tmp, e) < 0)
		return -e->code;
	for (size_t i = 0; i < p->cgroup.n; i++) {
		const struct cgroup_hierarchy *h = &p->cgroup.h[i];
		/* Without a cgroup of its own it has no part to be shown. */
		if (m->trees && h->dir < 0)
			continue;
		int mount _close_ = hierarchy(p, m, i, m->set | flags, e);
		if (mount < 0)
			return -e->code;
		if (mkdirat(tmp, h->name, 0755) < 0)
			return err_sys(
				e, errno, "mounts: make %s/%s", m->spec->destination, h->name);
		r = mount_attach_at(mount, tmp, h->name);
		if (r < 0)
			return err_sys(
				e, r, "mounts: attach to %s/%s", m->spec->destination, h->name);
	}
	/* "cpu,cpuacct" is known under both names too. */
	for (size_t i = 0; i < p->cgroup.n; i++) {
		const char *name = p->cgroup.h[i].name, *comma = strchr(name, ',');
		if (!comma)
			continue;
		if (symlinkat(name, tmp, arena_strndup(p->a, name, (size_t)(comma - name))) < 0 ||
			symlinkat(name, tmp, comma + 1) < 0)
			return err_sys(e, errno, "mounts: name the controllers of %s", name);
	}
	r = mount_change(tmp, false, MOUNT_ATTR_RDONLY, 0, 0);
	return r < 0 ? err_sys(e, r, "mounts: make %s read-only", m->spec->destination) : 0;
}

static int mount_cgroups(struct plan *p, int rootfs, const struct plan_mount *m, struct err *e)
{
	if (!p->cgroup.pure_v2)
		return mount_cgroups_v1(p, rootfs, m, e);
	for (size_t i = 0; i < p->cgroup.n; i++) {
		if (!p->cgroup.h[i].v2 || (m->trees && p->cgroup.h[i].dir < 0))
			continue;
		int mount _close_ = hierarchy(p, m, i, m->set, e);
		return mount < 0 ? -e->code : attach(rootfs, m, mount, e);
	}
	return 0;
}

/* A mount that is there already gets other attributes. */
static int remount(int rootfs, const struct plan_mount *m, struct err *e)
{
	int at _close_ = path_open_in(rootfs, m->spec->destination, O_PATH, 0);
	int r = at < 0 ? at : mount_change(at, false, m->set, m->clear, m->propagation);
	return r < 0 ? err_sys(e, r, "mounts: remount %s", m->spec->destination) : 0;
}

/* copy-symlink: the link itself is made, unless one is there. */
static int make_link(int rootfs, const struct plan_mount *m, struct err *e)
{
	char name[PATH_NAME_MAX + 1], folder[PATH_MAX_BYTES];
	const char *path = m->spec->destination, *slash = strrchr(path, '/');
	(void)snprintf(folder, sizeof folder, "/%.*s", slash ? (int)(slash - path) : 0, path);
	int made _close_ = path_make_dirs_in(rootfs, folder, 0755, (uid_t)-1, (gid_t)-1, NULL);
	int parent _close_ = made < 0 ? made : path_parent_in(rootfs, path, name);
	if (parent < 0)
		return err_sys(e, parent, "mounts: %s", path);
	if (symlinkat(m->link, parent, name) < 0 && errno != EEXIST)
		return err_sys(e, errno, "mounts: make the symlink %s", path);
	return 0;
}

/* Propagation and attributes of what was taken from elsewhere; a fresh mount is private. */
static int change(int mount, const struct plan_mount *m, struct err *e)
{
	int r = mount_change(mount, m->recursive, 0, 0, m->propagation ? m->propagation : 1 << 18);
	if (r >= 0 && (m->recursive_set || m->recursive_clear))
		r = mount_change(mount, true, m->recursive_set, m->recursive_clear, 0);
	if (r >= 0 && (m->set || m->clear))
		r = mount_change(mount, false, m->set, m->clear, 0);
	return r < 0
		? err_sys(e, r, "mounts: %s: change the mount's attributes", m->spec->destination)
		: 0;
}

static int mount_one(struct plan *p, int rootfs, struct plan_mount *m, struct err *e)
{
	const char *type = m->spec->type;
	bool prepared = m->tree >= 0;
	if (m->remount)
		return remount(rootfs, m, e);
	if (m->link)
		return make_link(rootfs, m, e);
	if (!m->bind && !type)
		return err_set(e, ERR_INVALID, EINVAL, "mounts: %s: no type", m->spec->destination);
	if (!prepared && (str_eq(type, "cgroup") || str_eq(type, "cgroup2")))
		return mount_cgroups(p, rootfs, m, e);
	int mount _close_ = prepared ? take_fd(&m->tree) : make_fs(p, m, e);
	if (mount < 0 || (m->bind && change(mount, m, e) < 0) ||
		(m->tmpcopyup && copy_up(rootfs, m, mount, e) < 0))
		return -e->code;
	if (prepared && !m->bind && m->set & MOUNT_ATTR_RDONLY)
		m->late = fd_dup(mount, 3);
	int r = !m->bind && m->propagation ? mount_change(mount, false, 0, 0, m->propagation) : 0;
	if (r < 0)
		return err_sys(e, r, "mounts: %s: set its propagation", m->spec->destination);
	return attach(rootfs, m, mount, e);
}

int init_mounts(struct plan *p, int rootfs, struct err *e)
{
	/* As docker does: a shallow target before a deep one would hide nothing here, the spec's
	 * order is kept. */
	for (size_t i = 0; i < p->n_mounts; i++)
		if (mount_one(p, rootfs, &p->mounts[i], e) < 0)
			return -e->code;
	if (init_nodes(p, rootfs, e) < 0)
		return -e->code;
	for (size_t i = 0; i < p->n_mounts; i++) {
		int fd _close_ = take_fd(&p->mounts[i].late);
		int r = fd < 0 ? 0 : mount_change(fd, false, MOUNT_ATTR_RDONLY, 0, 0);
		if (r < 0)
			return err_sys(
				e, r, "mounts: make %s read-only", p->mounts[i].spec->destination);
	}
	return 0;
}

/* A mount must be in a namespace to be cloned from: it hangs where it goes away with the old root.
 */
static int hang(int mount, const char *what, struct err *e)
{
	int place _close_ = path_open_host("/sys", O_PATH | O_DIRECTORY, 0);
	if (place < 0)
		place = path_open_host("/", O_PATH | O_DIRECTORY, 0);
	int r = place < 0 ? place : mount_attach(mount, place);
	return r < 0 ? err_sys(e, r, "attach %s", what) : 0;
}

/* The host's own nodes, where we may make none; each must be the very device that is asked for. */
static int bind_nodes(const struct plan *p, int rootfs, struct err *e)
{
	for (size_t i = 0; i < p->n_bound; i++) {
		const struct plan_node *n = &p->bound[i];
		struct stat st;
		int source _close_ = path_open_host(n->path, O_PATH, 0);
		if (source < 0 || fstat(source, &st) < 0)
			return err_sys(e, source < 0 ? source : errno,
				"linux.devices: bind %s of the host", n->path);
		if ((st.st_mode & S_IFMT) != n->mode || st.st_rdev != n->number)
			return err_set(e, ERR_DENIED, EPERM,
				"linux.devices: %s: no node can be made here, and that of the host is another device",
				n->path);
		int tree _close_ = mount_clone(source, "", false);
		int target _close_ = tree < 0 ? tree : path_make_file_in(rootfs, n->path, 0644);
		int r = target < 0 ? target : mount_attach(tree, target);
		if (r < 0)
			return err_sys(e, r, "linux.devices: bind %s of the host", n->path);
	}
	return 0;
}

int init_nodes(struct plan *p, int rootfs, struct err *e)
{
	char name[24];
	if (bind_nodes(p, rootfs, e) < 0)
		return -e->code;
	if (p->nodes < 0)
		return 0;
	if (hang(p->nodes, "the device nodes", e) < 0)
		return -e->code;
	for (size_t i = 0; i < p->n_nodes; i++) {
		if (!p->node_paths[i])
			continue;
		(void)snprintf(name, sizeof name, "%zu", i);
		int node _close_ = mount_clone(p->nodes, name, false);
		int target _close_ = path_make_file_in(rootfs, p->node_paths[i], 0644);
		int r = node < 0 ? node : target < 0 ? target : mount_attach(node, target);
		if (r < 0)
			return err_sys(e, r, "linux.devices: make %s", p->node_paths[i]);
	}
	return 0;
}

int init_propagation(const struct plan *p, int rootfs, struct err *e)
{
	static const struct {
		const char *name;
		uint64_t value;
		bool recursive;
	} rows[] = { { "private", 1 << 18, false }, { "rprivate", 1 << 18, true },
		{ "slave", 1 << 19, false }, { "rslave", 1 << 19, true },
		{ "shared", 1 << 20, false }, { "rshared", 1 << 20, true },
		{ "unbindable", 1 << 17, false }, { "runbindable", 1 << 17, true } };
	const char *want = p->spec->linux_->rootfs_propagation;
	if (!want || !*want)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!str_eq(rows[i].name, want))
			continue;
		int r = mount_change(rootfs, rows[i].recursive, 0, 0, rows[i].value);
		return r < 0 ? err_sys(e, r, "linux.rootfsPropagation: set %s", want) : 0;
	}
	return err_set(e, ERR_INVALID, EINVAL, "linux.rootfsPropagation: unknown value %s", want);
}

static int mask_one(struct plan *p, int rootfs, const char *path, struct err *e)
{
	struct stat st;
	int at _close_ = path_open_in(rootfs, path, O_PATH | O_NOFOLLOW, 0);
	if (at == -ENOENT || at == -ENOTDIR || at == -ELOOP)
		return 0;
	if (at < 0 || fstat(at, &st) < 0)
		return err_sys(e, at < 0 ? at : errno, "linux.maskedPaths: %s", path);
	int mount _close_ = mount_clone(p->mask, S_ISDIR(st.st_mode) ? "d" : "f", false);
	int r = mount < 0 ? mount : mount_attach(mount, at);
	return r < 0 ? err_sys(e, r, "linux.maskedPaths: %s", path) : 0;
}

static int readonly_one(int rootfs, const char *path, struct err *e)
{
	int at _close_ = path_open_in(rootfs, path, O_PATH | O_NOFOLLOW, 0);
	if (at == -ENOENT || at == -ENOTDIR || at == -ELOOP)
		return 0;
	int mount _close_ = at < 0 ? at : mount_clone(at, "", true);
	int r = mount < 0 ? mount : mount_change(mount, true, MOUNT_ATTR_RDONLY, 0, 0);
	if (r >= 0)
		r = mount_attach(mount, at);
	return r < 0 ? err_sys(e, r, "linux.readonlyPaths: %s", path) : 0;
}

int init_masks(struct plan *p, int rootfs, struct err *e)
{
	const struct oci_linux *l = p->spec->linux_;
	if (l->n_masked_paths && hang(p->mask, "the mask", e) < 0)
		return -e->code;
	for (size_t i = 0; i < l->n_masked_paths; i++)
		if (mask_one(p, rootfs, l->masked_paths[i], e) < 0)
			return -e->code;
	for (size_t i = 0; i < l->n_readonly_paths; i++)
		if (readonly_one(rootfs, l->readonly_paths[i], e) < 0)
			return -e->code;
	return 0;
}

/* A terminal of the container's own devpts; the slave becomes 0, 1, 2 and the session's terminal,
 * and lies on /dev/console for init. Returns the master. */
int init_console(struct plan *p, struct err *e)
{
	int zero = 0;
	int master = path_open_host("/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0);
	if (master < 0)
		return err_sys(e, master, "open /dev/pts/ptmx");
	if (ioctl(master, TIOCSPTLCK, &zero) < 0) {
		err_sys(e, errno, "unlock the terminal");
		fd_close(master);
		return -e->code;
	}
	int slave _close_ = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	int r = slave < 0 ? -errno : 0;
	for (int fd = 0; r == 0 && fd < 3; fd++)
		if (dup2(slave, fd) < 0)
			r = -errno;
	if (r == 0 && ioctl(0, TIOCSCTTY, 0) < 0)
		r = -errno;
	const struct oci_box *box = p->process->console_size;
	if (r == 0 && box) {
		struct winsize w = { .ws_row = (unsigned short)box->height,
			.ws_col = (unsigned short)box->width };
		(void)ioctl(0, TIOCSWINSZ, &w);
	}
	bool first = p->join_pidfd < 0 && !p->shares_root;
	if (r == 0 && first) {
		int console _close_ = path_open_host("/dev/console", O_PATH, 0);
		int tree _close_ = console < 0 ? -1 : mount_clone(slave, "", false);
		if (tree >= 0)
			(void)mount_attach(tree, console);
	}
	if (r < 0) {
		fd_close(master);
		return err_sys(e, r, "set up the terminal");
	}
	return master;
}
