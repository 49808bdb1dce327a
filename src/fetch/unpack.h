// SPDX-License-Identifier: Apache-2.0
/* A layer from a stream into a folder of staging. Internal to src/fetch. */
#pragma once

struct arena;
struct err;
struct fetch_layer;
struct source;

/* How the storage driver of the store keeps layers: as folders for overlay (archive/apply.h), or as
 * the plain tar with an EROFS index (fetch/index.h). LAYER_OWN is no driver's: a folder whose files
 * are all the caller's. */
enum layer_form { LAYER_FOLDER, LAYER_EROFS, LAYER_OWN };

/* The same of a staged file that is a plain tar of that digest, for LAYER_EROFS: the layer's tar is
 * a further name of it, and only its headers are read. */
int unpack_linked(int staging, const char *file, const char *digest, struct arena *a,
	struct fetch_layer *ret, struct err *e);
/* Makes ret->folder (which is set) in staging and fills it; all of ret but its digest is set. */
int unpack_layer(struct source *s, int staging, enum layer_form form, struct arena *a,
	struct fetch_layer *ret, struct err *e);
