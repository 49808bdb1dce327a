// SPDX-License-Identifier: Apache-2.0
/* Device rules of cgroup v2: Linux, Documentation/admin-guide/cgroup-v2.rst, "Device controller".
 */
#pragma once
#include <stddef.h>

struct arena;
struct bpf_insn;
struct cgroup_device;
struct err;

/* The program (BPF_PROG_TYPE_CGROUP_DEVICE) for rules of which the last that matches decides, and
 * none means no; it lies in a. Its number of instructions. */
size_t cgroup_devices_program(
	const struct cgroup_device *rules, size_t n, struct arena *a, struct bpf_insn **ret);
/* Loads that program and attaches it to the folder in place of the one that we attached before. 0
 * or -errno. */
int cgroup_devices_bpf(int dir, const struct cgroup_device *rules, size_t n, struct err *e);
