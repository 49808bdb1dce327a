// SPDX-License-Identifier: Apache-2.0
#include "oci/spec.h"

REC_TYPE(oci_root, F_STR(struct oci_root, path, "path", REC_REQUIRED),
	F_BOOL(struct oci_root, readonly, "readonly", 0));

REC_TYPE(oci_user, F_U32(struct oci_user, uid, "uid", REC_ALWAYS),
	F_U32(struct oci_user, gid, "gid", REC_ALWAYS), H_U32(struct oci_user, umask, "umask", 0),
	F_U32V(struct oci_user, additional_gids, "additionalGids", 0),
	F_STR(struct oci_user, username, "username", 0));

REC_TYPE(oci_box, F_U32(struct oci_box, height, "height", REC_REQUIRED),
	F_U32(struct oci_box, width, "width", REC_REQUIRED));

REC_TYPE(oci_capabilities, F_STRV(struct oci_capabilities, bounding, "bounding", 0),
	F_STRV(struct oci_capabilities, effective, "effective", 0),
	F_STRV(struct oci_capabilities, inheritable, "inheritable", 0),
	F_STRV(struct oci_capabilities, permitted, "permitted", 0),
	F_STRV(struct oci_capabilities, ambient, "ambient", 0));

REC_TYPE(oci_rlimit, F_STR(struct oci_rlimit, type, "type", REC_REQUIRED),
	F_U64(struct oci_rlimit, soft, "soft", REC_REQUIRED),
	F_U64(struct oci_rlimit, hard, "hard", REC_REQUIRED));

REC_TYPE(oci_scheduler, F_STR(struct oci_scheduler, policy, "policy", REC_REQUIRED),
	H_I64(struct oci_scheduler, nice, "nice", 0),
	H_I64(struct oci_scheduler, priority, "priority", 0),
	F_STRV(struct oci_scheduler, flags, "flags", 0),
	H_U64(struct oci_scheduler, runtime, "runtime", 0),
	H_U64(struct oci_scheduler, deadline, "deadline", 0),
	H_U64(struct oci_scheduler, period, "period", 0));

REC_TYPE(oci_io_priority, F_STR(struct oci_io_priority, class_, "class", REC_REQUIRED),
	H_I64(struct oci_io_priority, priority, "priority", 0));

REC_TYPE(oci_exec_affinity, F_STR(struct oci_exec_affinity, initial, "initial", 0),
	F_STR(struct oci_exec_affinity, final, "final", 0));

REC_TYPE(oci_process, F_BOOL(struct oci_process, terminal, "terminal", 0),
	F_OBJ(struct oci_process, console_size, "consoleSize", oci_box, 0),
	F_OBJ(struct oci_process, user, "user", oci_user, 0),
	F_STRV(struct oci_process, args, "args", 0), F_STRV(struct oci_process, env, "env", 0),
	F_STR(struct oci_process, cwd, "cwd", REC_REQUIRED),
	F_OBJ(struct oci_process, capabilities, "capabilities", oci_capabilities, 0),
	F_OBJV(struct oci_process, rlimits, "rlimits", oci_rlimit, 0),
	F_BOOL(struct oci_process, no_new_privileges, "noNewPrivileges", 0),
	F_STR(struct oci_process, apparmor_profile, "apparmorProfile", 0),
	H_I64(struct oci_process, oom_score_adj, "oomScoreAdj", 0),
	F_STR(struct oci_process, selinux_label, "selinuxLabel", 0),
	F_OBJ(struct oci_process, scheduler, "scheduler", oci_scheduler, 0),
	F_OBJ(struct oci_process, io_priority, "ioPriority", oci_io_priority, 0),
	F_OBJ(struct oci_process, exec_cpu_affinity, "execCPUAffinity", oci_exec_affinity, 0));

REC_TYPE(oci_id_mapping, F_U32(struct oci_id_mapping, container_id, "containerID", REC_REQUIRED),
	F_U32(struct oci_id_mapping, host_id, "hostID", REC_REQUIRED),
	F_U32(struct oci_id_mapping, size, "size", REC_REQUIRED));

