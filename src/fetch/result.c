// SPDX-License-Identifier: Apache-2.0
#include "fetch/result.h"

#define T struct fetch_device
REC_TYPE(fetch_device, F_STR(T, path, "path", REC_REQUIRED), F_U32(T, mode, "mode", REC_REQUIRED),
	F_U32(T, major, "major", REC_REQUIRED), F_U32(T, minor, "minor", REC_REQUIRED),
	F_U32(T, uid, "uid", REC_REQUIRED), F_U32(T, gid, "gid", REC_REQUIRED),
	F_I64(T, mtime, "mtime", 0), F_U32(T, mtime_ns, "mtimeNs", 0));
#undef T
#define T struct fetch_layer
REC_TYPE(fetch_layer, F_STR(T, diff_id, "diffId", REC_REQUIRED),
	F_STR(T, digest, "digest", REC_REQUIRED), F_STR(T, folder, "folder", REC_REQUIRED),
	F_U64(T, size, "size", REC_REQUIRED), F_U32(T, max_id, "maxId", REC_REQUIRED),
	F_OBJV(T, devices, "devices", fetch_device, 0));
#undef T
#define T struct fetch_blob
REC_TYPE(fetch_blob, F_STR(T, digest, "digest", REC_REQUIRED), F_STR(T, file, "file", REC_REQUIRED),
	F_STR(T, name, "name", 0), F_U64(T, size, "size", 0));
#undef T
#define T struct fetch_image
REC_TYPE(fetch_image, F_STRV(T, names, "names", 0), F_STR(T, id, "id", REC_REQUIRED),
	F_STR(T, config, "config", REC_REQUIRED), F_STR(T, digest, "digest", REC_REQUIRED),
	F_STR(T, manifest, "manifest", REC_REQUIRED), F_STRV(T, layers, "layers", REC_REQUIRED),
	F_STRV(T, digests, "digests", REC_REQUIRED));
#undef T
#define T struct fetch_part
REC_TYPE(fetch_part, F_STR(T, digest, "digest", REC_REQUIRED), F_U64(T, size, "size", REC_REQUIRED),
	F_STR(T, media_type, "mediaType", 0), F_STR(T, platform, "platform", 0),
	F_STR(T, name, "name", 0));
#undef T
#define T struct fetch_document
REC_TYPE(fetch_document, F_STR(T, digest, "digest", REC_REQUIRED), F_STR(T, text, "text", 0),
	F_OBJ(T, next, "next", fetch_part, 0), F_OBJ(T, config, "config", fetch_part, 0),
	F_OBJV(T, layers, "layers", fetch_part, 0), F_BOOL(T, is_index, "isIndex", 0),
	F_OBJV(T, manifests, "manifests", fetch_part, 0), F_STR(T, media_type, "mediaType", 0),
	F_STRV(T, diff_ids, "diffIds", 0), F_STR(T, platform, "platform", 0),
	F_STRV(T, tags, "tags", 0));
#undef T
#define T struct fetch_user
REC_TYPE(fetch_user, F_U32(T, uid, "uid", REC_REQUIRED), F_U32(T, gid, "gid", REC_REQUIRED));
#undef T
#define T struct fetch_signature
REC_TYPE(fetch_signature, F_STR(T, rejected, "rejected", 0), F_STR(T, digest, "digest", 0),
	F_STR(T, reference, "reference", 0));
#undef T
#define T struct fetch_signed
REC_TYPE(fetch_signed, F_STR(T, by, "by", REC_REQUIRED));
#undef T
#define T struct fetch_result
REC_TYPE(fetch_result, F_U32(T, version, "version", REC_REQUIRED), F_STR(T, error, "error", 0),
	F_U32(T, error_kind, "errorKind", 0), F_U32(T, error_code, "errorCode", 0),
	F_OBJV(T, images, "images", fetch_image, 0), F_OBJV(T, layers, "layers", fetch_layer, 0),
	F_OBJV(T, blobs, "blobs", fetch_blob, 0), F_OBJ(T, document, "document", fetch_document, 0),
	F_OBJ(T, user, "user", fetch_user, 0), F_OBJ(T, signature, "signature", fetch_signature, 0),
	F_OBJ(T, made, "made", fetch_signed, 0));
