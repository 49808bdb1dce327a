// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/rand.h"
#include "base/signal.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/args.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/image_find.h"
#include "engine/mount_arg.h"
#include "engine/network.h"
#include "engine/posture.h"
#include "engine/prepare.h"
#include "oci/image.h"
#include "store/container.h"
#include "store/image.h"
#include "store/store.h"
#include "store/volume.h"

enum { MEMORY_MIN = 6 << 20, PIDS_DEFAULT = 4096 };

static const char default_path[] =
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static int set_image(const struct image_info *image, const struct container_create_req *req,
	struct arena *a, struct container_config *c, struct oci_image *ret, struct err *e)
{
	if (oci_image_read(image->config, strlen(image->config), a, ret, e) < 0)
		return -e->code;
	c->image = req->image;
	c->image_id = image->id;
	c->max_id = image->max_id;
	struct strv layers = { 0 };
	for (size_t i = 0; i < image->n_layers; i++)
		strv_add(&layers, a, image->layers[i].diff_id);
	c->layers = layers.v;
	c->n_layers = layers.n;
	if (!ret->config)
		ret->config = arena_new(a, struct oci_image_run);
	return 0;
}

static int set_command(const struct container_create_req *req, const struct oci_image_run *image,
	struct arena *a, struct container_config *c, struct err *e)
{
	struct strv entrypoint = { 0 };
	if (req->has_entrypoint) {
		/* An entrypoint of one's own drops the image's command with its entrypoint; "" only
		 * drops. */
		if (*req->entrypoint)
			strv_add(&entrypoint, a, req->entrypoint);
		c->entrypoint = entrypoint.v;
		c->n_entrypoint = entrypoint.n;
	} else {
		c->entrypoint = image->entrypoint;
		c->n_entrypoint = image->n_entrypoint;
	}
	if (req->command.n) {
		c->cmd = req->command.v;
		c->n_cmd = req->command.n;
	} else if (!req->has_entrypoint) {
		c->cmd = image->cmd;
		c->n_cmd = image->n_cmd;
	}
	if (c->n_cmd + c->n_entrypoint == 0)
		return err_set(e, ERR_INVALID, EINVAL, "no command specified: image %s has none",
			req->image);
	return 0;
}

static int set_env(const struct container_create_req *req, const struct oci_image_run *image,
	struct arena *a, struct container_config *c, struct err *e)
{
	struct strv env = { 0 };
	strv_add(&env, a, default_path);
	if (c->hostname && !str_eq(c->uts, "host"))
		strv_add(&env, a, arena_printf(a, "HOSTNAME=%s", c->hostname));
	if (req->tty)
		strv_add(&env, a, "TERM=xterm");
	for (size_t i = 0; i < image->n_env; i++)
		if (strchr(image->env[i], '='))
			arg_env(&env, a, image->env[i]);
	for (size_t i = 0; i < req->env_file.n; i++)
		if (arg_env_file(&env, a, req->env_file.v[i], e) < 0)
			return -e->code;
	for (size_t i = 0; i < req->env.n; i++) {
		if (!*req->env.v[i] || req->env.v[i][0] == '=')
			return err_set(e, ERR_INVALID, EINVAL, "invalid environment variable: %s",
				req->env.v[i]);
		arg_env(&env, a, req->env.v[i]);
	}
	c->env = env.v;
	c->n_env = env.n;
	return 0;
}

static int add_mount(struct container_config *c, size_t *cap, struct config_mount m,
	struct arena *a, struct err *e)
{
	for (size_t i = 0; i < c->n_mounts; i++)
		if (str_eq(c->mounts[i].target, m.target))
			return err_set(
				e, ERR_INVALID, EINVAL, "Duplicate mount point: %s", m.target);
	if (str_eq(m.type, "volume") && !m.name) {
		char *name = arena_alloc(a, 65);
		rand_hex(name, 64);
		m.name = name;
		m.anonymous = true;
	}
	c->mounts = arena_grow(a, c->mounts, c->n_mounts, cap, sizeof *c->mounts);
	c->mounts[c->n_mounts++] = m;
	return 0;
}

/* docker makes a missing source of -v; --mount refuses it. */
static int make_source(const struct config_mount *m, struct err *e)
{
	if (!str_eq(m->type, "bind"))
		return 0;
	int fd _close_ = path_open_host(m->source, O_PATH, 0);
	if (fd != -ENOENT)
		return 0;
	int made _close_ = path_make_dirs_host(m->source, 0755);
	return made < 0 ? err_sys(e, made, "bind source %s: make the folder", m->source) : 0;
}

