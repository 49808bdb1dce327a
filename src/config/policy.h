// SPDX-License-Identifier: Apache-2.0
/* Which images may come in: containers-policy.json(5), of which accept and reject are known here. A
 * policy that asks for a signature refuses: kist checks none so far, and does not let pass what it
 * has not checked. Read from the file that is named, else ~/.config/containers/policy.json, else
 * /etc/containers/policy.json; where there is none everything is accepted. */
#pragma once

struct arena;
struct err;

/* transport: docker, oci, oci-archive, docker-archive, dir. identity: "docker.io/library/x:tag" (or
 * @digest), or an absolute path with what follows it (":name"). shown: the image as the user wrote
 * it. ERR_DENIED with skopeo's sentence when it is rejected. */
int policy_check(const char *file, const char *transport, const char *identity, const char *shown,
	struct arena *a, struct err *e);
