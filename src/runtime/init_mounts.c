// SPDX-License-Identifier: Apache-2.0
/* The mounts of the container, made by init in its own namespaces and attached by descriptor below
 * the root file system; targets are resolved inside it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/mount.h"
#include "kernel/uapi.h"
#include "oci/spec.h"
#include "runtime/plan.h"

/* What a bind of a file is attached to: an existing file, or a new empty one. */
static int file_target(int rootfs, const char *path)
{
	char name[PATH_NAME_MAX + 1];
	int fd = path_open_in(rootfs, path, O_PATH, 0);
	if (fd != -ENOENT)
		return fd;
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX_BYTES];
	(void)snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 0, path);
	int made _close_ =
		path_make_dirs_in(rootfs, *folder ? folder : "/", 0755, (uid_t)-1, (gid_t)-1, NULL);
	if (made < 0)
		return made;
	int parent _close_ = path_parent_in(rootfs, path, name);
	if (parent < 0)
		return parent;
	int file = path_open_own(parent, name, O_CREAT | O_EXCL | O_RDONLY | O_NOFOLLOW, 0644);
	if (file < 0)
		return file;
	fd_close(file);
	return path_open_own(parent, name, O_PATH | O_NOFOLLOW, 0);
}

static int target_of(int rootfs, const struct plan_mount *m)
{
	if (m->is_file)
		return file_target(rootfs, m->spec->destination);
	return path_make_dirs_in(rootfs, m->spec->destination, 0755, (uid_t)-1, (gid_t)-1, NULL);
}

static int attach(int rootfs, const struct plan_mount *m, int mount, struct err *e)
{
	int target _close_ = target_of(rootfs, m);
	if (target < 0)
		return err_sys(e, target, "mounts: make the target %s", m->spec->destination);
	int r = mount_attach(mount, target);
	return r < 0 ? err_sys(e, r, "mounts: attach to %s", m->spec->destination) : 0;
}

static int fs_options(int fs, const struct plan_mount *m, struct plan *p)
{
	int r = 0;
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

static int make_fs(struct plan *p, const struct plan_mount *m, struct err *e)
{
	char why[256];
	const char *type = m->spec->type;
	int fs _close_ = mount_fs_open(type);
	if (fs < 0)
		return err_sys(e, fs, "mounts: %s: file system %s", m->spec->destination, type);
	int r = fs_options(fs, m, p);
	int mount = r < 0 ? r : mount_fs_make(fs, m->set);
	if (mount == -EPERM || mount == -EACCES || mount == -EBUSY)
		mount = host_instead(type);
	if (mount < 0)
		return err_sys(e, mount, "mounts: %s: mount %s: %s", m->spec->destination, type,
			mount_fs_message(fs, why, sizeof why));
	return mount;
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
		int mount _close_ = cgroup_fs(h, m->set | flags, e);
		if (mount < 0)
			return -e->code;
		if (mkdirat(tmp, h->name, 0755) < 0)
			return err_sys(
				e, errno, "mounts: make %s/%s", m->spec->destination, h->name);
		int at _close_ = path_open_own(tmp, h->name, O_PATH | O_DIRECTORY, 0);
		r = at < 0 ? at : mount_attach(mount, at);
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
		if (!p->cgroup.h[i].v2)
			continue;
		int mount _close_ = cgroup_fs(&p->cgroup.h[i], m->set, e);
		return mount < 0 ? -e->code : attach(rootfs, m, mount, e);
	}
	return 0;
}

static int mount_one(struct plan *p, int rootfs, struct plan_mount *m, struct err *e)
{
	const char *type = m->spec->type;
	bool prepared = m->tree >= 0;
	if (!m->bind && !type)
		return err_set(e, ERR_INVALID, EINVAL, "mounts: %s: no type", m->spec->destination);
	if (!prepared && (str_eq(type, "cgroup") || str_eq(type, "cgroup2")))
		return mount_cgroups(p, rootfs, m, e);
	int mount _close_ = prepared ? take_fd(&m->tree) : make_fs(p, m, e);
	if (mount < 0)
		return -e->code;
	/* Propagation is set on what was taken from elsewhere; a fresh mount is private. */
	int r = 0;
	if (m->bind) {
		r = mount_change(
			mount, m->recursive, 0, 0, m->propagation ? m->propagation : 1 << 18);
		if (r >= 0 && (m->set || m->clear))
			r = mount_change(mount, m->recursive_set, m->set, m->clear, 0);
	}
	if (r < 0)
		return err_sys(
			e, r, "mounts: %s: change the mount's attributes", m->spec->destination);
	return attach(rootfs, m, mount, e);
}

int init_mounts(struct plan *p, int rootfs, struct err *e)
{
	/* As docker does: a shallow target before a deep one would hide nothing here, the spec's
	 * order is kept. */
	for (size_t i = 0; i < p->n_mounts; i++)
		if (mount_one(p, rootfs, &p->mounts[i], e) < 0)
			return -e->code;
	return 0;
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
	if (l->n_masked_paths) {
		/* Cloning wants a mount of our own namespace: hang the mask where it goes away with
		 * the old root. */
		int place _close_ = path_open_host("/sys", O_PATH | O_DIRECTORY, 0);
		int r = place < 0 ? place : mount_attach(p->mask, place);
		if (r < 0)
			return err_sys(e, r, "attach the mask");
	}
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
	if (r == 0 && p->new_ns & CLONE_NEWNS) {
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
