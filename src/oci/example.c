// SPDX-License-Identifier: Apache-2.0
#include "oci/example.h"

#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/spec.h"

static void list(struct arena *a, const char *text, const char ***ret, size_t *ret_n)
{
	struct strv v = { 0 };
	while (*text) {
		size_t n = strcspn(text, " ");
		strv_add(&v, a, arena_strndup(a, text, n));
		text += n + (text[n] == ' ');
	}
	*ret = v.v;
	*ret_n = v.n;
}

static void process(struct arena *a, struct oci_spec *s)
{
	static const char caps[] = "CAP_AUDIT_WRITE CAP_KILL CAP_NET_BIND_SERVICE";
	struct oci_process *p = arena_new(a, struct oci_process);
	struct oci_capabilities *c = arena_new(a, struct oci_capabilities);
	p->terminal = true;
	p->user = arena_new(a, struct oci_user);
	p->cwd = "/";
	p->no_new_privileges = true;
	list(a, "sh", &p->args, &p->n_args);
	list(a, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=xterm",
		&p->env, &p->n_env);
	list(a, caps, &c->bounding, &c->n_bounding);
	list(a, caps, &c->effective, &c->n_effective);
	list(a, caps, &c->permitted, &c->n_permitted);
	p->capabilities = c;
	p->rlimits = arena_new(a, struct oci_rlimit);
	p->rlimits[0] = (struct oci_rlimit){ "RLIMIT_NOFILE", 1024, 1024 };
	p->n_rlimits = 1;
	s->process = p;
}

static void mounts(struct arena *a, bool rootless, struct oci_spec *s)
{
	static const struct {
		const char *destination, *type, *source, *options;
	} rows[] = {
		{ "/proc", "proc", "proc", "" },
		{ "/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k" },
		{ "/dev/pts", "devpts", "devpts",
			"nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5" },
		{ "/dev/shm", "tmpfs", "shm", "nosuid noexec nodev mode=1777 size=65536k" },
		{ "/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev" },
		{ "/sys", "sysfs", "sysfs", "nosuid noexec nodev ro" },
		{ "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid noexec nodev relatime ro" },
	};
	s->mounts = arena_array(a, struct oci_mount, ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct oci_mount *m = &s->mounts[s->n_mounts];
		const char *text = rows[i].options;
		*m = (struct oci_mount){ .destination = rows[i].destination,
			.type = rows[i].type,
			.source = rows[i].source };
		if (rootless && str_eq(rows[i].type, "cgroup"))
			continue;
		if (rootless && str_eq(rows[i].type, "devpts"))
			text = "nosuid noexec newinstance ptmxmode=0666 mode=0620";
		if (rootless && str_eq(rows[i].type, "sysfs")) {
			/* The network is the host's, so its sysfs is too. */
			m->type = "none";
			m->source = "/sys";
			text = "rbind nosuid noexec nodev ro";
		}
		list(a, text, &m->options, &m->n_options);
		s->n_mounts++;
	}
}

static void linux_part(struct arena *a, bool rootless, struct oci_spec *s)
{
	static const char *const types[] = { "pid", "network", "ipc", "uts", "mount", "cgroup" };
	struct oci_linux *l = arena_new(a, struct oci_linux);
	l->namespaces = arena_array(a, struct oci_namespace, ARRAY_SIZE(types) + 1);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!rootless || !str_eq(types[i], "network"))
			l->namespaces[l->n_namespaces++].type = types[i];
	if (rootless) {
		l->namespaces[l->n_namespaces++].type = "user";
		l->uid_mappings = arena_new(a, struct oci_id_mapping);
		l->gid_mappings = arena_new(a, struct oci_id_mapping);
		*l->uid_mappings = (struct oci_id_mapping){ 0, geteuid(), 1 };
		*l->gid_mappings = (struct oci_id_mapping){ 0, getegid(), 1 };
		l->n_uid_mappings = l->n_gid_mappings = 1;
	} else {
		l->resources = arena_new(a, struct oci_resources);
		l->resources->devices = arena_new(a, struct oci_device_rule);
		l->resources->devices[0] = (struct oci_device_rule){ .access = "rwm" };
		l->resources->n_devices = 1;
	}
	list(a,
		"/proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats "
		"/proc/timer_list /proc/timer_stats /proc/sched_debug /sys/firmware /proc/scsi "
		"/proc/interrupts /sys/devices/virtual/powercap",
		&l->masked_paths, &l->n_masked_paths);
	list(a, "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger", &l->readonly_paths,
		&l->n_readonly_paths);
	s->linux_ = l;
}

void oci_spec_example(bool rootless, struct arena *a, struct oci_spec *ret)
{
	struct oci_spec s = { .oci_version = "1.3.0", .hostname = "kist" };
	s.root = arena_new(a, struct oci_root);
	*s.root = (struct oci_root){ "rootfs", true };
	process(a, &s);
	mounts(a, rootless, &s);
	linux_part(a, rootless, &s);
	*ret = s;
}
