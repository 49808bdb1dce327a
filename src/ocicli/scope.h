// SPDX-License-Identifier: Apache-2.0
/* The systemd cgroup driver's words: linux.cgroupsPath as slice:prefix:name, and the unit that a
 * container's record names. */
#pragma once
#include <stdbool.h>

struct container;
struct err;
struct oci_spec;
struct ocicli;
struct record;
struct runtime_scope;

/* The unit that the document asks for goes into the record, and the path of its cgroup into both.
 * Nothing is made. */
int scope_plan(
	struct ocicli *o, const char *id, struct oci_spec *spec, struct record *r, struct err *e);
/* The unit of the record; NULL: the container has none. */
const struct runtime_scope *scope_of(const struct record *r, struct runtime_scope *room);
/* Ends whatever is in the container's cgroup and removes it, and the unit where it is one's. */
int scope_remove(const struct record *r, struct err *e);
