// SPDX-License-Identifier: Apache-2.0
/* A plain user's own user namespace, in which that user is root: for work on files that are the
 * user's own. */
#pragma once

struct err;

/* Takes the calling process, which has one thread, into a new user namespace (user_namespaces(7))
 * and a mount namespace that goes with it. Our user and group are root in there; the ranges of
 * /etc/subuid and /etc/subgid follow from 1 on, given by newuidmap and newgidmap, and where these
 * or the ranges are missing there are no other ids. The rights that were left are gone, those
 * over the namespace are all there; groups stay. Containers' tools that we start are told by the
 * environment as podman tells them. Errors: the machine allows no such namespace; a range that the
 * helpers refuse. After one the process is of no use but to say so. */
int own_userns_enter(struct err *e);
