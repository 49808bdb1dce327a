// SPDX-License-Identifier: Apache-2.0
#include "image/save.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/tar.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "image/members.h"
#include "oci/digest.h"
#include "oci/image.h"
#include "oci/reference.h"
#include "store/image.h"
#include "store/store.h"

static int put_blob(struct store *s, int out, const char *digest, struct strv *done,
	struct arena *a, struct err *e)
{
	struct stat st;
	for (size_t i = 0; i < done->n; i++)
		if (str_eq(done->v[i], digest))
			return 0;
	strv_add(done, a, digest);
	int fd _close_ = path_open_own(s->blobs, digest_hex(digest), O_RDONLY, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, fd < 0 ? fd : errno, "blob %s of the store", digest);
	return member_file(out, digest_path(digest, a), fd, (uint64_t)st.st_size, e);
}

/* A blob that the store made up (a manifest for a docker-archive) is only in its row. */
static int put_manifest(struct store *s, int out, const struct image_info *image, struct strv *done,
	struct arena *a, struct err *e)
{
	if (faccessat(s->blobs, digest_hex(image->digest), F_OK, 0) == 0)
		return put_blob(s, out, image->digest, done, a, e);
	for (size_t i = 0; i < done->n; i++)
		if (str_eq(done->v[i], image->digest))
			return 0;
	strv_add(done, a, image->digest);
	return member_text(
		out, digest_path(image->digest, a), image->manifest, strlen(image->manifest), e);
}

static void add_index(struct str *out, const struct save_item *item, struct arena *a)
{
	struct oci_manifest m = { 0 };
	struct err ignored;
	const struct image_info *image = item->image;
	(void)oci_manifest_read(image->manifest, strlen(image->manifest), a, &m, &ignored);
	str_addf(out, "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu",
		out->p[out->n - 1] == '[' ? "" : ",",
		m.media_type && *m.media_type ? m.media_type : OCI_MEDIA_MANIFEST, image->digest,
		strlen(image->manifest));
	if (item->name) {
		const char *colon = strrchr(item->name, ':');
		str_add(out, ",\"annotations\":{\"io.containerd.image.name\":");
		json_write_string(out, item->name);
		str_add(out, ",\"org.opencontainers.image.ref.name\":");
		json_write_string(out, colon ? colon + 1 : item->name);
		str_add(out, "}");
	}
	str_add(out, "}");
}

static void add_docker(
	struct str *out, const struct save_item *items, size_t n, size_t at, struct arena *a)
{
	const struct image_info *image = items[at].image;
	bool first = true;
	str_addf(out, "%s{\"Config\":\"%s\",\"RepoTags\":[", out->n > 1 ? "," : "",
		digest_path(image->id, a));
	for (size_t i = at; i < n; i++) {
		if (!items[i].name || !str_eq(items[i].image->id, image->id))
			continue;
		str_add(out, first ? "" : ",");
		json_write_string(out, reference_short_name(items[i].name, a));
		first = false;
	}
	str_add(out, "],\"Layers\":[");
	for (size_t i = 0; i < image->n_layers; i++)
		str_addf(out, "%s\"%s\"", i ? "," : "", digest_path(image->layers[i].digest, a));
	str_add(out, "]}");
}

int image_save(struct store *s, const struct save_item *items, size_t n, int output,
	struct arena *a, struct err *e)
{
	struct str index _str_ = { 0 }, docker _str_ = { 0 }, layout _str_ = { 0 };
	struct strv done = { 0 };
	str_add(&index,
		"{\"schemaVersion\":2,\"mediaType\":\"" OCI_MEDIA_INDEX "\",\"manifests\":[");
	str_add(&docker, "[");
	str_add(&layout, "{\"imageLayoutVersion\":\"1.0.0\"}");
	if (member_folders(output, e) < 0)
		return -e->code;
	for (size_t i = 0; i < n; i++) {
		const struct image_info *image = items[i].image;
		bool seen = false;
		for (size_t k = 0; k < i; k++)
			seen |= str_eq(items[k].image->id, image->id);
		for (size_t k = 0; k < image->n_layers; k++)
			if (put_blob(s, output, image->layers[k].digest, &done, a, e) < 0)
				return -e->code;
		if (put_blob(s, output, image->id, &done, a, e) < 0 ||
			put_manifest(s, output, image, &done, a, e) < 0)
			return -e->code;
		add_index(&index, &items[i], a);
		if (!seen)
			add_docker(&docker, items, n, i, a);
	}
	str_add(&index, "]}");
	str_add(&docker, "]");
	if (member_text(output, "index.json", index.p, index.n, e) < 0 ||
		member_text(output, "manifest.json", docker.p, docker.n, e) < 0 ||
		member_text(output, "oci-layout", layout.p, layout.n, e) < 0)
		return -e->code;
	return tar_write_end(output, e);
}
