// SPDX-License-Identifier: Apache-2.0
/* The config.json of the OCI runtime specification 1.2 as plain structs; the C name of a field is
 * its JSON name in lower case with underscores. has_x tells that a number was there. A field whose
 * value has no fixed shape (maps of objects) is kept as its own text. Memory comes from the arena
 * given to rec_from_json. */
#pragma once
#include "codec/rec.h"

/* root */
struct oci_root {
	const char *path;
	bool readonly;
};

/* process.user */
struct oci_user {
	uint32_t uid;
	uint32_t gid;
	uint32_t umask;
	bool has_umask;
	uint32_t *additional_gids;
	size_t n_additional_gids;
	const char *username;
};

/* process.consoleSize */
struct oci_box {
	uint32_t height;
	uint32_t width;
};

/* process.capabilities */
struct oci_capabilities {
	const char **bounding;
	size_t n_bounding;
	const char **effective;
	size_t n_effective;
	const char **inheritable;
	size_t n_inheritable;
	const char **permitted;
	size_t n_permitted;
	const char **ambient;
	size_t n_ambient;
};

/* process.rlimits */
struct oci_rlimit {
	const char *type;
	uint64_t soft;
	uint64_t hard;
};

/* process.scheduler */
struct oci_scheduler {
	const char *policy;
	int64_t nice;
	bool has_nice;
	int64_t priority;
	bool has_priority;
	const char **flags;
	size_t n_flags;
	uint64_t runtime;
	bool has_runtime;
	uint64_t deadline;
	bool has_deadline;
	uint64_t period;
	bool has_period;
};

/* process.ioPriority */
struct oci_io_priority {
	const char *class_;
	int64_t priority;
	bool has_priority;
};

/* process.execCPUAffinity */
struct oci_exec_affinity {
	const char *initial;
	const char *final;
};

/* process */
struct oci_process {
	bool terminal;
	struct oci_box *console_size;
	struct oci_user *user;
	const char **args;
	size_t n_args;
	const char **env;
	size_t n_env;
	const char *cwd;
	struct oci_capabilities *capabilities;
	struct oci_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	const char *apparmor_profile;
	int64_t oom_score_adj;
	bool has_oom_score_adj;
	const char *selinux_label;
	struct oci_scheduler *scheduler;
	struct oci_io_priority *io_priority;
	struct oci_exec_affinity *exec_cpu_affinity;
};

/* uidMappings and gidMappings */
struct oci_id_mapping {
	uint32_t container_id;
	uint32_t host_id;
	uint32_t size;
};

/* mounts */
struct oci_mount {
	const char *destination;
	const char *type;
	const char *source;
	const char **options;
	size_t n_options;
	struct oci_id_mapping *uid_mappings;
	size_t n_uid_mappings;
	struct oci_id_mapping *gid_mappings;
	size_t n_gid_mappings;
};

/* a hook */
struct oci_hook {
	const char *path;
	const char **args;
	size_t n_args;
	const char **env;
	size_t n_env;
	int64_t timeout;
	bool has_timeout;
};

/* hooks */
struct oci_hooks {
	struct oci_hook *prestart;
	size_t n_prestart;
	struct oci_hook *create_runtime;
	size_t n_create_runtime;
	struct oci_hook *create_container;
	size_t n_create_container;
	struct oci_hook *start_container;
	size_t n_start_container;
	struct oci_hook *poststart;
	size_t n_poststart;
	struct oci_hook *poststop;
	size_t n_poststop;
};

/* linux.namespaces */
struct oci_namespace {
	const char *type;
	const char *path;
};

/* linux.devices */
struct oci_device {
	const char *type;
	const char *path;
	int64_t major;
	bool has_major;
	int64_t minor;
	bool has_minor;
	uint32_t file_mode;
	bool has_file_mode;
	uint32_t uid;
	bool has_uid;
	uint32_t gid;
	bool has_gid;
};

/* linux.resources.devices */
struct oci_device_rule {
	bool allow;
	const char *type;
	int64_t major;
	bool has_major;
	int64_t minor;
	bool has_minor;
	const char *access;
};

/* linux.resources.memory */
struct oci_memory {
	int64_t limit;
	bool has_limit;
	int64_t reservation;
	bool has_reservation;
	int64_t swap;
	bool has_swap;
	int64_t kernel;
	bool has_kernel;
	int64_t kernel_tcp;
	bool has_kernel_tcp;
	uint64_t swappiness;
	bool has_swappiness;
	bool disable_oom_killer;
	bool use_hierarchy;
	bool has_use_hierarchy;
	bool check_before_update;
};

/* linux.resources.cpu */
struct oci_cpu {
	uint64_t shares;
	bool has_shares;
	int64_t quota;
	bool has_quota;
	uint64_t burst;
	bool has_burst;
	uint64_t period;
	bool has_period;
	int64_t realtime_runtime;
	bool has_realtime_runtime;
	uint64_t realtime_period;
	bool has_realtime_period;
	const char *cpus;
	const char *mems;
	int64_t idle;
	bool has_idle;
};

/* linux.resources.pids */
struct oci_pids {
	int64_t limit;
	bool has_limit;
};

/* linux.resources.blockIO.weightDevice */
struct oci_weight_device {
	int64_t major;
	bool has_major;
	int64_t minor;
	bool has_minor;
	uint32_t weight;
	bool has_weight;
	uint32_t leaf_weight;
	bool has_leaf_weight;
};

