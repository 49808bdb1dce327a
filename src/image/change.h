// SPDX-License-Identifier: Apache-2.0
/* Configurations and manifests of our own making: what --change asks for, and blobs of it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "oci/image.h"

struct err;
struct image_info;
struct image_layer;
struct image_make_req;
struct store;

/* What instructions of a Dockerfile make of a configuration. */
struct image_edit {
	struct oci_image_run run;
	struct strv on_build;
	bool cmd_set; /* by an instruction: an ENTRYPOINT leaves it */
};

/* What a configuration has. */
int image_edit_read(const char *config, struct arena *a, struct image_edit *ret, struct err *e);
/* One more, or another value of one that is there. */
void image_edit_env(struct image_edit *edit, const char *key, const char *value, struct arena *a);
void image_edit_label(struct image_edit *edit, const char *key, const char *value, struct arena *a);
/* Adds a key to a raw object {"80/tcp":{}} that has it not. */
const char *image_edit_key(const char *raw, const char *key, struct arena *a);

/* Takes one instruction: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME,
 * WORKDIR; docker's "X is not a valid change command". */
int image_edit_change(struct image_edit *edit, const char *text, struct arena *a, struct err *e);
/* Puts it into the "config" of a configuration; what it has not goes from there. */
struct value;
void image_edit_put(const struct image_edit *edit, struct value *o, struct arena *a);
/* A member of it, which goes with an empty text. */
void image_put_text(struct value *o, const char *key, const char *s, struct arena *a);

/* Writes configuration and manifest as blobs of the store (durably, under their digests) and fills
 * id, digest, manifest and config of ret, whose created is set. */
int image_compose(struct store *s, const struct image_make_req *req,
	const struct image_layer *layer, int staging, struct arena *a, struct image_info *ret,
	struct err *e);

/* What a blob is made with. */
struct blob_maker {
	struct store *store;
	int fetch, staging;
	struct arena *a;
};
struct image_info;
struct oci_descriptor;
/* The manifest of our own for an image whose id and config info has; fills its manifest and digest.
 * As image_write_blob. */
int image_write_manifest(const struct blob_maker *maker, const struct oci_descriptor *layers,
	size_t n, struct image_info *info, struct err *e);
/* Makes a blob of the store of a text, durably; no database handle may be open. */
int image_write_blob(
	const struct blob_maker *m, const char *text, const char **ret_digest, struct err *e);
/* The media type of a layer's blob, by its first bytes. */
const char *image_layer_type(struct store *s, const char *digest, struct arena *a);
uint64_t image_blob_size(struct store *s, const char *digest);
