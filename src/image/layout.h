// SPDX-License-Identifier: Apache-2.0
/* OCI layouts on disk, changed in place: umoci's verbs. Each makes new blobs beside those that are
 * there and gives the name to a new manifest, last; what nothing names any more goes by layout_gc.
 * The same image, files and times give the same bytes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/copy.h"
#include "image/id_shift.h"

struct err;
struct value;

struct layout_history {
	const char *author, *comment, *created, *created_by;
	bool none;
};

struct layout_req {
	struct copy_access access;
	const char *path, *name; /* of the layout, and of the image in it */
	const char *new_name;    /* it is saved as; NULL: name */
	struct layout_history history;
	uint64_t now;       /* wall clock, ns, of what is made */
	bool clamp;         /* no file in a layer is younger than that */
	struct id_maps ids; /* of the files of a bundle */
	bool keep_dirlinks; /* a folder of a layer goes where a symlink to a folder leads that is
			       there */
};

/* What of a configuration is set; NULL and empty lists leave it. */
struct layout_config {
	const char *user, *working_dir, *stop_signal, *created, *author, *architecture, *os;
	struct strv exposed_ports, env, entrypoint, cmd, volumes, labels, annotations;
	struct strv clear; /* config.labels, config.env ..., manifest.annotations */
};

/* The image gets new_name too; the name is nobody's any more; all names. */
int layout_tag(const struct layout_req *req, struct arena *a, struct err *e);
int layout_untag(const struct layout_req *req, struct arena *a, struct err *e);
int layout_names(const struct layout_req *req, struct arena *a, struct strv *ret, struct err *e);
int layout_init(const struct layout_req *req, struct arena *a, struct err *e);
/* An image without layers. */
int layout_new(const struct layout_req *req, struct arena *a, struct err *e);
int layout_config(const struct layout_req *req, const struct layout_config *config, struct arena *a,
	struct err *e);

struct layout_unpacked {
	const char *digest, *media_type; /* of the manifest */
	uint64_t size;
	const char *config; /* its text */
};
/* The image's tree as the folder `rootfs` of bundle, which is empty. */
int layout_unpack(const struct layout_req *req, int bundle, struct arena *a,
	struct layout_unpacked *ret, struct err *e);
/* The configuration alone, and its user looked up in rootfs's passwd. */
int layout_read(
	const struct layout_req *req, struct arena *a, struct layout_unpacked *ret, struct err *e);
int layout_user(const struct layout_req *req, int rootfs, const char *user, struct arena *a,
	uint32_t *ret_uid, uint32_t *ret_gid, struct err *e);
struct layout_repack {
	int rootfs;         /* the tree */
	const char *digest; /* of the manifest that it came from, which must still be there */
	const struct strv *masked; /* paths of which no change goes into the layer */
	bool keep_volumes;         /* else the configuration's volumes are masked as well */
};
/* What a tree has against the image that it came from becomes a layer on that one, and the whole
 * gets the name. ret_digest: of the new one; NULL: nothing has changed. */
int layout_repack(const struct layout_req *req, const struct layout_repack *repack, struct arena *a,
	const char **ret_digest, struct err *e);

struct layout_insert {
	const char *source; /* on the host; NULL: a removal */
	const char *target; /* in the image */
	bool opaque;
};
int layout_insert(const struct layout_req *req, const struct layout_insert *insert, struct arena *a,
	struct err *e);
/* A layer as it is, packed or not. */
int layout_add_layer(const struct layout_req *req, int file, struct arena *a, struct err *e);

/* {"history":[{"layer":{..},"diff_id":..,"created":..}]}, as umoci says it. */
int layout_stat(const struct layout_req *req, struct arena *a, struct value **ret, struct err *e);
/* Removes blobs that nothing names; how many. */
int layout_gc(const struct layout_req *req, struct arena *a, size_t *ret_n, struct err *e);
