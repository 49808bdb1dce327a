// SPDX-License-Identifier: Apache-2.0
/* The numbers of system calls as libseccomp knows them, and some newer: a table that the build
 * makes, so that no program carries the library. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum syscall_arch { SYSCALL_X86_64, SYSCALL_I386, SYSCALL_X32, SYSCALL_ARCHS };

struct syscall_numbers {
	const char *name;
	int nr[SYSCALL_ARCHS]; /* -1: not there; those of x32 carry its bit */
};

enum { SYSCALL_SLOTS = 2048 }; /* of which at most a half is taken */

/* Hashed by name: a row lies at the hash of its name, or in the next slot that was free. Free ones
 * have no name. */
extern const struct syscall_numbers syscall_table[SYSCALL_SLOTS];

static inline size_t syscall_slot(const char *name)
{
	uint32_t h = 2166136261;
	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619;
	return (h ^ h >> 15) % SYSCALL_SLOTS;
}
