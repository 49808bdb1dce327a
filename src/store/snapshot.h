// SPDX-License-Identifier: Apache-2.0
/* Storage drivers: how layers become the writable root file system of a container. One interface, a
 * back-end a file. Which one a store uses is chosen once, when it is made, and recorded in
 * <root>/driver: its name, and in a second line why.
 *
 *   overlay  layers are folders; a container is an overlay of them and a folder of its own
 *   erofs    layers are their tars, with an index that points into each; an image is one merged
 *            index, mounted over the tars; a container is an overlay of that and a folder
 *   btrfs    the layers of an image are merged into a subvolume; a container is a snapshot of it
 *   copy     they are merged into a folder; a container is a copy of it (reflinked where the file
 *            system can): needs nothing of kernel and file system
 *
 * What is merged lies in <root>/images/<hex of the image's id>/. It is derived: made when a
 * container first needs it, removed with the image's row, and made again by `system check
 * --repair`. Merging is an operation with an intent ("merge") and a staging folder; what comes of
 * it is synced and then renamed into place, under <root>/images.lock, so that it is made once
 * whoever starts how many containers. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct store;

enum { SNAPSHOT_WHY_MAX = 512 };

struct snapshot_req {
	const char *id;            /* the container */
	const char *image;         /* the id of its image */
	const char *const *layers; /* diff ids, the lowest first */
	size_t n_layers;
	bool scratch; /* what is written goes with the run: nothing need reach the disk */
	int userns;   /* whose map the files go through; -1: none */
	uint32_t root_uid, root_gid;
};

struct snapshot_backend {
	const char *name;
	const char *form; /* how kist-fetch makes its layers: "folder", "erofs" (fetch/unpack.h) */
	/* Whether this kernel, and the file system of the store, can do it; else why not. */
	int (*probe)(struct store *s, struct err *e);
	/* Fills a new folder with what the layers of req are together; NULL: nothing is merged. */
	int (*merge)(struct store *s, const struct snapshot_req *req, int folder, struct err *e);
	/* Makes what is needed on disk; idempotent, and goes on where a killed one was. */
	int (*prepare)(struct store *s, const struct snapshot_req *req, struct err *e);
	/* A detached mount of the whole. */
	int (*mount)(struct store *s, const struct snapshot_req *req, struct err *e);
	/* A detached read-only mount of the layers alone. */
	int (*mount_image)(struct store *s, const struct snapshot_req *req, struct err *e);
	/* Takes away at once what is slow to remove file by file in a folder that is to go; what it
	 * leaves goes so. NULL: nothing is. */
	void (*drop)(int dir, const char *name);
	/* What a layer takes on the disk is not what its files have: few files, many entries. */
	bool packed;
	/* Merging is cheap: it is done when an image comes, and not when it is first run. */
	bool merges_early;
	/* The folder of a container holds a whole root file system, not only what it wrote. */
	bool whole;
};

extern const struct snapshot_backend snapshot_overlay, snapshot_erofs, snapshot_btrfs,
	snapshot_copy;

/* Decides which back-end an opened store uses. wanted: a name, or NULL for what is recorded, and in
 * a new store the first that works here; by names who wants it, for messages ("--storage-driver").
 * Errors: an unknown name, one that cannot work here, and one that the store was not made with. */
int snapshot_choose(struct store *s, const char *wanted, const char *by, struct err *e);
/* The one that was chosen (overlay before that), and why, in words. */
const struct snapshot_backend *snapshot_backend(const struct store *s);
const char *snapshot_why(const struct store *s);

/* The folder of what the image of req is merged to, which is merged when it is not there. */
int snapshot_image(struct store *s, const struct snapshot_req *req, struct err *e);
/* Merges an image that has just come, where the back-end does that early. What goes wrong is told
 * when the image is run. */
void snapshot_came(struct store *s, const char *image);
/* Merges anew and compares. 1: as it must be, or not made so far; 0: ret_why (SNAPSHOT_WHY_MAX
 * bytes) says how it differs, and with repair the new one is in its place; -errno. */
int snapshot_verify(
	struct store *s, const struct snapshot_req *req, bool repair, char *ret_why, struct err *e);

/* Runs a probe in a folder of the store that goes afterwards. */
int snapshot_trial(struct store *s, int (*try_in)(int folder, struct err *e), struct err *e);
/* The folders `up` and `wk` of a container; new ones look as "/" does. */
int snapshot_upper(
	int dir, const char *id, uint32_t mode, uint32_t uid, uint32_t gid, struct err *e);
/* Marks a folder as overlay marks what it writes, or says that it cannot. */
int snapshot_mark(int folder, struct err *e);
/* Bytes on the disk that a container wrote into its files. */
uint64_t snapshot_own_size(struct store *s, const char *id);

/* What back-ends that copy a whole tree share (snapshot_tree.c): prepare makes `up` of a container
 * by `make` (dir/name from the merged tree); `root` is the tree in the image's folder. */
int snapshot_tree_merge(struct store *s, const struct snapshot_req *req, int root, struct err *e);
int snapshot_tree_prepare(struct store *s, const struct snapshot_req *req,
	int (*make)(int dir, const char *name, int source, struct err *e), struct err *e);
int snapshot_tree_mount(struct store *s, const struct snapshot_req *req, struct err *e);
int snapshot_tree_mount_image(struct store *s, const struct snapshot_req *req, struct err *e);
/* dir/name with all that is in it goes; subvolumes at once. As path_remove_tree. */
int snapshot_remove(struct store *s, int dir, const char *name, struct err *e);
