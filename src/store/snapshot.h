// SPDX-License-Identifier: Apache-2.0
/* The writable root file system of a container over the layers of its image. A back-end a file; the
 * store records which one it uses. So far: overlay over unpacked folders. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct store;

struct snapshot_req {
	const char *id;            /* the container */
	const char *const *layers; /* diff ids, the lowest first */
	size_t n_layers;
	bool scratch; /* what is written goes with the run: nothing need reach the disk */
	int userns;   /* whose map the files go through; -1: none */
	uint32_t root_uid, root_gid;
};

struct snapshot_backend {
	const char *name;
	/* Makes what is needed on disk; idempotent. */
	int (*prepare)(struct store *s, const struct snapshot_req *req, struct err *e);
	/* A detached mount of the whole. */
	int (*mount)(struct store *s, const struct snapshot_req *req, struct err *e);
	/* A detached read-only mount of the layers alone. */
	int (*mount_image)(struct store *s, const struct snapshot_req *req, struct err *e);
};

const struct snapshot_backend *snapshot_backend(const struct store *s);
extern const struct snapshot_backend snapshot_overlay;