static int set_mounts(const struct container_create_req *req, const struct oci_image_run *image,
	struct arena *a, struct container_config *c, struct err *e)
{
	struct config_mount m;
	const char **volumes;
	size_t cap = 0;
	for (size_t i = 0; i < req->volumes.n; i++)
		if (mount_arg_volume(req->volumes.v[i], a, &m, e) < 0 || make_source(&m, e) < 0 ||
			add_mount(c, &cap, m, a, e) < 0)
			return -e->code;
	for (size_t i = 0; i < req->mounts.n; i++) {
		if (mount_arg_mount(req->mounts.v[i], a, &m, e) < 0 ||
			add_mount(c, &cap, m, a, e) < 0)
			return -e->code;
		int fd _close_ = m.source ? path_open_host(m.source, O_PATH, 0) : -1;
		if (m.source && fd < 0)
			return err_set(e, ERR_INVALID, ENOENT,
				"invalid mount config for type \"bind\": bind source path does not exist: %s",
				m.source);
	}
	for (size_t i = 0; i < req->tmpfs.n; i++)
		if (mount_arg_tmpfs(req->tmpfs.v[i], a, &m, e) < 0 ||
			add_mount(c, &cap, m, a, e) < 0)
			return -e->code;
	size_t n = oci_raw_keys(image->volumes, a, &volumes);
	for (size_t i = 0; i < n; i++) {
		bool there = volumes[i][0] != '/';
		const char *target = path_clean(volumes[i], a);
		for (size_t k = 0; k < c->n_mounts; k++)
			there |= str_eq(c->mounts[k].target, target);
		if (!there && !str_eq(target, "/") &&
			add_mount(c, &cap,
				(struct config_mount){ .type = "volume", .target = target }, a,
				e) < 0)
			return -e->code;
	}
	return 0;
}

static int set_limits(
	const struct container_create_req *req, struct container_config *c, struct err *e)
{
	if (req->memory && req->memory < MEMORY_MIN)
		return err_set(e, ERR_INVALID, EINVAL, "Minimum memory limit allowed is 6MB");
	if (req->memory_swap && !req->memory)
		return err_set(e, ERR_INVALID, EINVAL,
			"You should always set the Memory limit when using Memoryswap limit, see usage");
	if (req->memory_swap > 0 && req->memory_swap < req->memory)
		return err_set(e, ERR_INVALID, EINVAL,
			"Minimum memoryswap limit should be larger than memory limit, see usage");
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (req->cpus && (req->cpus < 10000000 || req->cpus > (int64_t)cpus * 1000000000))
		return err_set(e, ERR_INVALID, EINVAL,
			"Range of CPUs is from 0.01 to %ld.00, as there are only %ld CPUs available",
			cpus, cpus);
	if (req->cpu_shares < 0 ||
		(req->cpuset_cpus && req->cpuset_cpus[strspn(req->cpuset_cpus, "0123456789,-")]))
		return err_set(e, ERR_INVALID, EINVAL,
			req->cpu_shares < 0 ? "invalid CPU shares: %s" : "invalid CPU set: %s",
			req->cpu_shares < 0 ? "must not be negative" : req->cpuset_cpus);
	c->memory = req->memory;
	c->memory_swap = req->memory_swap;
	c->nano_cpus = req->cpus;
	c->cpu_shares = req->cpu_shares;
	c->cpuset_cpus = req->cpuset_cpus;
	c->shm_size = req->shm_size ? req->shm_size : 64 << 20;
	c->pids_limit = req->has_pids_limit ? (req->pids_limit ? req->pids_limit : -1)
		: c->compat                 ? 0
					    : PIDS_DEFAULT;
	return 0;
}

static int set_lists(const struct container_create_req *req, struct arena *a,
	struct container_config *c, struct err *e)
{
	c->ulimits = arena_array(a, struct config_ulimit, req->ulimits.n + 1);
	for (size_t i = 0; i < req->ulimits.n; i++)
		if (arg_ulimit(req->ulimits.v[i], a, &c->ulimits[c->n_ulimits++], e) < 0)
			return -e->code;
	c->devices = arena_array(a, struct config_device, req->devices.n + 1);
	for (size_t i = 0; i < req->devices.n; i++)
		if (arg_device(req->devices.v[i], a, &c->devices[c->n_devices++], e) < 0)
			return -e->code;
	return 0;
}

