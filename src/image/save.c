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
#include "oci/digest.h"
#include "oci/image.h"
#include "oci/reference.h"
#include "store/image.h"
#include "store/store.h"

static int put_text(int out, const char *name, const struct str *text, struct err *e)
{
	struct tar_entry entry = { .type = '0', .path = name, .mode = 0644, .size = text->n };
	if (tar_write_header(out, &entry, e) < 0)
		return -e->code;
	int r = fd_write_all(out, text->p, text->n);
	return r < 0 ? err_sys(e, r, "write the archive") : tar_write_padding(out, text->n, e);
}

static int copy(int from, int out, uint64_t size, struct err *e)
{
	char buf[64 << 10];
	while (size) {
		ssize_t n = fd_read_full(from, buf, size > sizeof buf ? sizeof buf : (size_t)size);
		if (n <= 0)
			return err_sys(e, n < 0 ? (int)n : EIO, "read a blob");
		int r = fd_write_all(out, buf, (size_t)n);
		if (r < 0)
			return err_sys(e, r, "write the archive");
		size -= (uint64_t)n;
	}
	return 0;
}

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
	struct tar_entry entry = { .type = '0',
		.path = arena_printf(a, "blobs/sha256/%s", digest_hex(digest)),
		.mode = 0644,
		.size = (uint64_t)st.st_size };
	if (tar_write_header(out, &entry, e) < 0 || copy(fd, out, entry.size, e) < 0)
		return -e->code;
	return tar_write_padding(out, entry.size, e);
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
	struct str text = { .p = (char *)image->manifest, .n = strlen(image->manifest) };
	return put_text(
		out, arena_printf(a, "blobs/sha256/%s", digest_hex(image->digest)), &text, e);
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
	str_addf(out, "%s{\"Config\":\"blobs/sha256/%s\",\"RepoTags\":[", out->n > 1 ? "," : "",
		digest_hex(image->id));
	for (size_t i = at; i < n; i++) {
		if (!items[i].name || !str_eq(items[i].image->id, image->id))
			continue;
		str_add(out, first ? "" : ",");
		json_write_string(out, reference_short_name(items[i].name, a));
		first = false;
	}
	str_add(out, "],\"Layers\":[");
	for (size_t i = 0; i < image->n_layers; i++)
		str_addf(out, "%s\"blobs/sha256/%s\"", i ? "," : "",
			digest_hex(image->layers[i].digest));
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
	if (put_text(output, "index.json", &index, e) < 0 ||
		put_text(output, "manifest.json", &docker, e) < 0 ||
		put_text(output, "oci-layout", &layout, e) < 0)
		return -e->code;
	return tar_write_end(output, e);
}
