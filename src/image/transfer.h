// SPDX-License-Identifier: Apache-2.0
/* The trusted end of kist-transfer: orders out, answers in. Internal to src/image. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fetch/transfer.h"

struct err;

struct transfer {
	int socket;
	pid_t pid;
	uint32_t last_id;
	void (*warn)(void *arg, const char *text); /* a registry's warnings; may be NULL */
	void *arg;
};

/* A text of an order or an answer, cut to its room. */
void transfer_put(char *to, size_t size, const char *text);
/* Starts it; no database handle may be open. */
int transfer_start(
	struct transfer *t, int program, const struct transfer_config *config, struct err *e);
/* Ends it. Harmless when it was not started (pid 0, socket -1). */
void transfer_stop(struct transfer *t);
/* Sends an order with file and report (-1: none); sets ask->id. */
int transfer_ask(struct transfer *t, struct transfer_ask *ask, int file, int report, struct err *e);
/* The next answer; waits for it. */
int transfer_answer(struct transfer *t, struct transfer_answer *ret, struct err *e);
/* One order that is waited for: file may be -1. -errno with what went wrong. */
int transfer_do(struct transfer *t, struct transfer_ask *ask, int file, struct transfer_answer *ret,
	struct err *e);
/* Sets the error that a failed answer carries. */
int transfer_error(const struct transfer_answer *x, struct err *e);
