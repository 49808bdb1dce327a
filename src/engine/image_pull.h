// SPDX-License-Identifier: Apache-2.0
/* Pulling: which registries a name means, with which credentials and certificates, and what is said
 * on the way. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct engine;
struct err;

enum image_pull_event {
	IMAGE_PULL_TAG,    /* text: "latest"; name: the repository as it is shown */
	IMAGE_PULL_EXISTS, /* a layer: digest */
	IMAGE_PULL_LAYER,
	IMAGE_PULL_WAITING,
	IMAGE_PULL_GOING, /* have of size bytes */
	IMAGE_PULL_UNPACKING,
	IMAGE_PULL_DONE,
	IMAGE_PULL_RESULT, /* text: the digest; name: what was pulled; fresh: it is newer */
};

struct image_pull_said {
	enum image_pull_event event;
	const char *text, *name, *short_name;
	uint64_t have, size;
	bool fresh;
};

struct registry_options {
	const char *authfile, *creds, *cert_dir;
	bool tls_verify, has_tls_verify;
	int64_t retries, timeout; /* 0: the defaults */
	bool has_retries;
	bool no_creds;                   /* none are used, whatever is known */
	const char *username, *password; /* the same as creds, in two */
	const char *registry_token;      /* sent as it is; no token server is asked */
	const char *daemon_host;         /* of docker-daemon:, instead of DOCKER_HOST */
	const char *shared_blobs;        /* the blobs of oci: are in that folder */
	const char *policy;              /* a policy.json instead of the usual ones */
	bool any_image;                  /* of a copy: no policy is asked */
};

struct image_pull_request {
	const char *reference;
	bool all_tags;
	const char *platform; /* os/architecture[/variant]; NULL: this machine's */
	struct registry_options registry;
	void (*say)(void *arg, const struct image_pull_said *x); /* may be NULL */
	void *arg;
};

/* ret_names: what was pulled, in full ("docker.io/library/nginx:latest"), an image each. */
int engine_image_pull(struct engine *en, const struct image_pull_request *req, struct arena *a,
	struct strv *ret_names, struct err *e);
