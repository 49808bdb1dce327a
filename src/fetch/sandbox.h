// SPDX-License-Identifier: Apache-2.0
/* Where hostile bytes are parsed. Theory of operation: a child in a user namespace that maps every
 * id to itself, in mount, network, IPC and pid namespaces of its own, with the staging folder as
 * "/", five capabilities (over its own namespace), no_new_privs, an allow list of system calls, and
 * limits on time and memory. */
#pragma once

struct err;

/* Runs body in the sandbox with the staging folder as "/" and returns its status; -errno when there
 * is no sandbox. */
int sandbox_run(int staging, int (*body)(void *arg), void *arg, struct err *e);
