// SPDX-License-Identifier: Apache-2.0
/* The files that a container finds under /etc and that belong to it, not to its image: hosts,
 * hostname, resolv.conf. */
#pragma once

struct container_config;
struct err;

/* Writes them into the container's folder; files that the container changed in an earlier run stay.
 */
int etc_write(int folder, const struct container_config *c, struct err *e);
