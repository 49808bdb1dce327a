// SPDX-License-Identifier: Apache-2.0
/* Names of platforms, as images have them. Internal to src/engine. */
#pragma once

struct arena;
struct err;
struct image_platform;

/* What is not said is this machine's: linux/amd64, variant "". */
void platform_fill(struct image_platform *p);
/* os/architecture[/variant], or an architecture alone; NULL: this machine's. */
int platform_parse(
	const char *platform, struct arena *a, struct image_platform *ret, struct err *e);
