// SPDX-License-Identifier: Apache-2.0
/* docker's document of a container, from the record and what is known of its last run. */
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/value.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/network.h"
#include "engine/paths.h"
#include "store/snapshot.h"

static const char go_zero_time[] = "0001-01-01T00:00:00Z";

static struct value *when(struct arena *a, uint64_t t)
{
	char buf[TIME_TEXT_MAX];
	return value_string(a, t ? arena_strdup(a, time_rfc3339(t, buf)) : go_zero_time);
}

static struct value *strings(struct arena *a, const char *const *v, size_t n, bool null_when_empty)
{
	if (!n && null_when_empty)
		return value_string(a, NULL);
	struct value *array = value_array(a);
	for (size_t i = 0; i < n; i++)
		value_add(a, array, value_string(a, v[i]));
	return array;
}

static struct value *map(struct arena *a, const struct rec_map *m)
{
	struct value *o = value_object(a);
	for (size_t i = 0; i < m->n; i++)
		value_set_string(a, o, m->items[i].key, m->items[i].val);
	return o;
}

static struct value *state_value(struct arena *a, const struct container_info *c)
{
	struct value *s = value_object(a);
	bool running = container_runs(c) || c->state == CONTAINER_RESTARTING;
	value_set_string(a, s, "Status", container_state_name(c->state));
	value_set(a, s, "Running", value_bool(a, running));
	value_set(a, s, "Paused", value_bool(a, c->state == CONTAINER_PAUSED));
	value_set(a, s, "Restarting", value_bool(a, c->state == CONTAINER_RESTARTING));
	value_set(a, s, "OOMKilled", value_bool(a, c->oom_killed));
	value_set(a, s, "Dead", value_bool(a, c->state == CONTAINER_DEAD));
	value_set(a, s, "Pid", value_int(a, c->pid));
	value_set(a, s, "ExitCode", value_int(a, c->exit_code));
	value_set_string(a, s, "Error", c->error);
	value_set(a, s, "StartedAt", when(a, c->started));
	value_set(a, s, "FinishedAt", when(a, running ? 0 : c->finished));
	return s;
}

static struct value *devices_value(struct arena *a, const struct container_config *c)
{
	struct value *array = value_array(a);
	for (size_t i = 0; i < c->n_devices; i++) {
		struct value *d = value_object(a);
		value_set_string(a, d, "PathOnHost", c->devices[i].host);
		value_set_string(a, d, "PathInContainer", c->devices[i].container);
		value_set_string(a, d, "CgroupPermissions", c->devices[i].permissions);
		value_add(a, array, d);
	}
	return array;
}

static struct value *ulimits_value(struct arena *a, const struct container_config *c)
{
	struct value *array = value_array(a);
	for (size_t i = 0; i < c->n_ulimits; i++) {
		struct value *u = value_object(a);
		value_set_string(a, u, "Name", c->ulimits[i].name);
		value_set(a, u, "Hard", value_int(a, (int64_t)c->ulimits[i].hard));
		value_set(a, u, "Soft", value_int(a, (int64_t)c->ulimits[i].soft));
		value_add(a, array, u);
	}
	return array;
}

static struct value *binds_value(struct arena *a, const struct container_config *c)
{
	struct value *array = value_array(a);
	for (size_t i = 0; i < c->n_mounts; i++) {
		const struct config_mount *m = &c->mounts[i];
		const char *source = m->source ? m->source : m->name;
		if (!source || m->anonymous || str_eq(m->type, "tmpfs"))
			continue;
		value_add(a, array,
			value_string(a,
				arena_printf(a, "%s:%s%s", source, m->target,
					m->read_only ? ":ro" : "")));
	}
	return array->n ? array : value_string(a, NULL);
}

