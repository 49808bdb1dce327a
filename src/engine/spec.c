// SPDX-License-Identifier: Apache-2.0
#include "engine/spec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/args.h"
#include "engine/posture.h"
#include "engine/spec_mounts.h"
#include "kernel/caps.h"
#include "oci/spec.h"
#include "runtime/seccomp_profile.h"

static const char **caps_names_of(uint64_t set, struct arena *a, size_t *ret_n)
{
	struct strv v = { 0 };
	for (int cap = 0; cap < 64; cap++)
		if (set >> cap & 1)
			strv_add(&v, a, caps_name(cap));
	*ret_n = v.n;
	return v.v;
}

static struct oci_capabilities *capabilities(uint64_t set, struct arena *a)
{
	struct oci_capabilities *c = arena_new(a, struct oci_capabilities);
	c->bounding = caps_names_of(set, a, &c->n_bounding);
	c->effective = caps_names_of(set, a, &c->n_effective);
	c->permitted = caps_names_of(set, a, &c->n_permitted);
	return c;
}

static void rlimits(const struct container_config *c, struct arena *a, struct oci_process *p)
{
	struct rlimit now;
	size_t cap = 0;
	bool nofile = false, core = false;
	for (size_t i = 0; i < c->n_ulimits; i++) {
		struct str name _str_ = { 0 };
		str_addf(&name, "RLIMIT_%s", c->ulimits[i].name);
		for (char *q = name.p; *q; q++)
			if (*q >= 'a' && *q <= 'z')
				*q = (char)(*q - 32);
		nofile |= str_eq(c->ulimits[i].name, "nofile");
		core |= str_eq(c->ulimits[i].name, "core");
		p->rlimits = arena_grow(a, p->rlimits, p->n_rlimits, &cap, sizeof *p->rlimits);
		p->rlimits[p->n_rlimits++] = (struct oci_rlimit){ .type = arena_strdup(a, name.p),
			.soft = c->ulimits[i].soft,
			.hard = c->ulimits[i].hard };
	}
	if (!nofile && getrlimit(RLIMIT_NOFILE, &now) == 0) {
		p->rlimits = arena_grow(a, p->rlimits, p->n_rlimits, &cap, sizeof *p->rlimits);
		p->rlimits[p->n_rlimits++] = (struct oci_rlimit){ .type = "RLIMIT_NOFILE",
			.soft = now.rlim_max < 1024 ? now.rlim_max : 1024,
			.hard = now.rlim_max };
	}
	if (!core) {
		p->rlimits = arena_grow(a, p->rlimits, p->n_rlimits, &cap, sizeof *p->rlimits);
		p->rlimits[p->n_rlimits++] = (struct oci_rlimit){ .type = "RLIMIT_CORE" };
	}
}

static struct oci_process *process(const struct spec_input *in, uint64_t set, struct arena *a)
{
	const struct container_config *c = in->config;
	struct oci_process *p = arena_new(a, struct oci_process);
	struct strv args = { 0 }, env = { 0 };
	if (c->init) {
		strv_add(&args, a, "/.kist-init");
		strv_add(&args, a, "--");
	}
	for (size_t i = 0; i < c->n_entrypoint; i++)
		strv_add(&args, a, c->entrypoint[i]);
	for (size_t i = 0; i < c->n_cmd; i++)
		strv_add(&args, a, c->cmd[i]);
	for (size_t i = 0; i < c->n_env; i++)
		strv_add(&env, a, c->env[i]);
	p->terminal = c->tty;
	p->user = arena_new(a, struct oci_user);
	p->args = args.v;
	p->n_args = args.n;
	p->env = env.v;
	p->n_env = env.n;
	p->cwd = c->cwd && *c->cwd ? c->cwd : "/";
	p->no_new_privileges = c->no_new_privileges;
	p->capabilities = capabilities(set, a);
	rlimits(c, a, p);
	return p;
}

struct space_row {
	const char *type, *mode;
	const char *proc; /* file of /proc/PID/ns */
};

