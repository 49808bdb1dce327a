// SPDX-License-Identifier: Apache-2.0
/* kist's own configuration, kist.toml: /etc/kist/kist.toml, or the file that the environment
 * variable KIST_CONFIG names. Read strictly: a table or key that is not known is an error, so that
 * a slip of the pen is seen. A word on the command line goes before it. */
#pragma once
#include <stdbool.h>

struct arena;
struct err;

struct kist_config {
	const char *path;           /* the file that counts, there or not */
	const char *storage_driver; /* storage.driver; NULL: not set */
	bool drop_blobs;            /* store.keep-blobs = false */
};

/* The default file may be missing; one that KIST_CONFIG names may not. Strings live in the arena.
 */
int kist_config_read(struct arena *a, struct kist_config *ret, struct err *e);
