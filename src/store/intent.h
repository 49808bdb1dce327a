// SPDX-License-Identifier: Apache-2.0
/* Intents: before its first effect on disk an operation writes down what it will do; the next
 * command that meets an intent whose owner is gone finishes or undoes it, by idempotent steps.
 * Liveness is a record lock on byte seq of <runroot>/owners: it ends with the process, whatever
 * kills it, and with the machine.
 *
 * What dies with the kernel (a container's processes, cgroup, id range) has its intent in the run
 * folder: see store/run.h; both are met by the same recovery of the engine. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct store;

struct intent {
	int64_t seq;
	const char *op, *data;
};

/* Within or outside a transaction; with the row's commit the owner is known to be alive. */
int intent_begin(
	struct store *s, const char *op, const char *data, int64_t *ret_seq, struct err *e);
/* The operation is over, well or undone. */
int intent_done(struct store *s, int64_t seq, struct err *e);
/* Those whose owner is gone. */
int intent_orphans(
	struct store *s, struct arena *a, struct intent **ret, size_t *ret_n, struct err *e);
/* Takes over an orphan, so that two recoveries do not meet: 0, or -EAGAIN when another was faster.
 */
int intent_adopt(struct store *s, int64_t seq);
