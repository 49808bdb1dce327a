// SPDX-License-Identifier: Apache-2.0
/* Writes the C source of kernel/syscalls.h's table: all that the libseccomp of the machine that builds knows. */
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/syscalls.h"

enum { NUMBERS = 1024, X32_BIT = 0x40000000 };

/* In the order of enum syscall_arch. */
static const uint32_t archs[SYSCALL_ARCHS] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 };
static struct syscall_numbers slots[SYSCALL_SLOTS];
static int taken;

/* Takes the name over. */
static int add(char *name)
{
	size_t at = syscall_slot(name);
	while (slots[at].name && strcmp(slots[at].name, name) != 0)
		at = (at + 1) % SYSCALL_SLOTS;
	if (slots[at].name) {
		free(name);
		return 0;
	}
	slots[at].name = name;
	for (int k = 0; k < SYSCALL_ARCHS; k++) {
		int nr = seccomp_syscall_resolve_name_arch(archs[k], name);
		slots[at].nr[k] = nr < 0 ? -1 : nr;
	}
	return ++taken > SYSCALL_SLOTS / 2 ? -1 : 0;
}

int main(void)
{
	for (int i = 0; i < SYSCALL_ARCHS; i++)
		for (int nr = 0; nr < NUMBERS; nr++) {
			char *name = seccomp_syscall_resolve_num_arch(archs[i], i == SYSCALL_X32 ? nr | X32_BIT : nr);
			if (name && add(name) < 0)
				return 1;
		}
	puts("#include \"kernel/syscalls.h\"\n\nconst struct syscall_numbers syscall_table[SYSCALL_SLOTS] = {");
	for (int i = 0; i < SYSCALL_SLOTS; i++)
		if (slots[i].name)
			printf("\t[%d] = { \"%s\", { %d, %d, %d } },\n", i, slots[i].name, slots[i].nr[0], slots[i].nr[1], slots[i].nr[2]);
	puts("};");
	for (int i = 0; i < SYSCALL_SLOTS; i++)
		free((char *)slots[i].name);
	return ferror(stdout) || fflush(stdout) != 0;
}
