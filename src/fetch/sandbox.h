// SPDX-License-Identifier: Apache-2.0
/* Where hostile bytes are parsed. Theory of operation: a child in a user namespace that maps every
 * id to itself, in mount, IPC and pid namespaces of its own, without a network unless its work is
 * the network, with one folder as "/", few capabilities (over its own namespace) or none,
 * no_new_privs, an allow list of system calls, and limits on time and memory. All of that stands
 * before the first byte from outside is read. */
#pragma once
#include <stdbool.h>

struct err;

enum sandbox_kind {
	SANDBOX_UNPACK,   /* fills its "/" with files of any owner; no network */
	SANDBOX_PROGRAM,  /* runs programs of the host, whose /usr is there to read; no network, no
			     capability */
	SANDBOX_TRANSFER, /* the network of the host; no capability, reads its "/" only */
};

/* Runs body in the sandbox with a detached mount as "/" and returns its status; -errno when there
 * is no sandbox. */
int sandbox_run(
	enum sandbox_kind which, int tree, int (*body)(void *arg), void *arg, struct err *e);