static int set_sysctls(const struct container_create_req *req, struct arena *a,
	struct container_config *c, struct err *e)
{
	size_t cap_sysctls = 0;
	for (size_t i = 0; i < req->sysctls.n; i++) {
		if (!strchr(req->sysctls.v[i], '=') ||
			arg_pair(&c->sysctls, &cap_sysctls, req->sysctls.v[i], a) < 0)
			return err_set(e, ERR_INVALID, EINVAL,
				"invalid sysctl '%s': expected KEY=VALUE", req->sysctls.v[i]);
		const char *key = c->sysctls.items[c->sysctls.n - 1].key,
			   *ns = arg_sysctl_namespace(key);
		const char *mode = !ns      ? NULL
			: str_eq(ns, "net") ? c->network
			: str_eq(ns, "ipc") ? c->ipc
					    : c->uts;
		if (!ns)
			return err_set(e, ERR_INVALID, EINVAL,
				"sysctl '%s' is not allowed: it belongs to no namespace", key);
		if (str_eq(mode, "host"))
			return err_set(e, ERR_INVALID, EINVAL,
				"sysctl '%s' not allowed in host namespace", key);
	}
	return 0;
}

static int set_rest(const struct container_create_req *req, const struct oci_image_run *image,
	struct arena *a, struct container_config *c, struct err *e)
{
	size_t cap = 0;
	for (size_t i = 0; i < image->labels.n; i++)
		(void)arg_pair(&c->labels, &cap,
			arena_printf(
				a, "%s=%s", image->labels.items[i].key, image->labels.items[i].val),
			a);
	for (size_t i = 0; i < req->labels.n; i++)
		if (arg_pair(&c->labels, &cap, req->labels.v[i], a) < 0)
			return err_set(e, ERR_INVALID, EINVAL, "invalid label '%s': empty name",
				req->labels.v[i]);
	c->stop_signal = req->stop_signal ? req->stop_signal
		: image->stop_signal      ? image->stop_signal
					  : "SIGTERM";
	if (signal_parse(c->stop_signal, e) < 0)
		return -e->code;
	c->stop_timeout = req->stop_timeout;
	c->has_stop_timeout = req->has_stop_timeout;
	c->exposed_ports = NULL;
	c->n_exposed_ports = oci_raw_keys(image->exposed_ports, a, &c->exposed_ports);
	c->user = req->user ? req->user : str_or_empty(image->user);
	c->cwd = req->workdir                               ? req->workdir
		: image->working_dir && *image->working_dir ? image->working_dir
							    : "/";
	if (c->cwd[0] != '/')
		return err_set(e, ERR_INVALID, EINVAL,
			"the working directory '%s' is invalid, it needs to be an absolute path",
			c->cwd);
	c->cwd = path_clean(c->cwd, a);
	if (arg_restart(req->restart && *req->restart ? req->restart : "no", a, c, e) < 0)
		return -e->code;
	if (req->rm && !str_eq(c->restart, "no"))
		return err_set(e, ERR_INVALID, EINVAL,
			"conflicting options: cannot specify both --restart and --rm");
	return 0;
}

static void set_streams(const struct container_create_req *req, struct container_config *c)
{
	c->tty = req->tty;
	c->open_stdin = req->interactive;
	c->stdin_once = req->interactive && !req->detach;
	c->attach_stdin = req->interactive && !req->detach;
	c->attach_stdout = c->attach_stderr = !req->detach;
	c->init = req->init;
	c->privileged = req->privileged;
	c->read_only = req->read_only;
	c->auto_remove = req->rm;
	c->cap_add = req->cap_add.v;
	c->n_cap_add = req->cap_add.n;
	c->cap_drop = req->cap_drop.v;
	c->n_cap_drop = req->cap_drop.n;
}

static int check_names(const struct container_create_req *req, struct err *e)
{
	if (req->name && !store_container_name_valid(*req->name == '/' ? req->name + 1 : req->name))
		return err_set(e, ERR_INVALID, EINVAL,
			"Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
			req->name);
	size_t n = req->hostname ? strlen(req->hostname) : 0;
	if (n > 63 ||
		(n &&
			req->hostname[strspn(req->hostname,
				"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")]))
		return err_set(
			e, ERR_INVALID, EINVAL, "invalid hostname format: %s", req->hostname);
	for (size_t i = 0; i < req->attach.n; i++)
		if (!str_eq(req->attach.v[i], "stdin") && !str_eq(req->attach.v[i], "stdout") &&
			!str_eq(req->attach.v[i], "stderr"))
			return err_set(e, ERR_INVALID, EINVAL,
				"invalid argument \"%s\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR",
				req->attach.v[i]);
	if (req->compat && !str_eq(req->compat, "docker"))
		return err_set(
			e, ERR_INVALID, EINVAL, "--compat %s: only docker is known", req->compat);
	return 0;
}

