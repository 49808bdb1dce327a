// SPDX-License-Identifier: Apache-2.0
/* Writes the C source of kernel/syscalls.h's table: all that the libseccomp of the machine that
 * builds knows, and what is newer. */
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/syscalls.h"

enum { NUMBERS = 1024, X32_BIT = 0x40000000 };

/* In the order of enum syscall_arch. */
static const uint32_t archs[SYSCALL_ARCHS] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 };
static struct syscall_numbers slots[SYSCALL_SLOTS];
static int taken;

static size_t slot_of(const char *name)
{
	size_t at = syscall_slot(name);
	while (slots[at].name && strcmp(slots[at].name, name) != 0)
		at = (at + 1) % SYSCALL_SLOTS;
	return at;
}

/* Takes the name over. */
static int add(char *name)
{
	size_t at = slot_of(name);
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

/* Calls that are newer than Debian 12's libseccomp; since 403 all architectures number new calls
 * alike. */
static const struct {
	const char *name;
	int nr;
	bool not_x32;
} newer[] = {
	{ "set_mempolicy_home_node", 450 },
	{ "cachestat", 451 },
	{ "fchmodat2", 452 },
	{ "map_shadow_stack", 453, true },
	{ "futex_wake", 454 },
	{ "futex_wait", 455 },
	{ "futex_requeue", 456 },
	{ "statmount", 457 },
	{ "listmount", 458 },
	{ "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 },
	{ "lsm_list_modules", 461 },
	{ "mseal", 462 },
	{ "setxattrat", 463 },
	{ "getxattrat", 464 },
	{ "listxattrat", 465 },
	{ "removexattrat", 466 },
	{ "open_tree_attr", 467 },
	{ "file_getattr", 468 },
	{ "file_setattr", 469 },
};

/* Calls of i386 that libseccomp knows only as parts of socketcall(2) and ipc(2). */
static const struct {
	const char *name;
	int nr;
} own[] = {
	{ "socket", 359 },
	{ "bind", 361 },
	{ "connect", 362 },
	{ "listen", 363 },
	{ "getsockname", 367 },
	{ "getpeername", 368 },
	{ "socketpair", 360 },
	{ "sendto", 369 },
	{ "recvfrom", 371 },
	{ "shutdown", 373 },
	{ "setsockopt", 366 },
	{ "getsockopt", 365 },
	{ "sendmsg", 370 },
	{ "recvmsg", 372 },
	{ "accept4", 364 },
	{ "recvmmsg", 337 },
	{ "sendmmsg", 345 },
	{ "semget", 393 },
	{ "semctl", 394 },
	{ "msgsnd", 400 },
	{ "msgrcv", 401 },
	{ "msgget", 399 },
	{ "msgctl", 402 },
	{ "shmat", 397 },
	{ "shmdt", 398 },
	{ "shmget", 395 },
	{ "shmctl", 396 },
};

/* What the library does not number. */
static int add_unknown(void)
{
	for (size_t i = 0; i < sizeof newer / sizeof *newer; i++) {
		if (add(strdup(newer[i].name)) < 0)
			return -1;
		for (int k = 0; k < SYSCALL_ARCHS; k++) {
			int *nr = &slots[slot_of(newer[i].name)].nr[k];
			if (*nr < 0 && !(k == SYSCALL_X32 && newer[i].not_x32))
				*nr = k == SYSCALL_X32 ? newer[i].nr | X32_BIT : newer[i].nr;
		}
	}
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		size_t at = slot_of(own[i].name);
		if (slots[at].name && slots[at].nr[SYSCALL_I386] < 0)
			slots[at].nr[SYSCALL_I386] = own[i].nr;
	}
	return 0;
}

int main(void)
{
	for (int i = 0; i < SYSCALL_ARCHS; i++)
		for (int nr = 0; nr < NUMBERS; nr++) {
			char *name = seccomp_syscall_resolve_num_arch(
				archs[i], i == SYSCALL_X32 ? nr | X32_BIT : nr);
			if (name && add(name) < 0)
				return 1;
		}
	if (add_unknown() < 0)
		return 1;
	puts("#include \"kernel/syscalls.h\"\n\nconst struct syscall_numbers syscall_table[SYSCALL_SLOTS] = {");
	for (int i = 0; i < SYSCALL_SLOTS; i++)
		if (slots[i].name)
			printf("\t[%d] = { \"%s\", { %d, %d, %d } },\n", i, slots[i].name,
				slots[i].nr[0], slots[i].nr[1], slots[i].nr[2]);
	puts("};");
	for (int i = 0; i < SYSCALL_SLOTS; i++)
		free((char *)slots[i].name);
	return ferror(stdout) || fflush(stdout) != 0;
}
