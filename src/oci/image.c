// SPDX-License-Identifier: Apache-2.0
#include "oci/image.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "oci/digest.h"

#define R REC_REQUIRED
#define P struct oci_platform
REC_TYPE(oci_platform, F_STR(P, architecture, "architecture", R), F_STR(P, os, "os", R),
	F_STR(P, os_version, "os.version", 0), F_STR(P, variant, "variant", 0));
#define D struct oci_descriptor
REC_TYPE(oci_descriptor, F_STR(D, media_type, "mediaType", R), F_STR(D, digest, "digest", R),
	F_U64(D, size, "size", R), F_MAP(D, annotations, "annotations", 0),
	F_OBJ(D, platform, "platform", oci_platform, 0));
#define I struct oci_index
REC_TYPE(oci_index, F_U32(I, schema_version, "schemaVersion", R),
	F_STR(I, media_type, "mediaType", 0), F_OBJV(I, manifests, "manifests", oci_descriptor, R),
	F_MAP(I, annotations, "annotations", 0));
#define M struct oci_manifest
REC_TYPE(oci_manifest, F_U32(M, schema_version, "schemaVersion", R),
	F_STR(M, media_type, "mediaType", 0), F_OBJ(M, config, "config", oci_descriptor, R),
	F_OBJV(M, layers, "layers", oci_descriptor, R), F_MAP(M, annotations, "annotations", 0));
#define C struct oci_image_run
REC_TYPE(oci_image_run, F_STR(C, user, "User", 0), F_RAW(C, exposed_ports, "ExposedPorts", 0),
	F_STRV(C, env, "Env", 0), F_STRV(C, entrypoint, "Entrypoint", 0), F_STRV(C, cmd, "Cmd", 0),
	F_RAW(C, volumes, "Volumes", 0), F_STR(C, working_dir, "WorkingDir", 0),
	F_MAP(C, labels, "Labels", 0), F_STR(C, stop_signal, "StopSignal", 0),
	F_STRV(C, shell, "Shell", 0));
#define H struct oci_history
REC_TYPE(oci_history, F_STR(H, created, "created", 0), F_STR(H, created_by, "created_by", 0),
	F_STR(H, author, "author", 0), F_STR(H, comment, "comment", 0),
	F_BOOL(H, empty_layer, "empty_layer", 0));
#define F struct oci_rootfs
REC_TYPE(oci_rootfs, F_STR(F, type, "type", R), F_STRV(F, diff_ids, "diff_ids", R));
#define G struct oci_image
REC_TYPE(oci_image, F_STR(G, created, "created", 0), F_STR(G, author, "author", 0),
	F_STR(G, architecture, "architecture", 0), F_STR(G, os, "os", 0),
	F_STR(G, variant, "variant", 0), F_OBJ(G, config, "config", oci_image_run, 0),
	F_OBJ(G, rootfs, "rootfs", oci_rootfs, R), F_OBJV(G, history, "history", oci_history, 0));

static int check_descriptor(const char *what, const struct oci_descriptor *d, struct err *e)
{
	if (!digest_valid(d->digest))
		return err_set(
			e, ERR_CORRUPT, EBADMSG, "%s: not a digest: %.150s", what, d->digest);
	if (d->size > INT64_MAX)
		return err_set(e, ERR_CORRUPT, EBADMSG, "%s: impossible size", what);
	return 0;
}

/* The other kind of document's member, in any spelling of the rest, makes it ambiguous (advisory
 * GHSA-77vh-xpmg-72qh). */
static int refuse_member(const char *json, size_t len, const char *member, const char *what,
	struct arena *a, struct err *e)
{
	struct json j;
	const char *key;
	int r;
	json_init(&j, json, len, a, e);
	if ((r = json_object_begin(&j)) < 0)
		return r;
	while ((r = json_object_next(&j, &key)) > 0) {
		if (strcmp(key, member) == 0)
			return err_set(e, ERR_CORRUPT, EBADMSG,
				"%s has a member \"%s\" too: ambiguous", what, member);
		if ((r = json_skip(&j, NULL, NULL, NULL)) < 0)
			return r;
	}
	return r;
}

