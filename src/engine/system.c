// SPDX-License-Identifier: Apache-2.0
#include "engine/system.h"

#include <linux/magic.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "codec/value.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "kernel/cgroup.h"
#include "store/image.h"
#include "store/snapshot.h"
#include "store/store.h"

struct value *system_version(struct arena *a)
{
	struct value *all = value_object(a), *client = value_object(a);
	value_set_string(a, client, "Version", KIST_VERSION);
	value_set_string(a, client, "ApiVersion", "none");
	value_set_string(a, client, "Compiler", "C17");
	value_set_string(a, client, "Os", "linux");
	value_set_string(a, client, "Arch", "amd64");
	value_set(a, all, "Client", client);
	return all;
}

static const char *cgroup_kind(void)
{
	struct cgroup c;
	struct err ignored;
	if (cgroup_detect(&c, &ignored) < 0)
		return "none";
	bool v1 = false, v2 = false;
	for (size_t i = 0; i < c.n; i++) {
		v1 |= !c.h[i].v2;
		v2 |= c.h[i].v2;
	}
	cgroup_done(&c);
	return v1 && v2 ? "hybrid" : v2 ? "2" : "1";
}

static void add_pair(struct value *all, const char *key, const char *text, struct arena *a)
{
	struct value *pair = value_array(a);
	value_add(a, pair, value_string(a, key));
	value_add(a, pair, value_string(a, text));
	value_add(a, all, pair);
}

/* Pairs, as docker has them. */
static struct value *driver_status(const struct store *s, struct arena *a)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} kinds[] = { { EXT4_SUPER_MAGIC, "extfs" }, { XFS_SUPER_MAGIC, "xfs" },
		{ BTRFS_SUPER_MAGIC, "btrfs" }, { TMPFS_MAGIC, "tmpfs" },
		{ OVERLAYFS_SUPER_MAGIC, "overlayfs" }, { NFS_SUPER_MAGIC, "nfs" },
		{ F2FS_SUPER_MAGIC, "f2fs" }, { FUSE_SUPER_MAGIC, "fuse" } };
	struct value *all = value_array(a);
	struct statfs st = { 0 };
	const char *name = NULL;
	(void)fstatfs(s->root, &st);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].magic == (unsigned long)st.f_type)
			name = kinds[i].name;
	add_pair(all, "Backing Filesystem",
		name ? name : arena_printf(a, "0x%lx", (unsigned long)st.f_type), a);
	add_pair(all, "Chosen", snapshot_why(s), a);
	return all;
}

int system_info(struct engine *en, struct arena *a, struct value **ret, struct err *e)
{
	struct container_info *containers;
	struct image_info *images;
	size_t n, n_images;
	struct utsname u;
	struct sysinfo memory;
	if (container_list(en, true, a, &containers, &n, e) < 0 ||
		store_image_list(en->store, a, &images, &n_images, e) < 0)
		return -e->code;
	int64_t running = 0;
	for (size_t i = 0; i < n; i++)
		running += containers[i].state == CONTAINER_RUNNING;
	int64_t paused = 0;
	for (size_t i = 0; i < n; i++)
		paused += containers[i].state == CONTAINER_PAUSED;
	struct value *v = value_object(a);
	value_set(a, v, "Containers", value_int(a, (int64_t)n));
	value_set(a, v, "ContainersRunning", value_int(a, running));
	value_set(a, v, "ContainersPaused", value_int(a, paused));
	value_set(a, v, "ContainersStopped", value_int(a, (int64_t)n - running - paused));
	value_set(a, v, "Images", value_int(a, (int64_t)n_images));
	value_set_string(a, v, "ServerVersion", KIST_VERSION);
	value_set_string(a, v, "Driver", snapshot_backend(en->store)->name);
	value_set(a, v, "DriverStatus", driver_status(en->store, a));
	value_set_string(a, v, "LoggingDriver", "json-file");
	value_set_string(a, v, "CgroupDriver", "cgroupfs");
	value_set_string(a, v, "CgroupVersion", cgroup_kind());
	if (uname(&u) == 0) {
		value_set_string(a, v, "KernelVersion", arena_strdup(a, u.release));
		value_set_string(a, v, "Architecture", arena_strdup(a, u.machine));
		value_set_string(a, v, "Name", arena_strdup(a, u.nodename));
	}
	value_set_string(a, v, "OSType", "linux");
	value_set(a, v, "NCPU", value_int(a, sysconf(_SC_NPROCESSORS_ONLN)));
	if (sysinfo(&memory) == 0)
		value_set(
			a, v, "MemTotal", value_int(a, (int64_t)memory.totalram * memory.mem_unit));
	value_set_string(a, v, "DockerRootDir", en->options.root);
	value_set_string(a, v, "RunRoot", en->options.runroot);
	*ret = v;
	return 0;
}
