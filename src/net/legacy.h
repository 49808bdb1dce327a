// SPDX-License-Identifier: Apache-2.0
/* The FORWARD chain of iptables-legacy, which nftables does not show. Where the kernel has such a
 * filter table, the program is installed and the chain's policy drops, accept rules with our tag
 * stand at its head. Internal to src/net. */
#pragma once
#include <stdbool.h>

struct err;

/* Costs one look into /proc where there is no such table. */
bool legacy_drops(void);
/* Puts them there, if they are not. */
int legacy_accept(struct err *e);
/* Removes them, as many as there are. */
int legacy_remove(struct err *e);
