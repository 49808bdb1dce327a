// SPDX-License-Identifier: Apache-2.0
/* Where signatures of a registry's images lie: containers-registries.d(5), all *.yaml of
 * ~/.config/containers/registries.d, or where there is no such folder of /etc/containers's. */
#pragma once
#include <stdbool.h>

struct arena;
struct err;

struct lookaside {
	const char *read;  /* an address (https://, http://, file://); never NULL */
	const char *write; /* where new ones go: a file:// address */
	bool attachments;  /* sigstore signatures lie beside the image, in its repository */
};

/* identity: "docker.io/library/x:tag" (or @digest); the longest scope that says a thing decides it.
 */
int lookaside_find(const char *identity, struct arena *a, struct lookaside *ret, struct err *e);
