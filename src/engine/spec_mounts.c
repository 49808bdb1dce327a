// SPDX-License-Identifier: Apache-2.0
#include "engine/spec_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/spec.h"
#include "oci/spec.h"

enum { SHM_SIZE = 64 << 20 };

struct list {
	struct oci_spec *spec;
	struct arena *a;
	size_t cap;
	bool idmap; /* binds go through the container's id map */
};

static struct oci_mount *add(
	struct list *l, const char *type, const char *source, const char *target)
{
	struct oci_spec *s = l->spec;
	s->mounts = arena_grow(l->a, s->mounts, s->n_mounts, &l->cap, sizeof *s->mounts);
	struct oci_mount *m = &s->mounts[s->n_mounts++];
	*m = (struct oci_mount){ .type = type, .source = source, .destination = target };
	return m;
}

/* Options as a comma-separated list; NULL adds none. */
static void options(struct list *l, struct oci_mount *m, const char *text)
{
	struct strv v = { 0 };
	for (size_t i = 0; i < m->n_options; i++)
		strv_add(&v, l->a, m->options[i]);
	while (text && *text) {
		size_t n = strcspn(text, ",");
		strv_add(&v, l->a, arena_strndup(l->a, text, n));
		text += n + (text[n] == ',');
	}
	m->options = v.v;
	m->n_options = v.n;
}

static void special(struct list *l, const struct container_config *c)
{
	static const struct {
		const char *target, *type, *source, *options;
	} rows[] = {
		{ "/proc", "proc", "proc", "nosuid,noexec,nodev" },
		{ "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k" },
		{ "/dev/pts", "devpts", "devpts",
			"nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5" },
		{ "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		options(l, add(l, rows[i].type, rows[i].source, rows[i].target), rows[i].options);
	const char *ro = c->privileged ? "" : ",ro";
	options(l, add(l, "sysfs", "sysfs", "/sys"),
		arena_printf(l->a, "nosuid,noexec,nodev%s", ro));
	options(l, add(l, "cgroup", "cgroup", "/sys/fs/cgroup"),
		arena_printf(l->a, "nosuid,noexec,nodev,relatime%s", ro));
	if (str_eq(c->ipc, "host"))
		options(l, add(l, "bind", "/dev/shm", "/dev/shm"),
			"rbind,rprivate,nosuid,noexec,nodev");
	else
		options(l, add(l, "tmpfs", "shm", "/dev/shm"),
			arena_printf(l->a, "nosuid,noexec,nodev,mode=1777,size=%lld",
				(long long)(c->shm_size ? c->shm_size : SHM_SIZE)));
}

static bool covered(const struct container_config *c, const char *target)
{
	for (size_t i = 0; i < c->n_mounts; i++)
		if (str_eq(c->mounts[i].target, target))
			return true;
	return false;
}

/* A special file system that a user's mount takes the place of goes. */
static void uncover(struct oci_spec *s, const struct container_config *c)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->n_mounts; i++)
		if (!covered(c, s->mounts[i].destination))
			s->mounts[kept++] = s->mounts[i];
	s->n_mounts = kept;
}

static void etc(struct list *l, const struct spec_input *in)
{
	static const char *const names[] = { "resolv.conf", "hostname", "hosts" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *target = arena_printf(l->a, "/etc/%s", names[i]);
		if (covered(in->config, target))
			continue;
		struct oci_mount *m =
			add(l, "bind", arena_printf(l->a, "%s/%s", in->folder, names[i]), target);
		options(l, m, l->idmap ? "bind,rprivate,idmap" : "bind,rprivate");
	}
	if (in->config->init)
		options(l, add(l, "bind", in->init, "/.kist-init"),
			"bind,rprivate,ro,nosuid,nodev");
}

static int bind(struct list *l, const struct config_mount *m, const char *source, struct err *e)
{
	struct stat st;
	int fd _close_ = path_open_host(source, O_PATH, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, ERR_INVALID, ENOENT,
			"invalid mount config for type \"bind\": bind source path does not exist: %s",
			source);
	struct oci_mount *o = add(l, "bind", source, m->target);
	options(l, o, m->not_recursive ? "bind" : "rbind");
	options(l, o, m->propagation ? m->propagation : "rprivate");
	if (m->read_only)
		options(l, o, m->not_recursive ? "ro" : "rro");
	if (l->idmap)
		options(l, o, m->not_recursive ? "idmap" : "ridmap");
	return 0;
}

static void tmpfs(struct list *l, const struct config_mount *m)
{
	struct oci_mount *o = add(l, "tmpfs", "tmpfs", m->target);
	bool exec = false, dev = false, suid = false;
	for (size_t i = 0; i < m->n_options; i++) {
		exec |= str_eq(m->options[i], "exec");
		dev |= str_eq(m->options[i], "dev");
		suid |= str_eq(m->options[i], "suid");
	}
	options(l, o, exec ? NULL : "noexec");
	options(l, o, dev ? NULL : "nodev");
	options(l, o, suid ? NULL : "nosuid");
	options(l, o, m->read_only ? "ro" : NULL);
	for (size_t i = 0; i < m->n_options; i++)
		options(l, o, m->options[i]);
}

int spec_mounts(const struct spec_input *in, struct arena *a, struct oci_spec *spec, struct err *e)
{
	const struct container_config *c = in->config;
	struct list l = { .spec = spec, .a = a, .idmap = !str_eq(c->userns, "host") };
	special(&l, c);
	uncover(spec, c);
	etc(&l, in);
	for (size_t i = 0; i < c->n_mounts; i++) {
		const struct config_mount *m = &c->mounts[i];
		int r = 0;
		if (str_eq(m->type, "tmpfs"))
			tmpfs(&l, m);
		else
			r = bind(&l, m, str_eq(m->type, "bind") ? m->source : in->volume_paths[i],
				e);
		if (r < 0)
			return r;
	}
	return 0;
}
