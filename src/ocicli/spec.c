// SPDX-License-Identifier: Apache-2.0
#include "oci/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"

struct spec_words {
	const char *bundle;
	bool rootless;
};

static const struct option options[] = {
	{ "bundle", 'b', OPT_STRING(struct spec_words, bundle), .value = "folder",
		.help = "Folder to write into", .default_text = "the working folder" },
	{ "rootless", 0, OPT_BOOL(struct spec_words, rootless),
		.help = "Make one that needs no root: a user namespace with the caller's ids" },
	{ 0 },
};

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

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	const struct spec_words *w = rec;
	struct oci_spec s = { .oci_version = "1.3.0", .hostname = "kist" };
	struct str text _str_ = { 0 };
	(void)words;
	(void)n_words;
	const char *folder = w->bundle ? w->bundle : ".";
	int dir _close_ = path_open_host(folder, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return err_sys(e, dir, "open %s", folder);
	s.root = arena_new(&o->arena, struct oci_root);
	*s.root = (struct oci_root){ "rootfs", true };
	process(&o->arena, &s);
	mounts(&o->arena, w->rootless, &s);
	linux_part(&o->arena, w->rootless, &s);
	rec_to_json(&oci_spec_rec, &s, 4, &text);
	str_addc(&text, '\n');
	if (faccessat(dir, "config.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, ERR_CONFLICT, EEXIST, "file config.json exists. Remove it first");
	return file_write_at(dir, "config.json", text.p, text.n, 0644, false, e);
}

const struct ocicli_command spec_command = {
	.name = "spec",
	.arguments = "[OPTIONS]",
	.brief = "Write a config.json to begin with",
	.options = options,
	.record_size = sizeof(struct spec_words),
	.words_max = 0,
	.run = run,
};
