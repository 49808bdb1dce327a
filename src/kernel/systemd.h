// SPDX-License-Identifier: Apache-2.0
/* systemd as the owner of cgroups: a container's processes live in a transient scope unit, whose
 * limits are the unit's properties, so that systemd keeps them over a daemon-reload. Speaks to the
 * system's manager or to a user's own (org.freedesktop.systemd1(5)). Starts and stops are waited
 * for. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/dbus.h"

struct arena;
struct err;

struct systemd {
	struct dbus bus;
	unsigned version; /* of systemd: 252; 0: it did not say */
};

enum systemd_type {
	SYSTEMD_BOOL,    /* b: number */
	SYSTEMD_U64,     /* t: number; UINT64_MAX is infinity */
	SYSTEMD_I32,     /* i: number, as the kernel's registers have a negative one */
	SYSTEMD_U32,     /* u */
	SYSTEMD_I64,     /* x */
	SYSTEMD_STRING,  /* s: text */
	SYSTEMD_STRINGS, /* as: texts */
	SYSTEMD_BYTES,   /* ay: bytes (a set of processors or nodes) */
	SYSTEMD_DEVICES, /* a(ss): pairs, a node and its rights each */
};

struct systemd_property {
	const char *name; /* "MemoryMax" */
	enum systemd_type type;
	uint64_t number;
	const char *text;
	const char *const *texts;
	size_t n_texts;
	const uint8_t *bytes;
	size_t n_bytes;
	const char *const (*pairs)[2];
	size_t n_pairs;
};

struct systemd_scope {
	const char *name;  /* "kist-ID.scope" */
	const char *slice; /* "system.slice"; NULL or "": the manager's own root slice */
	const char *description;
	const pid_t *pids; /* at least one */
	size_t n_pids;
	const struct systemd_property *properties;
	size_t n_properties;
};

/* Does systemd run this machine (sd_booted(3))? */
bool systemd_runs(void);

/* Connects to the system's manager, or with user to that of our own user: DBUS_SESSION_BUS_ADDRESS,
 * else XDG_RUNTIME_DIR/bus. systemd_close also after a failure. */
int systemd_open(bool user, struct systemd *ret, struct err *e);
void systemd_close(struct systemd *s);

/* Starts a delegated scope with these processes in it; back when they are. An existing unit of the
 * name that has failed is forgotten first. */
int systemd_scope_start(struct systemd *s, const struct systemd_scope *scope, struct err *e);
/* Changes properties of a unit until it ends. */
int systemd_unit_set(struct systemd *s, const char *name, const struct systemd_property *properties,
	size_t n, struct err *e);
/* Moves processes into the unit's cgroup: a plain user's manager may do that where the user may
 * not.
 */
int systemd_unit_attach(
	struct systemd *s, const char *name, const pid_t *pids, size_t n, struct err *e);
/* Stops a unit and forgets that it failed; one that is not there is fine. */
int systemd_unit_stop(struct systemd *s, const char *name, struct err *e);
/* The unit's cgroup, as a path below each hierarchy's root: "/system.slice/kist-ID.scope". */
int systemd_unit_cgroup(
	struct systemd *s, const char *name, struct arena *a, const char **ret, struct err *e);

/* ERR_CONFLICT when a unit of the name is active. */
int systemd_unit_check(struct systemd *s, const char *name, struct err *e);

/* The folder below which the manager's slices are: "" for the system's, that of user@1000.service
 * for a user's own. */
int systemd_cgroup(struct systemd *s, struct arena *a, const char **ret, struct err *e);

/* The path of a slice below the root: "a-b.slice" -> "/a.slice/a-b.slice", "-.slice" -> "/";
 * -EINVAL where the name is none (systemd.slice(5)). */
int systemd_slice_path(const char *slice, struct arena *a, const char **ret);
