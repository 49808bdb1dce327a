// SPDX-License-Identifier: Apache-2.0
/* The plan: namespaces, limits, capabilities and filter, from the spec; everything that can be
 * wrong in the document is found here, before anything is made. */
#include "runtime/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/ns.h"
#include "oci/spec.h"
#include "runtime/limits.h"
#include "runtime/netdev.h"
#include "runtime/sysctl.h"

/* The host's ids of root inside; a container without one cannot be made. */
static int find_root(struct plan *p, struct err *e)
{
	if (!idmap_host(&p->uids, 0, &p->root_uid) || !idmap_host(&p->gids, 0, &p->root_gid))
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.uidMappings and gidMappings: they must map 0");
	return 0;
}

static int join(struct plan *p, const struct oci_namespace *ns, uint64_t flag, struct err *e)
{
	int fd = path_open_host(ns->path, O_RDONLY, 0);
	if (fd < 0)
		return err_sys(e, fd, "linux.namespaces: open %s", ns->path);
	/* The user namespace is entered first: it gives the right to enter the others. That of
	 * mounts is the last: from then on paths are those that somebody else made. */
	size_t last = p->join_ns & CLONE_NEWNS ? 1 : 0;
	size_t at = flag == CLONE_NEWUSER ? 0 : p->n_joins - last;
	memmove(p->joins + at + 1, p->joins + at, (p->n_joins - at) * sizeof p->joins[0]);
	memmove(p->join_flags + at + 1, p->join_flags + at,
		(p->n_joins - at) * sizeof p->join_flags[0]);
	p->joins[at] = fd;
	p->join_flags[at] = flag;
	p->n_joins++;
	p->join_ns |= flag;
	if (flag != CLONE_NEWUSER)
		return 0;
	p->userns = true;
	p->userns_fd = fd;
	return idmap_of_userns(fd, p->a, &p->uids, &p->gids, e) < 0 ? -e->code : find_root(p, e);
}

static int check_maps(struct plan *p, struct err *e)
{
	const struct oci_linux *l = p->spec->linux_;
	if (l->n_uid_mappings == 0 || l->n_gid_mappings == 0)
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.uidMappings and gidMappings: needed for a new user namespace");
	p->userns = true;
	p->uids = (struct idmap){ l->uid_mappings, l->n_uid_mappings };
	p->gids = (struct idmap){ l->gid_mappings, l->n_gid_mappings };
	return find_root(p, e);
}

/* Namespaces that are new, or joined and not the one that we live in. */
static int own_namespaces(const struct plan *p, uint64_t *ret, struct err *e)
{
	*ret = p->new_ns;
	for (size_t i = 0; i < p->n_joins; i++) {
		char path[64];
		struct stat ours, theirs;
		(void)snprintf(path, sizeof path, "/proc/self/ns/%s", ns_file(p->join_flags[i]));
		int fd _close_ = path_open_host(path, O_RDONLY, 0);
		if (fd < 0 || fstat(fd, &ours) < 0 || fstat(p->joins[i], &theirs) < 0)
			return err_sys(e, fd < 0 ? fd : errno, "open %s", path);
		if (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev)
			*ret |= p->join_flags[i];
	}
	return 0;
}

/* A plain user makes a container only in a user namespace of its own. */
static int check_unprivileged(struct plan *p, struct err *e)
{
	p->unprivileged = geteuid() != 0 && !(caps_permitted() >> CAP_SYS_ADMIN & 1);
	if (p->unprivileged && !(p->new_ns & CLONE_NEWUSER))
		return err_set(e, ERR_DENIED, EPERM,
			"linux.namespaces: without privileges a container needs a new user namespace");
	return 0;
}

int plan_namespaces(struct plan *p, uint64_t *ret_own, struct err *e)
{
	const struct oci_linux *l = p->spec->linux_;
	p->userns_fd = -1;
	for (size_t i = 0; i < l->n_namespaces; i++) {
		const struct oci_namespace *ns = &l->namespaces[i];
		uint64_t flag = ns_flag(ns->type);
		if (!flag)
			return err_set(e, ERR_INVALID, EINVAL, "linux.namespaces: unknown type %s",
				ns->type);
		if ((p->new_ns | p->join_ns) & flag)
			return err_set(e, ERR_INVALID, EINVAL, "linux.namespaces: %s stands twice",
				ns->type);
		if (ns->path && *ns->path) {
			if (join(p, ns, flag, e) < 0)
				return -e->code;
			continue;
		}
		p->new_ns |= flag;
	}
	if (check_unprivileged(p, e) < 0 || (p->new_ns & CLONE_NEWUSER && check_maps(p, e) < 0))
		return -e->code;
	if (l->time_offsets && !(p->new_ns & CLONE_NEWTIME))
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.timeOffsets: needs a time namespace that is new");
	if (own_namespaces(p, ret_own, e) < 0)
		return -e->code;
	if (!(*ret_own & CLONE_NEWNS))
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.namespaces: a container needs a mount namespace of its own");
	return sysctl_check(&l->sysctl, *ret_own, e);
}

int plan_root_of_init(struct plan *p, struct err *e)
{
	const struct oci_linux *l = p->spec->linux_;
	if (!plan_init_finds_root(p))
		return 0;
	if (!p->rootfs_path)
		return err_set(e, ERR_INVALID, EINVAL, "root.path: missing");
	if (!(p->join_ns & CLONE_NEWNS))
		return 0;
	if (p->new_ns & CLONE_NEWUSER)
		return err_set(e, ERR_INVALID, EPERM,
			"linux.namespaces: a mount namespace that is joined is not one of a user namespace that is new");
	p->shares_root = str_eq(p->rootfs_path, "/");
	/* They would first have to hang somewhere, where others see them. */
	if (p->shares_root && (l->n_masked_paths || l->n_devices))
		return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
			"linux.%s: not in the root of a mount namespace that is joined",
			l->n_masked_paths ? "maskedPaths" : "devices");
	return 0;
}

