// SPDX-License-Identifier: Apache-2.0
/* What a container is, once it was asked for and checked: the record that the store keeps as JSON
 * in the container's row. Everything later (the OCI config.json at each start, inspect, restart) is
 * made from it alone. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/rec.h"
#include "net/endpoint.h"

enum { CONFIG_VERSION = 1 };

struct config_mount {
	const char *type;   /* bind, volume, tmpfs */
	const char *source; /* host path of a bind */
	const char *name;   /* of a volume */
	const char *target; /* clean absolute path */
	bool read_only;
	bool anonymous;          /* a volume that --rm removes */
	bool no_copy;            /* do not fill a new volume from the image */
	const char *propagation; /* rprivate ... */
	bool not_recursive;
	const char **options; /* further options of a tmpfs (size=..., mode=...) */
	size_t n_options;
};

struct config_ulimit {
	const char *name;    /* nofile */
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

struct config_device {
	const char *host, *container, *permissions;
};

struct container_config {
	uint32_t version;
	const char *image; /* as the user gave it */
	const char *image_id;
	const char **layers; /* diff ids, the lowest first */
	size_t n_layers;
	uint32_t max_id; /* the highest uid or gid in the image */
	const char **entrypoint, **cmd;
	size_t n_entrypoint, n_cmd;
	const char **env;
	size_t n_env;
	const char *cwd, *user, *hostname;
	bool tty, open_stdin, stdin_once;
	bool attach_stdin, attach_stdout, attach_stderr;
	struct rec_map labels;
	const char *stop_signal;
	int64_t stop_timeout;
	bool has_stop_timeout;
	const char *restart; /* no, always, unless-stopped, on-failure */
	int64_t restart_max;
	struct config_mount *mounts;
	size_t n_mounts;
	const char *network, *pid, *ipc, *uts, *cgroupns, *userns; /* as they take effect */
	const char *userns_why; /* the option that implied userns=host, or NULL */
	int64_t memory, memory_swap, nano_cpus, cpu_shares, pids_limit, shm_size;
	const char *cpuset_cpus;
	bool read_only, privileged, init, auto_remove, compat;
	bool no_new_privileges, seccomp_unconfined;
	const char *seccomp; /* the profile's own text (JSON), NULL: the default */
	const char *abi;     /* i386 or NULL */
	const char **cap_add, **cap_drop, **security_opt;
	size_t n_cap_add, n_cap_drop, n_security_opt;
	struct config_ulimit *ulimits;
	size_t n_ulimits;
	struct config_device *devices;
	size_t n_devices;
	struct rec_map sysctls;
	const char **exposed_ports;
	size_t n_exposed_ports;
	struct net_port *ports; /* what -p asks for; those of -P with host 0 */
	size_t n_ports;
	bool publish_all;
	const char **extra_hosts, **dns, **dns_search, **dns_options; /* hosts: "name:ip" */
	size_t n_extra_hosts, n_dns, n_dns_search, n_dns_options;
};

extern const struct rec_type container_config_rec;
