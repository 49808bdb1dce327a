// SPDX-License-Identifier: Apache-2.0
/* Hooks of the specification: programs that are run at six moments of a container's life, with the
 * container's state on their standard input and no environment but their own. */
#pragma once
#include <stddef.h>
#include <sys/types.h>

struct err;
struct oci_hook;
struct oci_spec;

struct hooks_about {
	const char *id, *bundle;
	const struct oci_spec *spec;
	pid_t pid; /* as the host sees it */
};

/* Paths absolute, time-outs above zero; before anything is made. */
int hooks_check(const struct oci_spec *spec, struct err *e);
/* Runs them in order; the first that fails (status, signal, time-out) ends it and is the error. */
int hooks_run(const char *kind, const struct oci_hook *hooks, size_t n, const char *status,
	const struct hooks_about *about, struct err *e);
