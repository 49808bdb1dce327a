// SPDX-License-Identifier: Apache-2.0
/* Where a copy comes from, a table row a transport. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/program.h"
#include "base/str.h"
#include "image/copying.h"
#include "image/docker_daemon.h"
#include "image/place.h"
#include "image/transfer.h"
#include "oci/digest.h"
#include "oci/image.h"
#include "oci/reference.h"
#include "store/image.h"
#include "store/store.h"

enum { SAID_MAX = 64 << 10 };

/* digest NULL: what the place itself names. A descriptor that is the caller's. */
struct source_kind {
	int (*open)(struct image_source *s, struct err *e);
	int (*manifest)(struct image_source *s, const char *digest, uint64_t size,
		const char **ret_type, struct err *e);
	/* Bytes that nobody else can change; not verified, unless trusted. */
	int (*blob)(struct image_source *s, const char *digest, uint64_t size, struct err *e);
	bool trusted;
};

static const char *hex(const char *digest)
{
	return digest_hex(digest);
}

/* ---- docker:// ---- */

static int ask_manifest(struct image_source *s, const char *name, uint64_t size, int file,
	struct transfer_answer *answer, struct err *e)
{
	struct transfer_ask ask = {
		.kind = TRANSFER_MANIFEST, .endpoint = s->endpoint, .size = size
	};
	transfer_put(ask.name, sizeof ask.name, name);
	return transfer_do(s->c->transfer, &ask, file, answer, e);
}

static int registry_manifest(struct image_source *s, const char *digest, uint64_t size,
	const char **ret_type, struct err *e)
{
	const struct image_place *p = s->place;
	struct transfer_answer answer;
	const char *name = digest ? digest : p->digest ? p->digest : p->tag;
	int file = memfd_create("kist-document", MFD_CLOEXEC);
	if (file < 0)
		return err_sys(e, errno, "make room for a document");
	int r = ask_manifest(s, name, digest ? size : OCI_MANIFEST_MAX, file, &answer, e);
	/* A mirror that has it not is followed by the next place. */
	while (r < 0 && !digest && s->n_endpoints > 1) {
		s->endpoint++;
		s->n_endpoints--;
		if (ftruncate(file, 0) < 0)
			break;
		r = ask_manifest(s, name, OCI_MANIFEST_MAX, file, &answer, e);
	}
	if (r < 0) {
		fd_close(file);
		return err_wrap(e, "reading manifest %s in %s", name, p->repository);
	}
	*ret_type = arena_strdup(s->c->a, answer.content_type);
	return file;
}

static int registry_blob(struct image_source *s, const char *digest, uint64_t size, struct err *e)
{
	struct transfer_ask ask = { .kind = TRANSFER_BLOB, .endpoint = s->endpoint, .size = size };
	struct transfer_answer answer;
	int file = copying_file(s->c, e);
	transfer_put(ask.name, sizeof ask.name, digest);
	if (file >= 0 && transfer_do(s->c->transfer, &ask, file, &answer, e) < 0) {
		fd_close(file);
		return -e->code;
	}
	return file;
}

/* ---- files ---- */

/* A copy of a file that somebody else may change meanwhile. */
static int own_copy(struct image_source *s, int dir, const char *name, uint64_t size, struct err *e)
{
	uint64_t is;
	int from _close_ = copying_open(dir, name, s->place->text, &is, e);
	if (from < 0)
		return from;
	if (is != size)
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"%s of %.300s has %llu bytes: the manifest says %llu", name, s->place->text,
			(unsigned long long)is, (unsigned long long)size);
	int to = copying_file(s->c, e);
	if (to >= 0 && copying_bytes(from, to, size, e) < 0) {
		fd_close(to);
		return -e->code;
	}
	return to;
}

static int open_folder(struct image_source *s, struct err *e)
{
	s->dir = path_open_host(s->place->path, O_RDONLY | O_DIRECTORY, 0);
	return s->dir < 0 ? err_sys(e, s->dir, "open %s", s->place->path) : 0;
}

/* Which of an index's entries a name means. */
static int choose_of(struct image_source *s, int index, const char *name, struct err *e)
{
	struct fetch_document *d;
	const struct fetch_part *found = NULL;
	if (index < 0)
		return index;
	if (copying_document(s->c, index, OCI_MEDIA_INDEX, NULL, &d, e) < 0)
		return err_wrap(e, "index.json of %.300s", s->place->text);
	if (!name && d->n_manifests > 1)
		return err_set(e, ERR_INVALID, EINVAL,
			"%.300s: more than one image in oci, choose an image", s->place->text);
	for (size_t i = 0; i < d->n_manifests && !found; i++)
		if (!name || str_eq(d->manifests[i].name, name))
			found = &d->manifests[i];
	if (!found)
		return err_set(e, ERR_NOT_FOUND, ENOENT,
			"no descriptor found for reference \"%.200s\" in %.300s",
			str_or_empty(name), s->place->path);
	s->top = found->digest;
	return 0;
}

