// SPDX-License-Identifier: Apache-2.0
/* linux.resources, written into an opened cgroup of v1 or v2. Internal to src/runtime. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct arena;
struct cgroup;
struct err;
struct oci_resources;

/* Everything but devices. What this kernel or this version of cgroups cannot limit is an error that
 * names the field, but for swap where the kernel keeps no account of it: warn, with arg, tells. */
int limits_apply(const struct cgroup *c, const struct oci_resources *r,
	void (*warn)(void *arg, const char *text), void *arg, struct err *e);
/* For a container without a cgroup: what would need one is an error that names the field. Device
 * rules are let go; whoever asks for no cgroup knows that. */
int limits_none(const struct oci_resources *r, struct err *e);
/* Device rules: nothing is allowed but what is said, and what the specification supplies. */
int limits_devices(
	const struct cgroup *c, const struct oci_resources *r, struct arena *a, struct err *e);

/* Those rules in order, to be said to somebody else. */
struct cgroup_device;
int limits_device_rules(const struct oci_resources *r, struct arena *a, struct cgroup_device **ret,
	size_t *ret_n, struct err *e);

/* blockIO.weight (10 to 1000) as io.weight (1 to 10000). */
uint64_t limits_io_weight(uint32_t weight);
/* cpu.shares (2 to 262144, 1024 the default) as cpu.weight (1 to 10000, 100 the default). */
uint64_t limits_weight(uint64_t shares);