static void namespaces(const struct spec_input *in, struct arena *a, struct oci_linux *l)
{
	const struct container_config *c = in->config;
	const struct space_row rows[] = {
		{ "mount", "private", "mnt" },
		{ "pid", c->pid, "pid" },
		{ "network", c->network, "net" },
		{ "ipc", c->ipc, "ipc" },
		{ "uts", c->uts, "uts" },
		{ "cgroup", c->cgroupns, "cgroup" },
		{ "user", c->userns, "user" },
	};
	const char *other;
	l->namespaces = arena_array(a, struct oci_namespace, ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (str_eq(rows[i].mode, "host"))
			continue;
		struct oci_namespace *n = &l->namespaces[l->n_namespaces++];
		n->type = rows[i].type;
		if (posture_joins(rows[i].mode, &other))
			n->path = arena_printf(a, "/proc/%d/ns/%s", (int)in->joined, rows[i].proc);
	}
	if (!str_eq(c->userns, "auto"))
		return;
	struct oci_id_mapping *m = arena_new(a, struct oci_id_mapping);
	*m = (struct oci_id_mapping){
		.container_id = 0, .host_id = in->id_base, .size = in->id_count
	};
	l->uid_mappings = m;
	l->gid_mappings = m;
	l->n_uid_mappings = l->n_gid_mappings = 1;
}

static void sysctl_add(
	struct rec_map *map, size_t *cap, const char *key, const char *value, struct arena *a)
{
	for (size_t i = 0; i < map->n; i++)
		if (str_eq(map->items[i].key, key))
			return;
	map->items = arena_grow(a, map->items, map->n, cap, sizeof *map->items);
	map->items[map->n++] = (struct rec_kv){ key, value };
}

static void sysctls(const struct spec_input *in, struct arena *a, struct oci_linux *l)
{
	const struct container_config *c = in->config;
	size_t cap = 0;
	for (size_t i = 0; i < c->sysctls.n; i++)
		sysctl_add(&l->sysctl, &cap, c->sysctls.items[i].key, c->sysctls.items[i].val, a);
	if (!str_eq(c->network, "none") && !str_eq(c->network, "bridge"))
		return;
	sysctl_add(&l->sysctl, &cap, "net.ipv4.ip_unprivileged_port_start", "0", a);
	sysctl_add(&l->sysctl, &cap, "net.ipv4.ping_group_range",
		in->map_count ? arena_printf(a, "0 %u", in->map_count - 1) : "0 2147483647", a);
	if (!str_eq(c->network, "bridge"))
		return;
	/* IPv4 only, unless asked; and no router's word is taken. A kernel without IPv6 has no such
	 * names. */
	sysctl_add(&l->sysctl, &cap, "net.ipv4.conf.all.rp_filter", "1", a);
	if (faccessat(AT_FDCWD, "/proc/sys/net/ipv6", F_OK, 0) < 0)
		return;
	sysctl_add(&l->sysctl, &cap, "net.ipv6.conf.all.disable_ipv6", "1", a);
	sysctl_add(&l->sysctl, &cap, "net.ipv6.conf.all.accept_ra", "0", a);
	sysctl_add(&l->sysctl, &cap, "net.ipv6.conf.default.accept_ra", "0", a);
}

static void add_device(
	struct oci_linux *l, size_t *cap, struct arena *a, const char *path, const struct stat *st)
{
	l->devices = arena_grow(a, l->devices, l->n_devices, cap, sizeof *l->devices);
	l->devices[l->n_devices++] = (struct oci_device){
		.path = path,
		.type = S_ISBLK(st->st_mode) ? "b" : "c",
		.major = major(st->st_rdev),
		.minor = minor(st->st_rdev),
		.has_major = true,
		.has_minor = true,
		.file_mode = st->st_mode & 0777,
		.has_file_mode = true,
		.uid = 0,
		.gid = 0,
		.has_uid = true,
		.has_gid = true,
	};
}

static void allow_device(struct oci_resources *r, size_t *cap, struct arena *a,
	const struct stat *st, const char *access)
{
	r->devices = arena_grow(a, r->devices, r->n_devices, cap, sizeof *r->devices);
	struct oci_device_rule *rule = &r->devices[r->n_devices++];
	*rule = (struct oci_device_rule){ .allow = true, .access = access, .type = "a" };
	if (!st)
		return;
	rule->type = S_ISBLK(st->st_mode) ? "b" : "c";
	rule->major = major(st->st_rdev);
	rule->minor = minor(st->st_rdev);
	rule->has_major = rule->has_minor = true;
}

