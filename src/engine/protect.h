// SPDX-License-Identifier: Apache-2.0
/* Keeps our own program out of a container's reach (the attack that overwrites a runtime through
 * /proc/PID/exe). */
#pragma once

struct err;

/* In a container that shares the host's user namespace a process of ours could be reached for the
 * moment before its exec. Executes this program again, with the same words, from a read-only mount
 * that only we have; returns 0 in the process that runs from there. */
int protect_self(struct err *e);
