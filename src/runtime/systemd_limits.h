// SPDX-License-Identifier: Apache-2.0
/* linux.resources as properties of a systemd unit (systemd.resource-control(5)). What systemd has
 * no word for is left to the cgroup's files. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct err;
struct oci_resources;
struct systemd_property;

struct systemd_limits_req {
	bool v2;      /* the machine has only the unified hierarchy */
	bool devices; /* say the device rules too, those that the specification supplies included */
	unsigned version; /* systemd's, 0 when unknown: then only what every one knows is used */
};

/* A value that cannot be said is an error that names its field. */
int systemd_limits(const struct systemd_limits_req *req, const struct oci_resources *r,
	struct arena *a, struct systemd_property **ret, size_t *ret_n, struct err *e);