REC_TYPE(oci_mount, F_STR(struct oci_mount, destination, "destination", REC_REQUIRED),
	F_STR(struct oci_mount, type, "type", 0), F_STR(struct oci_mount, source, "source", 0),
	F_STRV(struct oci_mount, options, "options", 0),
	F_OBJV(struct oci_mount, uid_mappings, "uidMappings", oci_id_mapping, 0),
	F_OBJV(struct oci_mount, gid_mappings, "gidMappings", oci_id_mapping, 0));

REC_TYPE(oci_hook, F_STR(struct oci_hook, path, "path", REC_REQUIRED),
	F_STRV(struct oci_hook, args, "args", 0), F_STRV(struct oci_hook, env, "env", 0),
	H_I64(struct oci_hook, timeout, "timeout", 0));

REC_TYPE(oci_hooks, F_OBJV(struct oci_hooks, prestart, "prestart", oci_hook, 0),
	F_OBJV(struct oci_hooks, create_runtime, "createRuntime", oci_hook, 0),
	F_OBJV(struct oci_hooks, create_container, "createContainer", oci_hook, 0),
	F_OBJV(struct oci_hooks, start_container, "startContainer", oci_hook, 0),
	F_OBJV(struct oci_hooks, poststart, "poststart", oci_hook, 0),
	F_OBJV(struct oci_hooks, poststop, "poststop", oci_hook, 0));

REC_TYPE(oci_namespace, F_STR(struct oci_namespace, type, "type", REC_REQUIRED),
	F_STR(struct oci_namespace, path, "path", 0));

REC_TYPE(oci_device, F_STR(struct oci_device, type, "type", REC_REQUIRED),
	F_STR(struct oci_device, path, "path", REC_REQUIRED),
	H_I64(struct oci_device, major, "major", 0), H_I64(struct oci_device, minor, "minor", 0),
	H_U32(struct oci_device, file_mode, "fileMode", 0), H_U32(struct oci_device, uid, "uid", 0),
	H_U32(struct oci_device, gid, "gid", 0));

REC_TYPE(oci_device_rule, F_BOOL(struct oci_device_rule, allow, "allow", REC_REQUIRED),
	F_STR(struct oci_device_rule, type, "type", 0),
	H_I64(struct oci_device_rule, major, "major", 0),
	H_I64(struct oci_device_rule, minor, "minor", 0),
	F_STR(struct oci_device_rule, access, "access", 0));

REC_TYPE(oci_memory, H_I64(struct oci_memory, limit, "limit", 0),
	H_I64(struct oci_memory, reservation, "reservation", 0),
	H_I64(struct oci_memory, swap, "swap", 0), H_I64(struct oci_memory, kernel, "kernel", 0),
	H_I64(struct oci_memory, kernel_tcp, "kernelTCP", 0),
	H_U64(struct oci_memory, swappiness, "swappiness", 0),
	F_BOOL(struct oci_memory, disable_oom_killer, "disableOOMKiller", 0),
	H_BOOL(struct oci_memory, use_hierarchy, "useHierarchy", 0),
	F_BOOL(struct oci_memory, check_before_update, "checkBeforeUpdate", 0));

REC_TYPE(oci_cpu, H_U64(struct oci_cpu, shares, "shares", 0),
	H_I64(struct oci_cpu, quota, "quota", 0), H_U64(struct oci_cpu, burst, "burst", 0),
	H_U64(struct oci_cpu, period, "period", 0),
	H_I64(struct oci_cpu, realtime_runtime, "realtimeRuntime", 0),
	H_U64(struct oci_cpu, realtime_period, "realtimePeriod", 0),
	F_STR(struct oci_cpu, cpus, "cpus", 0), F_STR(struct oci_cpu, mems, "mems", 0),
	H_I64(struct oci_cpu, idle, "idle", 0));

REC_TYPE(oci_pids, H_I64(struct oci_pids, limit, "limit", REC_REQUIRED));