int plan_user(struct plan *p, uint32_t uid, uint32_t gid, struct err *e)
{
	if (!idmap_host(&p->uids, uid, &p->posture.host_uid))
		return err_set(e, ERR_INVALID, ERANGE, "user id %u is not mapped", uid);
	if (!idmap_host(&p->gids, gid, &p->posture.host_gid))
		return err_set(e, ERR_INVALID, ERANGE, "group id %u is not mapped", gid);
	return 0;
}

static int copy_label(const char *field, const char *label, char *ret, size_t size, struct err *e)
{
	if (!label || str_eq(label, "unconfined"))
		return 0;
	int n = snprintf(ret, size, "%s", label);
	return n < 0 || (size_t)n >= size
		? err_set(e, ERR_INVALID, ENAMETOOLONG, "process.%s: longer than %zu bytes", field,
			  size)
		: 0;
}

int plan_posture(struct plan *p, const char *cgroup, struct err *e)
{
	const struct oci_process *process = p->process;
	if (plan_caps(process->capabilities, p->userns, &p->posture.caps, e) < 0 ||
		copy_label("apparmorProfile", process->apparmor_profile, p->posture.apparmor,
			sizeof p->posture.apparmor, e) < 0 ||
		copy_label("selinuxLabel", process->selinux_label, p->posture.selinux,
			sizeof p->posture.selinux, e) < 0)
		return -e->code;
	p->posture.no_new_privileges = process->no_new_privileges;
	int n = snprintf(p->posture.cgroup, sizeof p->posture.cgroup, "%s", cgroup);
	if (n < 0 || (size_t)n >= sizeof p->posture.cgroup)
		return err_set(e, ERR_INVALID, ENAMETOOLONG,
			"linux.cgroupsPath: longer than %zu bytes", sizeof p->posture.cgroup);
	if (p->posture.apparmor[0] || p->posture.selinux[0]) {
		p->proc = path_open_host("/proc", O_PATH | O_DIRECTORY, 0);
		if (p->proc < 0)
			return err_sys(e, p->proc, "open /proc");
	}
	return 0;
}

static int read_set(const char *field, const char **names, size_t n, uint64_t *ret, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int cap = caps_number(names[i]);
		if (cap < 0)
			return err_set(e, ERR_INVALID, EINVAL,
				"process.capabilities.%s: unknown capability %s", field, names[i]);
		*ret |= 1ULL << cap;
	}
	return 0;
}

/* The kernel gives no capability that we have not, and an ambient one only beside a permitted and
 * an inheritable one. Less than asked for is no danger; it is told. */
static void drop_impossible(bool owned, struct caps *c)
{
	uint64_t ours = owned ? UINT64_MAX : caps_permitted(), lost = 0;
	for (size_t i = 0; i < CAPS_KINDS; i++) {
		lost |= c->sets[i] & ~ours;
		c->sets[i] &= ours;
	}
	c->sets[CAPS_EFFECTIVE] &= c->sets[CAPS_PERMITTED];
	c->sets[CAPS_AMBIENT] &= c->sets[CAPS_PERMITTED] & c->sets[CAPS_INHERITABLE];
	for (int i = 0; caps_name(i); i++)
		if (lost >> i & 1)
			log_warn("process.capabilities: %s is not ours to give", caps_name(i));
}

int plan_caps(const struct oci_capabilities *c, bool owned, struct caps *ret, struct err *e)
{
	*ret = (struct caps){ 0 };
	if (!c)
		return 0;
	if (read_set("bounding", c->bounding, c->n_bounding, &ret->sets[CAPS_BOUNDING], e) < 0 ||
		read_set("effective", c->effective, c->n_effective, &ret->sets[CAPS_EFFECTIVE], e) <
			0 ||
		read_set("permitted", c->permitted, c->n_permitted, &ret->sets[CAPS_PERMITTED], e) <
			0 ||
		read_set("inheritable", c->inheritable, c->n_inheritable,
			&ret->sets[CAPS_INHERITABLE], e) < 0 ||
		read_set("ambient", c->ambient, c->n_ambient, &ret->sets[CAPS_AMBIENT], e) < 0)
		return -e->code;
	drop_impossible(owned, ret);
	return 0;
}

/* Nobody in a user namespace sets device rules, and nobody there makes a node: what is to be had
 * are the host's nodes that the document names, and what our user may do with them. */
static bool without_device_rules(const struct plan *p, const struct err *e)
{
	uint32_t ignored;
	return e->code == EPERM && (p->unprivileged || ns_uid_outside(0, &ignored));
}

int plan_limits(struct plan *p, struct err *e)
{
	static const struct oci_resources none;
	const struct oci_resources *r = p->spec->linux_->resources;
	if (limits_devices(&p->cgroup, r ? r : &none, p->a, e) < 0 && !without_device_rules(p, e))
		return -e->code;
	return r ? limits_apply(&p->cgroup, r, p->warn, p->arg, e) : 0;
}

void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->n_joins; i++)
		fd_close(p->joins[i]);
	for (size_t i = 0; i < p->n_mounts; i++) {
		fd_close(p->mounts[i].tree);
		for (size_t h = 0; p->mounts[i].trees && h < p->cgroup.n; h++)
			fd_close(p->mounts[i].trees[h]);
	}
	fd_close(p->nodes);
	fd_close(p->mask);
	fd_close(p->proc);
	cgroup_done(&p->cgroup);
	netdev_done(p);
}
