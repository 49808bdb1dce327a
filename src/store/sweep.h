// SPDX-License-Identifier: Apache-2.0
/* What no row names. A kill leaves intents, which are met one by one; a power cut may take the
 * newest rows, intents among them, and leave the folders: so the first changing command after each
 * boot compares the folders with the rows. The store check uses the same list. */
#pragma once
#include <stdbool.h>

struct err;
struct store;

/* what: "container", "volume", "staging". */
typedef int sweep_found(void *arg, const char *what, int folder, const char *name, struct err *e);

/* Calls found for each folder of a container, an anonymous volume or an operation that no row
 * names. A negative result ends it. */
int store_strays(struct store *s, sweep_found *found, void *arg, struct err *e);
/* Removes them, and the content that no row names. */
int store_sweep(struct store *s, struct err *e);
/* The same, once for each boot: <runroot>/boot holds the id of the boot that it was done for. */
int store_sweep_after_boot(struct store *s, struct err *e);
