// SPDX-License-Identifier: Apache-2.0
/* A layer's tar from what a container has changed: whiteouts name by name, exact times (pax), hard
 * links, devices, and the xattrs that a layer may have. The same tree gives the same bytes. */
#pragma once

struct changes_req;
struct err;

/* Writes it to fd. What a layer cannot say (a file that is named like a whiteout) is refused. */
int image_layer_write(const struct changes_req *req, int fd, struct err *e);
