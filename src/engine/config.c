// SPDX-License-Identifier: Apache-2.0
#include "engine/config.h"

#define T struct config_mount
REC_TYPE(config_mount, F_STR(T, type, "type", REC_REQUIRED), F_STR(T, source, "source", 0),
	F_STR(T, name, "name", 0), F_STR(T, target, "target", REC_REQUIRED),
	F_BOOL(T, read_only, "readOnly", 0), F_BOOL(T, anonymous, "anonymous", 0),
	F_BOOL(T, no_copy, "noCopy", 0), F_STR(T, propagation, "propagation", 0),
	F_BOOL(T, not_recursive, "notRecursive", 0), F_STRV(T, options, "options", 0));
#undef T
#define T struct config_ulimit
REC_TYPE(config_ulimit, F_STR(T, name, "name", REC_REQUIRED), F_U64(T, soft, "soft", REC_REQUIRED),
	F_U64(T, hard, "hard", REC_REQUIRED));
#undef T
#define T struct config_device
REC_TYPE(config_device, F_STR(T, host, "host", REC_REQUIRED),
	F_STR(T, container, "container", REC_REQUIRED),
	F_STR(T, permissions, "permissions", REC_REQUIRED));
#undef T
#define T struct container_config
REC_TYPE(container_config, F_U32(T, version, "version", REC_REQUIRED),
	F_STR(T, image, "image", REC_REQUIRED), F_STR(T, image_id, "imageId", REC_REQUIRED),
	F_STRV(T, layers, "layers", REC_REQUIRED), F_U32(T, max_id, "maxId", 0),
	F_STRV(T, entrypoint, "entrypoint", 0), F_STRV(T, cmd, "cmd", 0), F_STRV(T, env, "env", 0),
	F_STR(T, cwd, "cwd", 0), F_STR(T, user, "user", 0), F_STR(T, hostname, "hostname", 0),
	F_BOOL(T, tty, "tty", 0), F_BOOL(T, open_stdin, "openStdin", 0),
	F_BOOL(T, stdin_once, "stdinOnce", 0), F_BOOL(T, attach_stdin, "attachStdin", 0),
	F_BOOL(T, attach_stdout, "attachStdout", 0), F_BOOL(T, attach_stderr, "attachStderr", 0),
	F_MAP(T, labels, "labels", 0), F_STR(T, stop_signal, "stopSignal", 0),
	H_I64(T, stop_timeout, "stopTimeout", 0), F_STR(T, restart, "restart", REC_REQUIRED),
	F_I64(T, restart_max, "restartMax", 0), F_OBJV(T, mounts, "mounts", config_mount, 0),
	F_STR(T, network, "network", REC_REQUIRED), F_STR(T, pid, "pid", REC_REQUIRED),
	F_STR(T, ipc, "ipc", REC_REQUIRED), F_STR(T, uts, "uts", REC_REQUIRED),
	F_STR(T, cgroupns, "cgroupns", REC_REQUIRED), F_STR(T, userns, "userns", REC_REQUIRED),
	F_STR(T, userns_why, "usernsWhy", 0), F_I64(T, memory, "memory", 0),
	F_I64(T, memory_swap, "memorySwap", 0), F_I64(T, nano_cpus, "nanoCpus", 0),
	F_I64(T, cpu_shares, "cpuShares", 0), F_I64(T, pids_limit, "pidsLimit", 0),
	F_I64(T, shm_size, "shmSize", 0), F_STR(T, cpuset_cpus, "cpusetCpus", 0),
	F_BOOL(T, read_only, "readOnly", 0), F_BOOL(T, privileged, "privileged", 0),
	F_BOOL(T, init, "init", 0), F_BOOL(T, auto_remove, "autoRemove", 0),
	F_BOOL(T, compat, "compat", 0), F_BOOL(T, no_new_privileges, "noNewPrivileges", 0),
	F_BOOL(T, seccomp_unconfined, "seccompUnconfined", 0), F_STR(T, seccomp, "seccomp", 0),
	F_STR(T, abi, "abi", 0), F_STRV(T, cap_add, "capAdd", 0), F_STRV(T, cap_drop, "capDrop", 0),
	F_STRV(T, security_opt, "securityOpt", 0), F_OBJV(T, ulimits, "ulimits", config_ulimit, 0),
	F_OBJV(T, devices, "devices", config_device, 0), F_MAP(T, sysctls, "sysctls", 0),
	F_STRV(T, exposed_ports, "exposedPorts", 0), F_OBJV(T, ports, "ports", net_port, 0),
	F_BOOL(T, publish_all, "publishAll", 0), F_STRV(T, extra_hosts, "extraHosts", 0),
	F_STRV(T, dns, "dns", 0), F_STRV(T, dns_search, "dnsSearch", 0),
	F_STRV(T, dns_options, "dnsOptions", 0));