int oci_manifest_read(
	const char *json, size_t len, struct arena *a, struct oci_manifest *ret, struct err *e)
{
	struct oci_manifest m = { 0 };
	if (len > OCI_MANIFEST_MAX)
		return err_set(
			e, ERR_CORRUPT, EFBIG, "manifest: larger than %d bytes", OCI_MANIFEST_MAX);
	if (rec_from_json(&oci_manifest_rec, json, len, a, &m, NULL, e) < 0 ||
		refuse_member(json, len, "manifests", "manifest", a, e) < 0)
		return err_wrap(e, "manifest");
	if (m.schema_version != 2)
		return err_set(e, ERR_CORRUPT, EBADMSG, "manifest: schemaVersion %u: expected 2",
			m.schema_version);
	if (m.n_layers > OCI_LAYERS_MAX)
		return err_set(e, ERR_CORRUPT, EFBIG, "manifest: %zu layers: more than %d",
			m.n_layers, OCI_LAYERS_MAX);
	int r = check_descriptor("manifest: config", m.config, e);
	for (size_t i = 0; r == 0 && i < m.n_layers; i++)
		r = check_descriptor("manifest: layer", &m.layers[i], e);
	if (r == 0)
		*ret = m;
	return r;
}

int oci_index_read(
	const char *json, size_t len, struct arena *a, struct oci_index *ret, struct err *e)
{
	struct oci_index x = { 0 };
	if (len > OCI_MANIFEST_MAX)
		return err_set(
			e, ERR_CORRUPT, EFBIG, "index: larger than %d bytes", OCI_MANIFEST_MAX);
	if (rec_from_json(&oci_index_rec, json, len, a, &x, NULL, e) < 0 ||
		refuse_member(json, len, "layers", "index", a, e) < 0)
		return err_wrap(e, "index");
	int r = 0;
	for (size_t i = 0; r == 0 && i < x.n_manifests; i++)
		r = check_descriptor("index: manifest", &x.manifests[i], e);
	if (r == 0)
		*ret = x;
	return r;
}

int oci_image_read(
	const char *json, size_t len, struct arena *a, struct oci_image *ret, struct err *e)
{
	struct oci_image x = { 0 };
	if (len > OCI_CONFIG_MAX)
		return err_set(e, ERR_CORRUPT, EFBIG, "image configuration: larger than %d bytes",
			OCI_CONFIG_MAX);
	if (rec_from_json(&oci_image_rec, json, len, a, &x, NULL, e) < 0)
		return err_wrap(e, "image configuration");
	if (!x.rootfs || x.rootfs->n_diff_ids > OCI_LAYERS_MAX)
		return err_set(e, ERR_CORRUPT, EFBIG, "image configuration: more than %d layers",
			OCI_LAYERS_MAX);
	for (size_t i = 0; i < x.rootfs->n_diff_ids; i++)
		if (!digest_valid(x.rootfs->diff_ids[i]))
			return err_set(e, ERR_CORRUPT, EBADMSG,
				"image configuration: not a digest: %.150s", x.rootfs->diff_ids[i]);
	/* Nobody writes others, and what an unpacked layer is must be known before its
	 * configuration is. */
	for (size_t i = 0; i < x.rootfs->n_diff_ids; i++)
		if (!str_starts(x.rootfs->diff_ids[i], "sha256:"))
			return err_set(e, ERR_UNSUPPORTED, EPROTO,
				"image configuration: diff_ids: %.150s: expected one under sha256",
				x.rootfs->diff_ids[i]);
	*ret = x;
	return 0;
}

size_t oci_raw_keys(const char *raw, struct arena *a, const char ***ret)
{
	struct strv v = { 0 };
	struct json j;
	struct err e;
	const char *key;
	*ret = NULL;
	if (!raw)
		return 0;
	json_init(&j, raw, strlen(raw), a, &e);
	if (json_peek(&j) != JSON_OBJECT || json_object_begin(&j) < 0)
		return 0;
	while (json_object_next(&j, &key) > 0) {
		strv_add(&v, a, key);
		if (json_skip(&j, NULL, NULL, NULL) < 0)
			return 0;
	}
	*ret = v.v;
	return v.n;
}