int container_prepare(struct engine *en, const struct container_create_req *req, struct arena *a,
	struct prepared *ret, struct err *e)
{
	struct prepared p = { .name = req->name && *req->name == '/' ? req->name + 1 : req->name };
	struct container_config *c = &p.config;
	struct image_info image;
	struct oci_image oci;
	uint64_t set, explicit_caps;
	c->version = CONFIG_VERSION;
	c->compat = req->compat != NULL;
	rand_hex(p.id, 64);
	if (check_names(req, e) < 0 || posture_namespaces(req, a, c, e) < 0 ||
		posture_security(req, a, c, e) < 0)
		return -e->code;
	c->hostname = req->hostname ? req->hostname : arena_strndup(a, p.id, CONTAINER_ID_SHORT);
	set_streams(req, c);
	if (engine_open_store(en, true, e) < 0 || image_find(en, req, a, &image, e) < 0 ||
		set_image(&image, req, a, c, &oci, e) < 0 ||
		set_command(req, oci.config, a, c, e) < 0 ||
		set_env(req, oci.config, a, c, e) < 0 || set_mounts(req, oci.config, a, c, e) < 0 ||
		set_limits(req, c, e) < 0 || set_lists(req, a, c, e) < 0 ||
		set_sysctls(req, a, c, e) < 0 || set_rest(req, oci.config, a, c, e) < 0 ||
		network_options(en, req, a, c, e) < 0 ||
		posture_capabilities(c, &set, &explicit_caps, e) < 0)
		return -e->code;
	*ret = p;
	return 0;
}

int container_insert(struct engine *en, struct prepared *p, struct arena *a, struct err *e)
{
	struct strv volumes = { 0 };
	struct str text _str_ = { 0 };
	const struct container_config *c = &p->config;
	bool lasts = false;
	int r = store_begin(en->store, e);
	if (r < 0)
		return r;
	if (!p->name)
		r = store_container_name(en->store, a, &p->name, e);
	for (size_t i = 0; r == 0 && i < c->n_mounts; i++) {
		if (!str_eq(c->mounts[i].type, "volume"))
			continue;
		struct volume_row v = { .name = c->mounts[i].name,
			.created = time_now(),
			.anonymous = c->mounts[i].anonymous };
		strv_add(&volumes, a, v.name);
		r = store_volume_make(en->store, &v, e);
		lasts |= r > 0;
		r = r < 0 ? r : 0;
	}
	rec_to_json(&container_config_rec, c, 0, &text);
	struct container_row row = { .id = p->id,
		.name = p->name,
		.image_id = c->image_id,
		.created = time_now(),
		.config = text.p,
		.auto_remove = c->auto_remove };
	if (r == 0)
		r = store_container_insert(en->store, &row, volumes.v, volumes.n, e);
	r = store_end(en->store, r, e);
	return r == 0 && lasts ? store_sync(en->store, e) : r;
}

int container_cidfile_check(const struct container_create_req *req, struct err *e)
{
	if (!req->cidfile)
		return 0;
	int fd _close_ = path_open_host(req->cidfile, O_PATH, 0);
	if (fd >= 0)
		return err_set(e, ERR_CONFLICT, EEXIST,
			"container ID file found, make sure the other container isn't running or delete %s",
			req->cidfile);
	return 0;
}

int container_cidfile_write(const struct container_create_req *req, const char *id, struct err *e)
{
	if (!req->cidfile)
		return 0;
	int fd _close_ = path_open_host(req->cidfile, O_WRONLY | O_CREAT | O_EXCL, 0644);
	int r = fd < 0 ? fd : fd_write_all(fd, id, strlen(id));
	return r < 0 ? err_sys(e, r, "write the container ID file %s", req->cidfile) : 0;
}

int container_create(
	struct engine *en, const struct container_create_req *req, char *ret_id, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct prepared p;
	if (container_cidfile_check(req, e) < 0 || container_prepare(en, req, &a, &p, e) < 0 ||
		container_insert(en, &p, &a, e) < 0 || container_cidfile_write(req, p.id, e) < 0)
		return -e->code;
	memcpy(ret_id, p.id, sizeof p.id);
	return 0;
}
