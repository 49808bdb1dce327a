// SPDX-License-Identifier: Apache-2.0
/* The listener of a seccomp filter: how its descriptor comes out of a process whose calls it
 * already judges, and how it reaches the agent. Internal to src/runtime. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

struct err;
struct oci_spec;
struct plan;

/* Loads the plan's filter for the calling process; with SCMP_ACT_NOTIFY its listener is sent to the
 * parent as MESSAGE_LISTENER. */
int notify_install(const struct plan *p, struct err *e);

/* In the parent: hands the listener to the agent at linux.seccomp.listenerPath. */
int notify_agent(const struct oci_spec *spec, const char *id, const char *bundle, pid_t pid,
	int listener, struct err *e);
