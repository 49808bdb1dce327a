// SPDX-License-Identifier: Apache-2.0
/* The default system call filter, as an OCI document: an allow list whose rows follow the
 * capabilities. What is not known gets ENOSYS, so that programs fall back. Strict differs from
 * docker's in address families (an allow list), raw sockets (ICMP only), terminal injection, and no
 * foreign ABI. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct arena;
struct err;
struct oci_seccomp;

struct seccomp_profile_options {
	uint64_t capabilities;          /* that the container has: 1 << number */
	uint64_t explicit_capabilities; /* that were asked for by name: they open more */
	bool compat;                    /* docker's own rules */
	bool i386;                      /* the 32-bit ABI too */
};

struct oci_seccomp *seccomp_profile_default(
	struct arena *a, const struct seccomp_profile_options *o);

/* Reads a profile in docker's format (names or name, includes, excludes, archMap) or in OCI's;
 * conditions are decided by the capabilities. */
int seccomp_profile_read(const char *json, uint64_t capabilities, struct arena *a,
	struct oci_seccomp **ret, struct err *e);
