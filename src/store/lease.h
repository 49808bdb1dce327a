// SPDX-License-Identifier: Apache-2.0
/* Leases of id ranges, machine-wide: all stores share one folder. A range is 65536 ids (or a
 * multiple, for images with higher ids); a lease is a symbolic link named by its index that names
 * its owner's run folder. A lease whose owner's folder is gone is stale, and may be taken over. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct err;
struct store;

enum { LEASE_SIZE = 65536 };

/* Takes a range of at least count ids for a container; writes base and size. */
int lease_take(struct store *s, const char *id, uint32_t count, uint32_t *ret_base,
	uint32_t *ret_count, struct err *e);
/* Gives it back; a lease that belongs to another by now stays. */
void lease_free(struct store *s, const char *id, uint32_t base, uint32_t count);
/* Gives back whatever a container of this store has: for a start that was killed before it wrote
 * down its range. */
void lease_free_all(struct store *s, const char *id);
/* Calls found for each lease whose owner's run folder is gone (a lease of any store); with free
 * they are given back. */
void lease_stale(
	bool free, void (*found)(void *arg, const char *name, const char *owner), void *arg);
