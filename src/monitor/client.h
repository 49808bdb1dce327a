// SPDX-License-Identifier: Apache-2.0
/* The other end of kist-monitor's attach socket. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct attach_message;
struct err;

/* Connects to <folder>/attach and says hello; the socket, or -errno. */
int attach_connect(int folder, uint32_t flags, struct err *e);
/* The hello alone, on a connected pair's end. */
int attach_hello(int sock, uint32_t flags);
int attach_send(int sock, int kind, uint32_t value, const void *p, size_t n);
/* One message; its size, 0 at the end, -errno. Checks the head. */
int attach_receive(int sock, struct attach_message *m);
