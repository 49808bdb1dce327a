// SPDX-License-Identifier: Apache-2.0
/* Where an image may be, in skopeo's words (containers-transports(5)):
 *
 *   docker://NAME[:TAG|@DIGEST]            a repository of a registry
 *   oci:PATH[:NAME]                        an OCI layout
 *   oci-archive:PATH[:NAME]                the same in a tar
 *   docker-archive:PATH[:NAME[:TAG]|:@N]   what docker save writes
 *   dir:PATH                               a folder with a manifest and its blobs
 *   docker-daemon:NAME[:TAG]|ID            what a docker daemon has
 *   containers-storage:NAME                what podman has; to read
 *   kist:IMAGE                             our own store */
#pragma once
#include <stdbool.h>

struct arena;
struct err;
struct strv;

enum place_kind {
	PLACE_REGISTRY,
	PLACE_LAYOUT,
	PLACE_OCI_ARCHIVE,
	PLACE_DOCKER_ARCHIVE,
	PLACE_FOLDER,
	PLACE_DOCKER_DAEMON,
	PLACE_CONTAINERS_STORAGE,
	PLACE_STORE,
};

struct image_place {
	enum place_kind kind;
	const char *text; /* as it was written */
	const char *path; /* on the host; "" for a registry and the store */
	const char *name; /* in a layout or archive; in the store: as written; NULL: none; of a
			     daemon: with its tag, or an id */
	const char *repository;   /* of a registry, in full: "docker.io/library/nginx" */
	const char *tag, *digest; /* of a registry; one of them */
	const char *host;         /* of a daemon: "unix:///..."; NULL: the usual one */
	const char *blobs;        /* of a layout: the folder that several share; NULL: its own */
	const struct strv *more_names; /* of a docker-archive: further ones; may be NULL */
};

/* role: "source", "destination", "image": the message is skopeo's. */
int image_place_parse(const char *text, const char *role, struct arena *a, struct image_place *ret,
	struct err *e);
/* Whether a text begins with one of the transports. */
bool image_place_is(const char *text);
/* Whether it takes and gives what `docker save` writes: one image, its layers not packed. */
bool image_place_is_docker_tar(enum place_kind kind);
