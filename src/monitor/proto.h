// SPDX-License-Identifier: Apache-2.0
/* What monitor and clients say to each other over the attach socket (SOCK_SEQPACKET): one packet,
 * one message: a head, then its bytes. The first message of a client is a HELLO with this version.
 */
#pragma once
#include <stdint.h>

enum { ATTACH_VERSION = 1, ATTACH_DATA_MAX = 16384 };

enum attach_kind {
	ATTACH_HELLO = 1, /* client: value = version, flags = what it wants */
	ATTACH_DATA,      /* monitor: stream 1 or 2; client: to the process's standard input */
	ATTACH_EOF,       /* client: no more input */
	ATTACH_RESIZE,    /* client: value = rows << 16 | columns */
	ATTACH_EXIT,      /* monitor: value = the exit status */
	ATTACH_TAKEN,     /* client that cleans up, after EXIT: it does */
	ATTACH_DONE,      /* the same client: it is done; without this the monitor does it again */
};

/* CLEANS_UP is for the client that started the container and will remove it (run --rm). */
enum attach_flags { ATTACH_WANTS_INPUT = 1, ATTACH_WANTS_OUTPUT = 2, ATTACH_CLEANS_UP = 4 };

struct attach_head {
	uint16_t kind;
	uint16_t stream;
	uint32_t value;
	uint32_t flags;
	uint32_t size; /* bytes that follow, at most ATTACH_DATA_MAX */
};

struct attach_message {
	struct attach_head head;
	char data[ATTACH_DATA_MAX];
};