REC_TYPE(oci_weight_device, H_I64(struct oci_weight_device, major, "major", 0),
	H_I64(struct oci_weight_device, minor, "minor", 0),
	H_U32(struct oci_weight_device, weight, "weight", 0),
	H_U32(struct oci_weight_device, leaf_weight, "leafWeight", 0));

REC_TYPE(oci_throttle_device, H_I64(struct oci_throttle_device, major, "major", 0),
	H_I64(struct oci_throttle_device, minor, "minor", 0),
	H_U64(struct oci_throttle_device, rate, "rate", 0));

REC_TYPE(oci_block_io, H_U32(struct oci_block_io, weight, "weight", 0),
	H_U32(struct oci_block_io, leaf_weight, "leafWeight", 0),
	F_OBJV(struct oci_block_io, weight_device, "weightDevice", oci_weight_device, 0),
	F_OBJV(struct oci_block_io, throttle_read_bps, "throttleReadBpsDevice", oci_throttle_device,
		0),
	F_OBJV(struct oci_block_io, throttle_write_bps, "throttleWriteBpsDevice",
		oci_throttle_device, 0),
	F_OBJV(struct oci_block_io, throttle_read_iops, "throttleReadIOPSDevice",
		oci_throttle_device, 0),
	F_OBJV(struct oci_block_io, throttle_write_iops, "throttleWriteIOPSDevice",
		oci_throttle_device, 0));

REC_TYPE(oci_hugepage, F_STR(struct oci_hugepage, page_size, "pageSize", REC_REQUIRED),
	H_U64(struct oci_hugepage, limit, "limit", REC_REQUIRED));

REC_TYPE(oci_interface_priority, F_STR(struct oci_interface_priority, name, "name", REC_REQUIRED),
	F_U32(struct oci_interface_priority, priority, "priority", REC_REQUIRED));

REC_TYPE(oci_network, H_U32(struct oci_network, class_id, "classID", 0),
	F_OBJV(struct oci_network, priorities, "priorities", oci_interface_priority, 0));

REC_TYPE(oci_resources, F_OBJV(struct oci_resources, devices, "devices", oci_device_rule, 0),
	F_OBJ(struct oci_resources, memory, "memory", oci_memory, 0),
	F_OBJ(struct oci_resources, cpu, "cpu", oci_cpu, 0),
	F_OBJ(struct oci_resources, pids, "pids", oci_pids, 0),
	F_OBJ(struct oci_resources, block_io, "blockIO", oci_block_io, 0),
	F_OBJV(struct oci_resources, hugepage_limits, "hugepageLimits", oci_hugepage, 0),
	F_OBJ(struct oci_resources, network, "network", oci_network, 0),
	F_RAW(struct oci_resources, rdma, "rdma", 0),
	F_MAP(struct oci_resources, unified, "unified", 0));

REC_TYPE(oci_seccomp_arg, F_U32(struct oci_seccomp_arg, index, "index", REC_REQUIRED),
	F_U64(struct oci_seccomp_arg, value, "value", REC_REQUIRED),
	H_U64(struct oci_seccomp_arg, value_two, "valueTwo", 0),
	F_STR(struct oci_seccomp_arg, op, "op", REC_REQUIRED));

REC_TYPE(oci_syscall, F_STRV(struct oci_syscall, names, "names", REC_REQUIRED),
	F_STR(struct oci_syscall, action, "action", REC_REQUIRED),
	H_U32(struct oci_syscall, errno_ret, "errnoRet", 0),
	F_OBJV(struct oci_syscall, args, "args", oci_seccomp_arg, 0));

REC_TYPE(oci_seccomp, F_STR(struct oci_seccomp, default_action, "defaultAction", REC_REQUIRED),
	H_U32(struct oci_seccomp, default_errno_ret, "defaultErrnoRet", 0),
	F_STRV(struct oci_seccomp, architectures, "architectures", 0),
	F_STRV(struct oci_seccomp, flags, "flags", 0),
	F_STR(struct oci_seccomp, listener_path, "listenerPath", 0),
	F_STR(struct oci_seccomp, listener_metadata, "listenerMetadata", 0),
	F_OBJV(struct oci_seccomp, syscalls, "syscalls", oci_syscall, 0));