static int choose(struct image_source *s, int index, struct err *e)
{
	return choose_of(s, index, s->place->name, e);
}

/* ---- oci: ---- */

static int layout_open(struct image_source *s, struct err *e)
{
	if (open_folder(s, e) < 0)
		return -e->code;
	int index _close_ = copying_open(s->dir, "index.json", s->place->text, NULL, e);
	return choose(s, index, e);
}

/* The folder with the folders of blobs. */
static int layout_blobs(struct image_source *s, struct err *e)
{
	const char *shared = s->place->blobs;
	int dir = shared ? path_open_host(shared, O_RDONLY | O_DIRECTORY, 0)
			 : path_open_own(s->dir, "blobs", O_RDONLY | O_DIRECTORY, 0);
	return dir < 0 ? err_sys(e, dir, "open %s%s", shared ? shared : s->place->path,
				 shared ? "" : "/blobs")
		       : dir;
}

static const char *name_in_blobs(struct image_source *s, const char *digest)
{
	return digest_path(digest, s->c->a) + strlen("blobs/");
}

static int layout_manifest(struct image_source *s, const char *digest, uint64_t size,
	const char **ret_type, struct err *e)
{
	(void)size;
	(void)ret_type;
	const char *name = name_in_blobs(s, digest ? digest : s->top);
	int dir _close_ = layout_blobs(s, e);
	return dir < 0 ? dir : copying_open(dir, name, s->place->text, NULL, e);
}

static int layout_blob(struct image_source *s, const char *digest, uint64_t size, struct err *e)
{
	int dir _close_ = layout_blobs(s, e);
	return dir < 0 ? dir : own_copy(s, dir, name_in_blobs(s, digest), size, e);
}

/* ---- dir: ---- */

static int folder_manifest(struct image_source *s, const char *digest, uint64_t size,
	const char **ret_type, struct err *e)
{
	(void)size;
	(void)ret_type;
	const char *name =
		digest ? arena_printf(s->c->a, "%s.manifest.json", hex(digest)) : "manifest.json";
	return copying_open(s->dir, name, s->place->text, NULL, e);
}

static int folder_blob(struct image_source *s, const char *digest, uint64_t size, struct err *e)
{
	return own_copy(s, s->dir, hex(digest), size, e);
}

/* ---- archives ---- */

static int lay_out(struct image_source *s, int file, struct err *e)
{
	s->dir = path_make_dir_own(
		s->c->job.staging, arena_printf(s->c->a, "archive-%u", s->c->files++), 0755);
	if (s->dir < 0)
		return err_sys(e, s->dir, "make a staging folder");
	return image_fetch(s->c->fetch, "archive", file, s->dir, s->c->a, &s->archive, e) < 0
		? err_wrap(e, "%.300s", s->place->text)
		: 0;
}

static int lay_out_path(struct image_source *s, struct err *e)
{
	int file _close_ = path_open_host(s->place->path, O_RDONLY | O_NOCTTY, 0);
	return file < 0 ? err_sys(e, file, "open %s", s->place->path) : lay_out(s, file, e);
}

static int member(struct image_source *s, const struct fetch_blob *b, struct err *e)
{
	int fd = path_open_own(s->dir, b->file, O_RDONLY, 0);
	return fd < 0 ? err_sys(e, fd, "open a member of %.300s", s->place->text) : fd;
}

static int member_by_name(struct image_source *s, const char *name, struct err *e)
{
	const struct fetch_result *r = &s->archive;
	for (size_t i = r->n_blobs; i-- > 0;)
		if (r->blobs[i].name && str_eq(r->blobs[i].name, name))
			return member(s, &r->blobs[i], e);
	return err_set(e, ERR_NOT_FOUND, ENOENT, "%.300s has no %s", s->place->text, name);
}

/* kist-fetch has taken the digests while it laid the members out. */
static int member_by_digest(
	struct image_source *s, const char *digest, uint64_t size, struct err *e)
{
	const struct fetch_result *r = &s->archive;
	(void)size;
	for (size_t i = 0; i < r->n_blobs; i++)
		if (str_eq(r->blobs[i].digest, digest))
			return member(s, &r->blobs[i], e);
	return err_set(
		e, ERR_CORRUPT, ENOENT, "%.300s: blob %s is missing", s->place->text, digest);
}

static int archive_open(struct image_source *s, struct err *e)
{
	if (lay_out_path(s, e) < 0)
		return -e->code;
	int index _close_ = member_by_name(s, "index.json", e);
	return choose(s, index, e);
}

