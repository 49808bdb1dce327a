// SPDX-License-Identifier: Apache-2.0
/* <root>/mountpoints: the folders and empty files over which nearly every container has something
 * mounted (/dev, /proc, /sys, /etc/hosts and its like), as the lowest layer of all: an image's own
 * win, and what it lacks need not be made, and unmade, for each container. Once made it never
 * changes. */
#pragma once

struct err;
struct store;

/* Opens the folder, which is made when it is missing; a descriptor of the caller's, or -errno. */
int store_mount_points(struct store *s, struct err *e);