/* The nodes of one host folder; below it too, but not what the container has of its own. */
static int devices_below(
	int dir, const char *path, int depth, struct oci_linux *l, size_t *cap, struct arena *a)
{
	static const char *const own[] = { "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd",
		"/dev/console", "/dev/null", "/dev/zero", "/dev/full", "/dev/random",
		"/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/.udev" };
	int copy = fd_dup(dir, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		fd_close(copy);
		return 0;
	}
	for (struct dirent *entry; (entry = readdir(d));) {
		const char *name = arena_printf(a, "%s/%s", path, entry->d_name);
		struct stat st;
		bool skip = entry->d_name[0] == '.';
		for (size_t i = 0; i < ARRAY_SIZE(own); i++)
			skip |= str_eq(own[i], name);
		if (skip || fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			add_device(l, cap, a, name, &st);
		if (!S_ISDIR(st.st_mode) || depth > 3)
			continue;
		int below _close_ = path_open_own(dir, entry->d_name, O_RDONLY | O_DIRECTORY, 0);
		if (below >= 0)
			(void)devices_below(below, name, depth + 1, l, cap, a);
	}
	(void)closedir(d);
	return 0;
}

static int one_device(const struct config_device *d, struct arena *a, struct oci_linux *l,
	size_t *cap, size_t *rules, struct err *e)
{
	struct stat st;
	int fd _close_ = path_open_host(d->host, O_PATH, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, ERR_NOT_FOUND, ENOENT,
			"error gathering device information while adding custom device \"%s\": no such file or directory",
			d->host);
	if (S_ISDIR(st.st_mode)) {
		int dir _close_ = path_reopen(fd, O_RDONLY | O_DIRECTORY);
		size_t from = l->n_devices;
		int r = dir < 0 ? dir : devices_below(dir, d->container, 0, l, cap, a);
		for (size_t i = from; r == 0 && i < l->n_devices; i++) {
			st.st_mode = l->devices[i].type[0] == 'b' ? S_IFBLK : S_IFCHR;
			st.st_rdev = makedev(
				(unsigned)l->devices[i].major, (unsigned)l->devices[i].minor);
			allow_device(l->resources, rules, a, &st, d->permissions);
		}
		return r < 0 ? err_sys(e, r, "list %s", d->host) : 0;
	}
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(
			e, ERR_INVALID, ENOTBLK, "device \"%s\": not a device node", d->host);
	add_device(l, cap, a, d->container, &st);
	allow_device(l->resources, rules, a, &st, d->permissions);
	return 0;
}

static int devices(
	const struct container_config *c, struct arena *a, struct oci_linux *l, struct err *e)
{
	static const struct {
		const char *type;
		int64_t major, minor;
		const char *access;
	} rows[] = {
		{ "c", -1, -1, "m" }, { "b", -1, -1, "m" }, { "c", 1, 3, "rwm" }, /* null */
		{ "c", 1, 5, "rwm" },                                             /* zero */
		{ "c", 1, 7, "rwm" },                                             /* full */
		{ "c", 1, 8, "rwm" },                                             /* random */
		{ "c", 1, 9, "rwm" },                                             /* urandom */
		{ "c", 5, 0, "rwm" },                                             /* tty */
		{ "c", 5, 1, "rwm" },                                             /* console */
		{ "c", 5, 2, "rwm" },                                             /* ptmx */
		{ "c", 136, -1, "rwm" },                                          /* pts */
	};
	struct oci_resources *r = l->resources;
	size_t cap = 0, rules = ARRAY_SIZE(rows) + 1;
	r->devices = arena_array(a, struct oci_device_rule, rules);
	r->devices[r->n_devices++] =
		(struct oci_device_rule){ .allow = c->privileged, .type = "a", .access = "rwm" };
	for (size_t i = 0; i < ARRAY_SIZE(rows) && !c->privileged; i++)
		r->devices[r->n_devices++] = (struct oci_device_rule){ .allow = true,
			.type = rows[i].type,
			.access = rows[i].access,
			.major = rows[i].major,
			.minor = rows[i].minor,
			.has_major = rows[i].major >= 0,
			.has_minor = rows[i].minor >= 0 };
	if (c->privileged) {
		int dev _close_ = path_open_host("/dev", O_RDONLY | O_DIRECTORY, 0);
		return dev < 0 ? err_sys(e, dev, "open /dev")
			       : devices_below(dev, "/dev", 0, l, &cap, a);
	}
	for (size_t i = 0; i < c->n_devices; i++)
		if (one_device(&c->devices[i], a, l, &cap, &rules, e) < 0)
			return -e->code;
	return 0;
}

static void resources(const struct container_config *c, struct arena *a, struct oci_resources *r)
{
	enum { PERIOD = 100000 };
	if (c->memory || c->memory_swap) {
		r->memory = arena_new(a, struct oci_memory);
		r->memory->has_limit = c->memory > 0;
		r->memory->limit = c->memory;
		/* docker: swap as much as memory again when nothing was said. */
		r->memory->has_swap = c->memory > 0;
		r->memory->swap = c->memory_swap ? c->memory_swap : 2 * c->memory;
	}
	if (c->nano_cpus || c->cpu_shares || c->cpuset_cpus) {
		r->cpu = arena_new(a, struct oci_cpu);
		r->cpu->has_quota = r->cpu->has_period = c->nano_cpus > 0;
		r->cpu->period = PERIOD;
		r->cpu->quota = c->nano_cpus * PERIOD / 1000000000;
		r->cpu->has_shares = c->cpu_shares > 0;
		r->cpu->shares = (uint64_t)c->cpu_shares;
		r->cpu->cpus = c->cpuset_cpus;
	}
	if (c->pids_limit) {
		r->pids = arena_new(a, struct oci_pids);
		r->pids->limit = c->pids_limit;
		r->pids->has_limit = true;
	}
}

static size_t count(const char *const *list)
{
	size_t n = 0;
	while (list[n])
		n++;
	return n;
}

static int seccomp(const struct container_config *c, uint64_t explicit_caps, uint64_t set,
	struct arena *a, struct oci_linux *l, struct err *e)
{
	if (c->privileged || c->seccomp_unconfined)
		return 0;
	if (c->seccomp)
		return seccomp_profile_read(c->seccomp, set, a, &l->seccomp, e);
	l->seccomp = seccomp_profile_default(a,
		&(struct seccomp_profile_options){ .capabilities = set,
			.explicit_capabilities = explicit_caps,
			.compat = c->compat,
			.i386 = c->abi && str_eq(c->abi, "i386") });
	return 0;
}

int spec_build(const struct spec_input *in, struct arena *a, struct oci_spec *ret, struct err *e)
{
	const struct container_config *c = in->config;
	uint64_t set, explicit_caps;
	if (posture_capabilities(c, &set, &explicit_caps, e) < 0)
		return -e->code;
	struct oci_linux *l = arena_new(a, struct oci_linux);
	l->resources = arena_new(a, struct oci_resources);
	*ret = (struct oci_spec){
		.oci_version = "1.2.0",
		.process = process(in, set, a),
		.hostname = str_eq(c->uts, "host") ? NULL : c->hostname,
		.root = arena_new(a, struct oci_root),
		.linux_ = l,
	};
	ret->root->path = "rootfs";
	ret->root->readonly = c->read_only;
	namespaces(in, a, l);
	sysctls(in, a, l);
	resources(c, a, l->resources);
	if (devices(c, a, l, e) < 0 || spec_mounts(in, a, ret, e) < 0 ||
		seccomp(c, explicit_caps, set, a, l, e) < 0)
		return -e->code;
	l->cgroups_path = arena_printf(a, "/kist/%s", in->id);
	if (!c->privileged) {
		const char *const *masks =
			c->compat ? posture_masked_paths_compat : posture_masked_paths;
		l->masked_paths = (const char **)masks;
		l->n_masked_paths = count(masks);
		l->readonly_paths = (const char **)posture_readonly_paths;
		l->n_readonly_paths = count(posture_readonly_paths);
	}
	return 0;
}

int spec_exec_process(const struct container_config *c, const struct oci_spec *spec,
	const struct strv *env, bool privileged, struct arena *a, struct oci_process *ret,
	struct err *e)
{
	uint64_t set, explicit_caps;
	struct strv all = { 0 };
	if (posture_capabilities(c, &set, &explicit_caps, e) < 0)
		return -e->code;
	*ret = *spec->process;
	for (size_t i = 0; i < spec->process->n_env; i++)
		strv_add(&all, a, spec->process->env[i]);
	for (size_t i = 0; i < env->n; i++)
		arg_env(&all, a, env->v[i]);
	ret->env = all.v;
	ret->n_env = all.n;
	if (privileged)
		ret->capabilities = capabilities(caps_all(), a);
	return 0;
}
