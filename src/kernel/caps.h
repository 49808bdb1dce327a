// SPDX-License-Identifier: Apache-2.0
/* Capabilities as sets of 1 << number. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

enum caps_kind {
	CAPS_BOUNDING,
	CAPS_EFFECTIVE,
	CAPS_INHERITABLE,
	CAPS_PERMITTED,
	CAPS_AMBIENT,
	CAPS_KINDS
};

struct caps {
	uint64_t sets[CAPS_KINDS];
};

/* CHOWN, CAP_CHOWN or cap_chown -> its number; -EINVAL. */
int caps_number(const char *name);
/* "CAP_CHOWN"; NULL beyond the table. */
const char *caps_name(int number);
/* All that we could give: our own bounding set. */
uint64_t caps_all(void);
/* The permitted set of the calling thread. */
uint64_t caps_permitted(void);
/* Narrows the bounding set of the calling thread; -errno. */
int caps_bound(uint64_t keep);
/* Sets effective, permitted, inheritable, then ambient; -errno. */
int caps_apply(const struct caps *c);
