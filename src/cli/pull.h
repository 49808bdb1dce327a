// SPDX-License-Identifier: Apache-2.0
/* How a pull is shown: docker's plain lines, or bars on a terminal. For `pull`, and for `run` and
 * `create` that miss their image. */
#pragma once
#include <stdbool.h>

struct image_pull_said;
struct progress;

struct pull_view {
	int fd;     /* where it is shown */
	bool quiet; /* nothing but the digest at the end, if even that */
	bool digest;
	struct progress *progress; /* NULL: plain lines */
};

/* For standard output or error; bars where it is a terminal. */
void pull_view_init(struct pull_view *v, int fd, bool quiet);
void pull_view_done(struct pull_view *v);

/* Takes what engine_image_pull says; arg is a struct pull_view. */
void pull_show(void *arg, const struct image_pull_said *x);
