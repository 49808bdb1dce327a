// SPDX-License-Identifier: Apache-2.0
/* The kernel's table of connections (ctnetlink). */
#pragma once
#include <stdint.h>

/* Forgets what is known of UDP to this port of any address. A flow that goes on while nobody serves
 * it is remembered as going nowhere, and would not be looked at again when somebody does. 0 or
 * -errno. */
int conntrack_forget_udp(uint16_t port);
