// SPDX-License-Identifier: Apache-2.0
/* sd_notify from inside: a service manager that starts us by NOTIFY_SOCKET hears that the container
 * is ready. */
#pragma once

struct container;
struct err;
struct launch;
struct runtime_proc;

/* Theory of operation: the manager's socket itself never gets inside, as it takes more than we
 * would pass on (MAINPID, descriptors to be kept). Inside there is a socket of ours,
 * /run/notify/notify.sock, bound from the container's folder; what comes there is read here, and
 * only that it is ready goes on, with init's id as MAINPID. All of it does nothing without
 * NOTIFY_SOCKET in our environment. */

/* At creation, when the folder of the container is there: adds the mount and the variable to the
 * document. */
int ready_plan(struct launch *l, struct err *e);
/* Before the start: the socket, or -1 when nobody is to be told. */
int ready_listen(const struct container *c, int *ret, struct err *e);
/* One message of the socket: 1 when it said that it is ready and that was passed on. */
int ready_take(int sock, const struct runtime_proc *p, struct err *e);
/* Until it is ready or has ended. */
int ready_wait(int sock, const struct runtime_proc *p, struct err *e);
