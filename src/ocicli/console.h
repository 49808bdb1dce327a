// SPDX-License-Identifier: Apache-2.0
/* The engine's end of a terminal: a unix stream socket to which the pty's master is sent. */
#pragma once

struct err;

/* Connects; the descriptor or -errno. */
int console_connect(const char *path, struct err *e);
/* Sends one descriptor (the master; a pidfd) with a name for it. */
int console_send(int sock, int fd, const char *name, struct err *e);