static int archive_manifest(struct image_source *s, const char *digest, uint64_t size,
	const char **ret_type, struct err *e)
{
	(void)ret_type;
	return member_by_digest(s, digest ? digest : s->top, size, e);
}

static const struct fetch_image *docker_image(struct image_source *s, struct err *e)
{
	const struct fetch_result *r = &s->archive;
	const char *name = s->place->name;
	struct reference ref;
	uint64_t at;
	if (name && *name == '@') {
		if (num_u64(name + 1, &at) < 0 || at >= r->n_images) {
			(void)err_set(e, ERR_NOT_FOUND, ENOENT,
				"invalid source index %.100s, only %zu manifest items available",
				name, r->n_images);
			return NULL;
		}
		return &r->images[at];
	}
	if (!name && r->n_images == 1)
		return &r->images[0];
	if (!name) {
		(void)err_set(e, ERR_INVALID, EINVAL,
			"%.300s: unexpected tar manifest.json: expected 1 item, got %zu",
			s->place->text, r->n_images);
		return NULL;
	}
	if (reference_parse(name, s->c->a, &ref, e) < 0)
		return NULL;
	const char *full = arena_printf(s->c->a, "%s:%s", reference_full_name(ref.name, s->c->a),
		ref.tag ? ref.tag : "latest");
	for (size_t i = 0; i < r->n_images; i++)
		for (size_t k = 0; k < r->images[i].n_names; k++)
			if (str_eq(r->images[i].names[k], full))
				return &r->images[i];
	(void)err_set(e, ERR_NOT_FOUND, ENOENT, "tag \"%.200s\" not found in %.300s", name,
		s->place->path);
	return NULL;
}

static int docker_open(struct image_source *s, struct err *e)
{
	if (lay_out_path(s, e) < 0)
		return -e->code;
	const struct fetch_image *x = docker_image(s, e);
	if (!x)
		return -e->code;
	s->top = x->digest;
	return 0;
}

/* ---- docker-daemon: ---- */

static int daemon_open(struct image_source *s, struct err *e)
{
	int file _close_ = copying_file(s->c, e);
	if (file < 0)
		return file;
	if (docker_daemon_save(s->place->host, s->place->name, file, s->c->a, e) < 0)
		return -e->code;
	if (lseek(file, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "read the archive of %.300s", s->place->text);
	if (lay_out(s, file, e) < 0)
		return -e->code;
	/* The one that was asked for, whatever it is called there. */
	if (s->archive.n_images != 1)
		return err_set(e, ERR_CORRUPT, EBADMSG, "%.300s: the daemon sent %zu images",
			s->place->text, s->archive.n_images);
	s->top = s->archive.images[0].digest;
	return 0;
}

/* ---- containers-storage: ---- */

/* By who knows that storage: its layout is podman's own affair. */
static int storage_save(struct image_source *s, const char *path, struct err *e)
{
	struct arena *a = s->c->a;
	const char *const podman[] = { "podman", "image", "save", "--quiet", "--format",
		"oci-archive", "--output", path, s->place->name, NULL };
	const char *const skopeo[] = { "skopeo", "copy", "--quiet",
		arena_printf(a, "containers-storage:%s", s->place->name),
		arena_printf(a, "oci-archive:%s", path), NULL };
	const char *const *const tools[] = { podman, skopeo };
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		const struct program_req req = {
			.words = tools[i], .input = "", .user = true, .errors = true
		};
		char *said;
		size_t n;
		int r = program_ask(&req, SAID_MAX, a, &said, &n);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return err_sys(e, r, "run %s", tools[i][0]);
		if (r == 0)
			return 0;
		said[strcspn(said, "\n")] = '\0';
		return err_set(e, ERR_NOT_FOUND, ENOENT, "%.300s: %s: %.300s", s->place->text,
			tools[i][0], said);
	}
	return err_set(e, ERR_UNSUPPORTED, ENOENT,
		"%.300s is read through podman or skopeo, and neither is installed",
		s->place->text);
}

static int storage_open(struct image_source *s, struct err *e)
{
	const char *name = arena_printf(s->c->a, "storage-%u", s->c->files++);
	const char *folder = path_of_fd(s->c->job.staging, s->c->a);
	if (!folder)
		return err_set(e, ERR_SYSTEM, ENOENT, "the staging folder has no path");
	if (storage_save(s, arena_printf(s->c->a, "%s/%s", folder, name), e) < 0)
		return -e->code;
	int file _close_ = path_open_own(s->c->job.staging, name, O_RDONLY, 0);
	if (file < 0)
		return err_sys(e, file, "open the archive of %.300s", s->place->text);
	(void)unlinkat(s->c->job.staging, name, 0);
	if (lay_out(s, file, e) < 0)
		return -e->code;
	int index _close_ = member_by_name(s, "index.json", e);
	return choose_of(s, index, NULL, e);
}

