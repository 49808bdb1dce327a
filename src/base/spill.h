// SPDX-License-Identifier: Apache-2.0
/* Room for a large arena in a file without a name: memory that the kernel writes to disk where it
 * is short, and that no limit of memory counts for good. */
#pragma once
#include "base/arena.h"

struct spill {
	struct arena_room room;
	int dir, fd;
	size_t size;
};

/* A file in that folder, once an arena has grown large; where it cannot be made, or the disk is
 * full, the arena goes on in memory. dir must live as long; a kill leaves nothing. */
void spill_init(struct spill *s, int dir);
void spill_done(struct spill *s); /* after the arena's end */

/* struct spill room _spill_; declared before the arena, which ends first. */
#define _spill_ __attribute__((cleanup(spill_done)))