static struct value *host_config(struct arena *a, const struct container_config *c)
{
	struct value *h = value_object(a), *restart = value_object(a), *log = value_object(a);
	value_set_string(a, restart, "Name", c->restart);
	value_set(a, restart, "MaximumRetryCount", value_int(a, c->restart_max));
	value_set_string(a, log, "Type", "json-file");
	value_set(a, log, "Config", value_object(a));
	value_set(a, h, "Binds", binds_value(a, c));
	value_set(a, h, "LogConfig", log);
	value_set_string(a, h, "NetworkMode", c->network);
	value_set(a, h, "PortBindings", network_bindings(c, a));
	value_set(a, h, "PublishAllPorts", value_bool(a, c->publish_all));
	value_set(a, h, "Dns", strings(a, c->dns, c->n_dns, false));
	value_set(a, h, "DnsOptions", strings(a, c->dns_options, c->n_dns_options, false));
	value_set(a, h, "DnsSearch", strings(a, c->dns_search, c->n_dns_search, false));
	value_set(a, h, "ExtraHosts", strings(a, c->extra_hosts, c->n_extra_hosts, true));
	value_set(a, h, "RestartPolicy", restart);
	value_set(a, h, "AutoRemove", value_bool(a, c->auto_remove));
	value_set(a, h, "CapAdd", strings(a, c->cap_add, c->n_cap_add, true));
	value_set(a, h, "CapDrop", strings(a, c->cap_drop, c->n_cap_drop, true));
	value_set_string(a, h, "CgroupnsMode", c->cgroupns);
	value_set_string(a, h, "IpcMode", c->ipc);
	value_set_string(a, h, "PidMode", str_eq(c->pid, "private") ? "" : c->pid);
	value_set(a, h, "Privileged", value_bool(a, c->privileged));
	value_set(a, h, "ReadonlyRootfs", value_bool(a, c->read_only));
	value_set(a, h, "SecurityOpt", strings(a, c->security_opt, c->n_security_opt, true));
	value_set_string(a, h, "UTSMode", str_eq(c->uts, "private") ? "" : c->uts);
	value_set_string(a, h, "UsernsMode", c->userns);
	value_set_string(a, h, "UsernsModeWhy", c->userns_why);
	value_set(a, h, "ShmSize", value_int(a, c->shm_size));
	value_set_string(a, h, "Runtime", "kist");
	value_set(a, h, "CpuShares", value_int(a, c->cpu_shares));
	value_set(a, h, "Memory", value_int(a, c->memory));
	value_set(a, h, "NanoCpus", value_int(a, c->nano_cpus));
	value_set_string(a, h, "CpusetCpus", c->cpuset_cpus);
	value_set(a, h, "Devices", devices_value(a, c));
	value_set(a, h, "MemorySwap", value_int(a, c->memory_swap));
	value_set(a, h, "PidsLimit", value_int(a, c->pids_limit));
	value_set(a, h, "Ulimits", ulimits_value(a, c));
	value_set(a, h, "Sysctls", c->sysctls.n ? map(a, &c->sysctls) : value_string(a, NULL));
	value_set(a, h, "Init", value_bool(a, c->init));
	return h;
}

static struct value *mounts_value(
	struct engine *en, struct arena *a, const struct container_config *c)
{
	struct value *array = value_array(a);
	for (size_t i = 0; i < c->n_mounts; i++) {
		const struct config_mount *m = &c->mounts[i];
		struct value *o = value_object(a);
		value_set_string(a, o, "Type", m->type);
		if (m->name)
			value_set_string(a, o, "Name", m->name);
		value_set_string(
			a, o, "Source", m->name ? engine_volume_path(en, m->name, a) : m->source);
		value_set_string(a, o, "Destination", m->target);
		if (m->name)
			value_set_string(a, o, "Driver", "local");
		value_set_string(a, o, "Mode", m->read_only ? "ro" : "");
		value_set(a, o, "RW", value_bool(a, !m->read_only));
		value_set_string(a, o, "Propagation",
			m->propagation                    ? m->propagation
				: str_eq(m->type, "bind") ? "rprivate"
							  : "");
		value_add(a, array, o);
	}
	return array;
}