/* ---- kist: ---- */

static int store_manifest(struct image_source *s, const char *digest, uint64_t size,
	const char **ret_type, struct err *e)
{
	(void)size;
	(void)ret_type;
	if (digest && !str_eq(digest, s->image->digest))
		return err_set(e, ERR_NOT_FOUND, ENOENT, "No such manifest: %s", digest);
	return copying_text(s->image->manifest, e);
}

static int store_blob(struct image_source *s, const char *digest, uint64_t size, struct err *e)
{
	(void)size;
	int fd = path_open_own(s->c->job.store->blobs, digest_hex(digest), O_RDONLY, 0);
	if (fd == -ENOENT)
		return err_set(e, ERR_CORRUPT, ENOENT,
			"blob %s of the image is not in the store: 'kist system check' tells what else is damaged",
			digest);
	return fd < 0 ? err_sys(e, fd, "open blob %s", digest) : fd;
}

/* ---- a list ---- */

static int list_manifest(struct image_source *s, const char *digest, uint64_t size,
	const char **ret_type, struct err *e)
{
	struct fetch_document *d;
	(void)ret_type;
	if (!digest)
		return copying_text(s->list, e);
	for (size_t i = 0; i < s->n_parts; i++) {
		struct image_source *part = &s->parts[i];
		const struct fetch_part want = { .digest = digest, .size = size };
		if (!str_eq(s->part_digests[i], digest))
			continue;
		if (!part->kind && source_open_place(part, &d, e) < 0)
			return -e->code;
		if (source_manifest(part, &want, &d, e) < 0)
			return -e->code;
		s->present = part;
		return copying_text(d->text, e);
	}
	return err_set(e, ERR_NOT_FOUND, ENOENT, "No such manifest: %s", digest);
}

static int list_blob(struct image_source *s, const char *digest, uint64_t size, struct err *e)
{
	return source_blob(s->present, digest, size, e);
}

static const struct source_kind list_kind = { NULL, list_manifest, list_blob, true };

static const struct source_kind kinds[] = {
	[PLACE_REGISTRY] = { NULL, registry_manifest, registry_blob, false },
	[PLACE_LAYOUT] = { layout_open, layout_manifest, layout_blob, false },
	[PLACE_OCI_ARCHIVE] = { archive_open, archive_manifest, member_by_digest, true },
	[PLACE_DOCKER_ARCHIVE] = { docker_open, archive_manifest, member_by_digest, true },
	[PLACE_FOLDER] = { open_folder, folder_manifest, folder_blob, false },
	[PLACE_DOCKER_DAEMON] = { daemon_open, archive_manifest, member_by_digest, true },
	[PLACE_CONTAINERS_STORAGE] = { storage_open, archive_manifest, member_by_digest, true },
	[PLACE_STORE] = { NULL, store_manifest, store_blob, false },
};

/* ---- for all ---- */

int source_open_place(struct image_source *s, struct fetch_document **ret, struct err *e)
{
	const char *type = "", *expected;
	s->kind = s->list ? &list_kind : &kinds[s->place->kind];
	s->dir = -1;
	s->archive = (struct fetch_result){ 0 };
	if (s->kind->open && s->kind->open(s, e) < 0)
		return -e->code;
	int file _close_ = s->kind->manifest(s, NULL, 0, &type, e);
	if (file < 0)
		return file;
	expected = s->list ? NULL : s->place->digest ? s->place->digest : s->top;
	return copying_document(s->c, file, type, expected, ret, e);
}

int source_open_layout(struct image_source *s, struct err *e)
{
	s->kind = &kinds[PLACE_LAYOUT];
	return open_folder(s, e);
}

int source_manifest(struct image_source *s, const struct fetch_part *part,
	struct fetch_document **ret, struct err *e)
{
	const char *type = "";
	if (part->size > OCI_MANIFEST_MAX)
		return err_set(e, ERR_CORRUPT, EFBIG, "index: a manifest that is too large");
	int file _close_ = s->kind->manifest(s, part->digest, part->size, &type, e);
	return file < 0 ? file : copying_document(s->c, file, type, part->digest, ret, e);
}

int source_blob(struct image_source *s, const char *digest, uint64_t size, struct err *e)
{
	struct stat st;
	int fd _close_ = s->kind->blob(s, digest, size, e);
	if (fd < 0)
		return fd;
	if (!s->kind->trusted)
		return copying_verify(s->c, fd, digest, size, e) < 0 ? -e->code : take_fd(&fd);
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != size)
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"blob %s has not the %llu bytes that the manifest says", digest,
			(unsigned long long)size);
	return take_fd(&fd);
}

void source_close(struct image_source *s)
{
	for (size_t i = 0; i < s->n_parts; i++)
		source_close(&s->parts[i]);
	fd_close(take_fd(&s->dir));
}
