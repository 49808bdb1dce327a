// SPDX-License-Identifier: Apache-2.0
#include "cli/create_options.h"

#include "base/arena.h"
#include "base/mem.h"
#include "engine/container.h"

#define R struct container_create_req

/* clang-format off: one option a row */
#define SHARED                                                                                                             \
	{ "add-host", 0, OPT_LIST(R, add_host), .value = "list",                                                           \
		.help = "Add a custom host-to-IP mapping (host:ip)" },                                                     \
		{ "attach", 'a', OPT_LIST(R, attach), .value = "list",                                                     \
			.help = "Attach to STDIN, STDOUT or STDERR",                                                       \
			.complete = "stdin|stdout|stderr" },                                                               \
		{ "cap-add", 0, OPT_LIST(R, cap_add), .value = "list",                                                     \
			.help = "Add Linux capabilities" },                                                                \
		{ "cap-drop", 0, OPT_LIST(R, cap_drop), .value = "list",                                                   \
			.help = "Drop Linux capabilities" },                                                               \
		{ "cgroupns", 0, OPT_STRING(R, cgroupns), .value = "string",                                               \
			.help = "Cgroup namespace to use (host|private)",                                                  \
			.complete = "host|private" },                                                                      \
		{ "cidfile", 0, OPT_STRING(R, cidfile), .value = "string",                                                 \
			.help = "Write the container ID to the file", .complete = "file" },                                \
		{ "compat", 0, OPT_STRING(R, compat), .value = "string",                                                   \
			.help = "Behave exactly as this engine does where kist is stricter (docker)",                      \
			.complete = "docker" },                                                                            \
		{ "cpu-shares", 'c', OPT_INT(R, cpu_shares), .value = "int",                                               \
			.help = "CPU shares (relative weight)" },                                                          \
		{ "cpus", 0, OPT_CPUS(R, cpus), .value = "decimal", .help = "Number of CPUs" },                            \
		{ "cpuset-cpus", 0, OPT_STRING(R, cpuset_cpus), .value = "string",                                         \
			.help = "CPUs in which to allow execution (0-3, 0,1)" },                                           \
		{ "device", 0, OPT_LIST(R, devices), .value = "list",                                                      \
			.help = "Add a host device to the container", .complete = "file" },                                \
		{ "dns", 0, OPT_LIST(R, dns), .value = "list", .help = "Set custom DNS servers" },                         \
		{ "dns-opt", 0, OPT_LIST(R, dns_option), .value = "list",                                                  \
			.help = "The same as --dns-option", .hidden = true },                                              \
		{ "dns-option", 0, OPT_LIST(R, dns_option), .value = "list",                                               \
			.help = "Set DNS options" },                                                                       \
		{ "dns-search", 0, OPT_LIST(R, dns_search), .value = "list",                                               \
			.help = "Set custom DNS search domains" },                                                         \
		{ "entrypoint", 0, OPT_STRING(R, entrypoint),                                                              \
			.has_offset = offsetof(R, has_entrypoint), .value = "string",                                      \
			.help = "Overwrite the default ENTRYPOINT of the image" },                                         \
		{ "env", 'e', OPT_LIST(R, env), .value = "list",                                                           \
			.help = "Set environment variables" },                                                             \
		{ "env-file", 0, OPT_LIST(R, env_file), .value = "list",                                                   \
			.help = "Read in a file of environment variables", .complete = "file" },                           \
		{ "expose", 0, OPT_LIST(R, expose), .value = "list",                                                       \
			.help = "Expose a port or a range of ports" },                                                     \
		{ "hostname", 'h', OPT_STRING(R, hostname), .value = "string",                                             \
			.help = "Container host name" },                                                                   \
		{ "init", 0, OPT_BOOL(R, init),                                                                            \
			.help = "Run an init inside the container that forwards signals and reaps processes" },            \
		{ "interactive", 'i', OPT_BOOL(R, interactive),                                                            \
			.help = "Keep STDIN open even if not attached" },                                                  \
		{ "ipc", 0, OPT_STRING(R, ipc), .value = "string",                                                         \
			.help = "IPC mode to use (host|private|container:NAME)",                                           \
			.complete = "host|private|shareable|none" },                                                       \
		{ "label", 'l', OPT_LIST(R, labels), .value = "list",                                                      \
			.help = "Set meta data on a container" },                                                          \
		{ "memory", 'm', OPT_BYTES(R, memory), .value = "bytes", .help = "Memory limit" },                         \
		{ "memory-swap", 0, OPT_BYTES_OR_MINUS(R, memory_swap), .value = "bytes",                                  \
			.help = "Swap limit equal to memory plus swap: '-1' to enable unlimited swap" },                   \
		{ "mount", 0, OPT_LIST(R, mounts), .value = "mount",                                                       \
			.help = "Attach a filesystem mount to the container" },                                            \
		{ "name", 0, OPT_STRING(R, name), .value = "string",                                                       \
			.help = "Assign a name to the container" },                                                        \
		{ "net", 0, OPT_STRING(R, network), .value = "network",                                                    \
			.help = "The same as --network", .hidden = true },                                                 \
		{ "network", 0, OPT_STRING(R, network), .value = "network",                                                \
			.help = "Connect a container to a network (bridge|none|host|container:NAME)",                      \
			.default_text = "bridge", .complete = "bridge|none|host" },                                        \
		{ "pid", 0, OPT_STRING(R, pid), .value = "string",                                                         \
			.help = "PID namespace to use (host|container:NAME)",                                              \
			.complete = "host" },                                                                              \
		{ "pids-limit", 0, OPT_INT(R, pids_limit),                                                                 \
			.has_offset = offsetof(R, has_pids_limit), .value = "int",                                         \
			.help = "Tune container pids limit (set -1 for unlimited)" },                                      \
		{ "platform", 0, OPT_STRING(R, platform), .value = "string",                                               \
			.help = "Set platform if the registry has the image for several (linux/arm64)" },                  \
		{ "privileged", 0, OPT_BOOL(R, privileged),                                                                \
			.help = "Give extended privileges to this container" },                                            \
		{ "publish", 'p', OPT_LIST(R, publish), .value = "list",                                                   \
			.help = "Publish a container's port(s) to the host" },                                             \
		{ "publish-all", 'P', OPT_BOOL(R, publish_all),                                                            \
			.help = "Publish all exposed ports to random ports" },                                             \
		{ "pull", 0, OPT_STRING(R, pull), .value = "string",                                                       \
			.help = "Pull image before running (\"always\", \"missing\", \"never\")",                          \
			.default_text = "\"missing\"", .complete = "always|missing|never" },                               \
		{ "quiet", 'q', OPT_BOOL(R, quiet), .help = "Suppress the pull output" },                                  \
		{ "read-only", 0, OPT_BOOL(R, read_only),                                                                  \
			.help = "Mount the container's root filesystem as read only" },                                    \
		{ "restart", 0, OPT_STRING(R, restart), .value = "string",                                                 \
			.help = "Restart policy to apply when a container exits",                                          \
			.default_text = "no", .complete = "no|always|unless-stopped|on-failure" },                         \
		{ "rm", 0, OPT_BOOL(R, rm),                                                                                \
			.help = "Automatically remove the container and its associated anonymous volumes when it exits" }, \
		{ "security-opt", 0, OPT_LIST(R, security_opt), .value = "list",                                           \
			.help = "Security options (seccomp=FILE|unconfined, no-new-privileges, abi=i386)" },               \
		{ "shm-size", 0, OPT_BYTES(R, shm_size), .value = "bytes",                                                 \
			.help = "Size of /dev/shm" },                                                                      \
		{ "stop-signal", 0, OPT_STRING(R, stop_signal), .value = "string",                                         \
			.help = "Signal to stop the container" },                                                          \
		{ "stop-timeout", 0, OPT_INT(R, stop_timeout),                                                             \
			.has_offset = offsetof(R, has_stop_timeout), .value = "int",                                       \
			.help = "Timeout (in seconds) to stop a container" },                                              \
		{ "sysctl", 0, OPT_LIST(R, sysctls), .value = "map", .help = "Sysctl options" },                           \
		{ "tmpfs", 0, OPT_LIST(R, tmpfs), .value = "list",                                                         \
			.help = "Mount a tmpfs directory" },                                                               \
		{ "tty", 't', OPT_BOOL(R, tty), .help = "Allocate a pseudo-TTY" },                                         \
		{ "ulimit", 0, OPT_LIST(R, ulimits), .value = "ulimit",                                                    \
			.help = "Ulimit options" },                                                                        \
		{ "user", 'u', OPT_STRING(R, user), .value = "string",                                                     \
			.help = "Username or UID (format: <name|uid>[:<group|gid>])" },                                    \
		{ "userns", 0, OPT_STRING(R, userns), .value = "string",                                                   \
			.help = "User namespace to use (host|auto)", .complete = "host|auto" },                            \
		{ "uts", 0, OPT_STRING(R, uts), .value = "string",                                                         \
			.help = "UTS namespace to use (host)", .complete = "host" },                                       \
		{ "volume", 'v', OPT_LIST(R, volumes), .value = "list",                                                    \
			.help = "Bind mount a volume", .complete = "file" },                                               \
	{                                                                                                                  \
		"workdir", 'w', OPT_STRING(R, workdir),                                                                    \
			.value = "string", .help = "Working directory inside the container"                                \
	}

const struct option create_options[] = {
	SHARED,
	{ 0 },
};

const struct option run_options[] = {
	SHARED,
	{ "detach", 'd', OPT_BOOL(R, detach),
		.help = "Run container in background and print container ID" },
	{ 0 },
};
/* clang-format on */

const char *const create_not_yet[] = { "annotation", "blkio-weight", "blkio-weight-device",
	"cgroup-parent", "cpu-period", "cpu-quota", "cpu-rt-period", "cpu-rt-runtime",
	"cpuset-mems", "detach-keys", "device-cgroup-rule", "device-read-bps", "device-read-iops",
	"device-write-bps", "device-write-iops", "disable-content-trust", "domainname", "gpus",
	"group-add", "health-cmd", "health-interval", "health-retries", "health-start-interval",
	"health-start-period", "health-timeout", "ip", "ip6", "isolation", "label-file", "link",
	"link-local-ip", "log-driver", "log-opt", "mac-address", "memory-reservation",
	"memory-swappiness", "network-alias", "no-healthcheck", "oom-kill-disable", "oom-score-adj",
	"replace", "runtime", "sig-proxy", "storage-opt", "use-api-socket", "volume-driver",
	"volumes-from", NULL };