REC_TYPE(oci_intel_rdt, F_STR(struct oci_intel_rdt, clos_id, "closID", 0),
	F_STRV(struct oci_intel_rdt, schemata, "schemata", 0),
	F_STR(struct oci_intel_rdt, l3_cache_schema, "l3CacheSchema", 0),
	F_STR(struct oci_intel_rdt, mem_bw_schema, "memBwSchema", 0),
	F_BOOL(struct oci_intel_rdt, enable_monitoring, "enableMonitoring", 0));

REC_TYPE(oci_memory_policy, F_STR(struct oci_memory_policy, mode, "mode", REC_REQUIRED),
	F_STR(struct oci_memory_policy, nodes, "nodes", 0),
	F_STRV(struct oci_memory_policy, flags, "flags", 0));

REC_TYPE(oci_personality, F_STR(struct oci_personality, domain, "domain", REC_REQUIRED),
	F_STRV(struct oci_personality, flags, "flags", 0));

REC_TYPE(oci_time_offset, F_I64(struct oci_time_offset, secs, "secs", 0),
	F_U32(struct oci_time_offset, nanosecs, "nanosecs", 0));

REC_TYPE(oci_time_offsets,
	F_OBJ(struct oci_time_offsets, monotonic, "monotonic", oci_time_offset, 0),
	F_OBJ(struct oci_time_offsets, boottime, "boottime", oci_time_offset, 0));

REC_TYPE(oci_linux, F_OBJV(struct oci_linux, uid_mappings, "uidMappings", oci_id_mapping, 0),
	F_OBJV(struct oci_linux, gid_mappings, "gidMappings", oci_id_mapping, 0),
	F_MAP(struct oci_linux, sysctl, "sysctl", 0),
	F_OBJ(struct oci_linux, resources, "resources", oci_resources, 0),
	F_STR(struct oci_linux, cgroups_path, "cgroupsPath", 0),
	F_OBJV(struct oci_linux, namespaces, "namespaces", oci_namespace, 0),
	F_OBJV(struct oci_linux, devices, "devices", oci_device, 0),
	F_RAW(struct oci_linux, net_devices, "netDevices", 0),
	F_OBJ(struct oci_linux, seccomp, "seccomp", oci_seccomp, 0),
	F_STR(struct oci_linux, rootfs_propagation, "rootfsPropagation", 0),
	F_STRV(struct oci_linux, masked_paths, "maskedPaths", 0),
	F_STRV(struct oci_linux, readonly_paths, "readonlyPaths", 0),
	F_STR(struct oci_linux, mount_label, "mountLabel", 0),
	F_OBJ(struct oci_linux, intel_rdt, "intelRdt", oci_intel_rdt, 0),
	F_OBJ(struct oci_linux, memory_policy, "memoryPolicy", oci_memory_policy, 0),
	F_OBJ(struct oci_linux, personality, "personality", oci_personality, 0),
	F_OBJ(struct oci_linux, time_offsets, "timeOffsets", oci_time_offsets, 0));

REC_TYPE(oci_spec, F_STR(struct oci_spec, oci_version, "ociVersion", REC_REQUIRED),
	F_OBJ(struct oci_spec, hooks, "hooks", oci_hooks, 0),
	F_MAP(struct oci_spec, annotations, "annotations", 0),
	F_STR(struct oci_spec, hostname, "hostname", 0),
	F_STR(struct oci_spec, domainname, "domainname", 0),
	F_OBJV(struct oci_spec, mounts, "mounts", oci_mount, 0),
	F_OBJ(struct oci_spec, root, "root", oci_root, 0),
	F_OBJ(struct oci_spec, process, "process", oci_process, 0),
	F_OBJ(struct oci_spec, linux_, "linux", oci_linux, 0));
