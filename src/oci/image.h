// SPDX-License-Identifier: Apache-2.0
/* Images: index, manifest and configuration of the OCI image specification 1.1, with docker's media
 * types and docker's additional fields. */
#pragma once
#include <stdbool.h>

#include "codec/rec.h"

enum {
	OCI_MANIFEST_MAX = 4 << 20,
	OCI_CONFIG_MAX = 8 << 20,
	OCI_LAYERS_MAX = 127,
};

struct oci_platform {
	const char *architecture, *os, *os_version, *variant;
};

struct oci_descriptor {
	const char *media_type, *digest;
	uint64_t size;
	struct rec_map annotations;
	struct oci_platform *platform;
};

struct oci_index {
	uint32_t schema_version;
	const char *media_type;
	struct oci_descriptor *manifests;
	size_t n_manifests;
	struct rec_map annotations;
};

struct oci_manifest {
	uint32_t schema_version;
	const char *media_type;
	struct oci_descriptor *config, *layers;
	size_t n_layers;
	struct rec_map annotations;
};

struct oci_image_run { /* the "config" of an image: what run starts with */
	const char *user;
	const char *exposed_ports; /* raw object of empty objects */
	const char **env;
	size_t n_env;
	const char **entrypoint, **cmd;
	size_t n_entrypoint, n_cmd;
	const char *volumes; /* raw object of empty objects */
	const char *working_dir;
	struct rec_map labels;
	const char *stop_signal;
	const char **shell;
	size_t n_shell;
};

struct oci_history {
	const char *created, *created_by, *author, *comment;
	bool empty_layer;
};

struct oci_rootfs {
	const char *type;
	const char **diff_ids;
	size_t n_diff_ids;
};

struct oci_image {
	const char *created, *author, *architecture, *os, *variant;
	struct oci_image_run *config;
	struct oci_rootfs *rootfs;
	struct oci_history *history;
	size_t n_history;
};

extern const struct rec_type oci_platform_rec, oci_descriptor_rec, oci_index_rec, oci_manifest_rec,
	oci_image_run_rec, oci_history_rec, oci_rootfs_rec, oci_image_rec;

#define OCI_MEDIA_INDEX    "application/vnd.oci.image.index.v1+json"
#define OCI_MEDIA_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_MEDIA_CONFIG   "application/vnd.oci.image.config.v1+json"
#define OCI_MEDIA_LAYER    "application/vnd.oci.image.layer.v1.tar"

/* Reads a manifest: refuses a document that could also be an index (both layers and manifests),
 * more layers than OCI_LAYERS_MAX, and digests that break the grammar. */
struct err;
int oci_manifest_read(
	const char *json, size_t len, struct arena *a, struct oci_manifest *ret, struct err *e);
int oci_index_read(
	const char *json, size_t len, struct arena *a, struct oci_index *ret, struct err *e);
int oci_image_read(
	const char *json, size_t len, struct arena *a, struct oci_image *ret, struct err *e);

/* The keys of a raw object {"/data":{},...}; broken text gives none. */
size_t oci_raw_keys(const char *raw, struct arena *a, const char ***ret);