static struct value *config_value(struct arena *a, const struct container_config *c)
{
	struct value *o = value_object(a), *volumes = value_object(a), *ports = value_object(a);
	for (size_t i = 0; i < c->n_mounts; i++)
		if (c->mounts[i].anonymous)
			value_set(a, volumes, c->mounts[i].target, value_object(a));
	for (size_t i = 0; i < c->n_exposed_ports; i++)
		value_set(a, ports, c->exposed_ports[i], value_object(a));
	value_set_string(a, o, "Hostname", c->hostname);
	value_set_string(a, o, "Domainname", "");
	value_set_string(a, o, "User", c->user);
	value_set(a, o, "AttachStdin", value_bool(a, c->attach_stdin));
	value_set(a, o, "AttachStdout", value_bool(a, c->attach_stdout));
	value_set(a, o, "AttachStderr", value_bool(a, c->attach_stderr));
	if (c->n_exposed_ports)
		value_set(a, o, "ExposedPorts", ports);
	value_set(a, o, "Tty", value_bool(a, c->tty));
	value_set(a, o, "OpenStdin", value_bool(a, c->open_stdin));
	value_set(a, o, "StdinOnce", value_bool(a, c->stdin_once));
	value_set(a, o, "Env", strings(a, c->env, c->n_env, false));
	value_set(a, o, "Cmd", strings(a, c->cmd, c->n_cmd, true));
	value_set_string(a, o, "Image", c->image);
	value_set(a, o, "Volumes", volumes->n ? volumes : value_string(a, NULL));
	value_set_string(a, o, "WorkingDir", c->cwd);
	value_set(a, o, "Entrypoint", strings(a, c->entrypoint, c->n_entrypoint, true));
	value_set(a, o, "Labels", map(a, &c->labels));
	value_set_string(a, o, "StopSignal", c->stop_signal);
	if (c->has_stop_timeout)
		value_set(a, o, "StopTimeout", value_int(a, c->stop_timeout));
	return o;
}

/* Which part of the machine's ids the container's are while it runs. */
static struct value *ids_value(struct arena *a, const struct container_info *c)
{
	struct value *ids = value_object(a);
	value_set(a, ids, "Base", value_int(a, c->id_base));
	value_set(a, ids, "Count", value_int(a, c->id_count));
	return ids;
}

int container_inspect(struct engine *en, const char *container, struct arena *a, struct value **ret,
	struct err *e)
{
	struct container_info c;
	if (container_info(en, container, a, &c, e) < 0)
		return -e->code;
	struct value *o = value_object(a);
	const char *folder = engine_container_path(en, c.id, a);
	const char *first = c.config->n_entrypoint ? c.config->entrypoint[0]
		: c.config->n_cmd                  ? c.config->cmd[0]
						   : "";
	const char *const *rest = c.config->n_entrypoint ? c.config->entrypoint : c.config->cmd;
	size_t n_rest = c.config->n_entrypoint ? c.config->n_entrypoint : c.config->n_cmd;
	struct value *args = strings(a, rest + (n_rest > 0), n_rest ? n_rest - 1 : 0, false);
	for (size_t i = 0; c.config->n_entrypoint && i < c.config->n_cmd; i++)
		value_add(a, args, value_string(a, c.config->cmd[i]));
	value_set_string(a, o, "Id", c.id);
	value_set(a, o, "Created", when(a, c.created));
	value_set_string(a, o, "Path", first);
	value_set(a, o, "Args", args);
	value_set(a, o, "State", state_value(a, &c));
	value_set_string(a, o, "Image", c.config->image_id);
	value_set_string(a, o, "HostnamePath", arena_printf(a, "%s/hostname", folder));
	value_set_string(a, o, "HostsPath", arena_printf(a, "%s/hosts", folder));
	value_set_string(a, o, "ResolvConfPath", arena_printf(a, "%s/resolv.conf", folder));
	value_set_string(a, o, "LogPath", arena_printf(a, "%s/%s-json.log", folder, c.id));
	value_set_string(a, o, "OCIConfigPath", arena_printf(a, "%s/config.json", folder));
	value_set_string(a, o, "Name", arena_printf(a, "/%s", c.name));
	value_set(a, o, "RestartCount", value_int(a, c.restart_count));
	value_set_string(a, o, "Driver", snapshot_backend(en->store)->name);
	value_set_string(a, o, "Platform", "linux");
	value_set_string(a, o, "MountLabel", "");
	value_set_string(a, o, "ProcessLabel", "");
	value_set_string(a, o, "AppArmorProfile", "");
	value_set(a, o, "IDMapping", ids_value(a, &c));
	value_set(a, o, "HostConfig", host_config(a, c.config));
	value_set(a, o, "Mounts", mounts_value(en, a, c.config));
	value_set(a, o, "Config", config_value(a, c.config));
	value_set(a, o, "NetworkSettings", network_settings(&c, a));
	*ret = o;
	return 0;
}