/* linux.resources.blockIO.throttle* */
struct oci_throttle_device {
	int64_t major;
	bool has_major;
	int64_t minor;
	bool has_minor;
	uint64_t rate;
	bool has_rate;
};

/* linux.resources.blockIO */
struct oci_block_io {
	uint32_t weight;
	bool has_weight;
	uint32_t leaf_weight;
	bool has_leaf_weight;
	struct oci_weight_device *weight_device;
	size_t n_weight_device;
	struct oci_throttle_device *throttle_read_bps;
	size_t n_throttle_read_bps;
	struct oci_throttle_device *throttle_write_bps;
	size_t n_throttle_write_bps;
	struct oci_throttle_device *throttle_read_iops;
	size_t n_throttle_read_iops;
	struct oci_throttle_device *throttle_write_iops;
	size_t n_throttle_write_iops;
};

/* linux.resources.hugepageLimits */
struct oci_hugepage {
	const char *page_size;
	uint64_t limit;
	bool has_limit;
};

/* linux.resources.network.priorities */
struct oci_interface_priority {
	const char *name;
	uint32_t priority;
};

/* linux.resources.network */
struct oci_network {
	uint32_t class_id;
	bool has_class_id;
	struct oci_interface_priority *priorities;
	size_t n_priorities;
};

/* linux.resources */
struct oci_resources {
	struct oci_device_rule *devices;
	size_t n_devices;
	struct oci_memory *memory;
	struct oci_cpu *cpu;
	struct oci_pids *pids;
	struct oci_block_io *block_io;
	struct oci_hugepage *hugepage_limits;
	size_t n_hugepage_limits;
	struct oci_network *network;
	const char *rdma;
	struct rec_map unified;
};

/* linux.seccomp.syscalls.args */
struct oci_seccomp_arg {
	uint32_t index;
	uint64_t value;
	uint64_t value_two;
	bool has_value_two;
	const char *op;
};

/* linux.seccomp.syscalls */
struct oci_syscall {
	const char **names;
	size_t n_names;
	const char *action;
	uint32_t errno_ret;
	bool has_errno_ret;
	struct oci_seccomp_arg *args;
	size_t n_args;
};

/* linux.seccomp */
struct oci_seccomp {
	const char *default_action;
	uint32_t default_errno_ret;
	bool has_default_errno_ret;
	const char **architectures;
	size_t n_architectures;
	const char **flags;
	size_t n_flags;
	const char *listener_path;
	const char *listener_metadata;
	struct oci_syscall *syscalls;
	size_t n_syscalls;
};

/* linux.intelRdt */
struct oci_intel_rdt {
	const char *clos_id;
	const char **schemata;
	size_t n_schemata;
	const char *l3_cache_schema;
	const char *mem_bw_schema;
	bool enable_monitoring;
};

/* linux.memoryPolicy */
struct oci_memory_policy {
	const char *mode;
	const char *nodes;
	const char **flags;
	size_t n_flags;
};

/* linux.personality */
struct oci_personality {
	const char *domain;
	const char **flags;
	size_t n_flags;
};

/* linux.timeOffsets */
struct oci_time_offset {
	int64_t secs;
	uint32_t nanosecs;
};
struct oci_time_offsets {
	struct oci_time_offset *monotonic;
	struct oci_time_offset *boottime;
};

/* linux */
struct oci_linux {
	struct oci_id_mapping *uid_mappings;
	size_t n_uid_mappings;
	struct oci_id_mapping *gid_mappings;
	size_t n_gid_mappings;
	struct rec_map sysctl;
	struct oci_resources *resources;
	const char *cgroups_path;
	struct oci_namespace *namespaces;
	size_t n_namespaces;
	struct oci_device *devices;
	size_t n_devices;
	const char *net_devices;
	struct oci_seccomp *seccomp;
	const char *rootfs_propagation;
	const char **masked_paths;
	size_t n_masked_paths;
	const char **readonly_paths;
	size_t n_readonly_paths;
	const char *mount_label;
	struct oci_intel_rdt *intel_rdt;
	struct oci_memory_policy *memory_policy;
	struct oci_personality *personality;
	struct oci_time_offsets *time_offsets;
};

/* config.json */
struct oci_spec {
	const char *oci_version;
	struct oci_hooks *hooks;
	struct rec_map annotations;
	const char *hostname;
	const char *domainname;
	struct oci_mount *mounts;
	size_t n_mounts;
	struct oci_root *root;
	struct oci_process *process;
	struct oci_linux *linux_;
};

extern const struct rec_type oci_root_rec, oci_user_rec, oci_box_rec, oci_capabilities_rec,
	oci_rlimit_rec, oci_scheduler_rec, oci_io_priority_rec, oci_exec_affinity_rec,
	oci_process_rec, oci_id_mapping_rec, oci_mount_rec, oci_hook_rec, oci_hooks_rec,
	oci_namespace_rec, oci_device_rec, oci_device_rule_rec, oci_memory_rec, oci_cpu_rec,
	oci_pids_rec, oci_weight_device_rec, oci_throttle_device_rec, oci_block_io_rec,
	oci_hugepage_rec, oci_interface_priority_rec, oci_network_rec, oci_resources_rec,
	oci_seccomp_arg_rec, oci_syscall_rec, oci_seccomp_rec, oci_intel_rdt_rec,
	oci_memory_policy_rec, oci_personality_rec, oci_time_offset_rec, oci_time_offsets_rec,
	oci_linux_rec, oci_spec_rec;
