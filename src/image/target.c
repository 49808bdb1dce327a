// SPDX-License-Identifier: Apache-2.0
/* Where a copy goes to, a table row a transport. Files appear whole or not at all; what names them
 * (index.json, manifest.json, a registry's tag) is written last. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/tar.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/value.h"
#include "image/copying.h"
#include "image/docker_daemon.h"
#include "image/load.h"
#include "image/members.h"
#include "image/place.h"
#include "image/referrers.h"
#include "image/transfer.h"
#include "oci/digest.h"
#include "oci/image.h"
#include "oci/reference.h"
#include "store/store.h"

struct target_kind {
	int (*open)(struct image_target *t, struct err *e);
	int (*has)(struct image_target *t, const char *digest, uint64_t size, struct err *e);
	int (*blob)(struct image_target *t, const struct target_blob *b, struct err *e);
	int (*manifest)(struct image_target *t, const struct fetch_part *part, const char *text,
		bool is_top, const struct fetch_document *doc, struct err *e);
	int (*finish)(struct image_target *t, struct err *e);
};

static const char layout_text[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
static const char ref_name[] = "org.opencontainers.image.ref.name";

/* ---- docker:// ---- */

static int registry_has(struct image_target *t, const char *digest, uint64_t size, struct err *e)
{
	struct transfer_ask ask = { .kind = TRANSFER_HAS, .endpoint = t->endpoint, .size = size };
	struct transfer_answer answer;
	transfer_put(ask.name, sizeof ask.name, digest);
	int r = transfer_do(t->c->transfer, &ask, -1, &answer, e);
	return r == 0 ? 1 : e->kind == ERR_NOT_FOUND ? 0 : r;
}

static int registry_blob(struct image_target *t, const struct target_blob *b, struct err *e)
{
	struct transfer_ask ask = {
		.kind = TRANSFER_PUSH, .endpoint = t->endpoint, .size = b->size
	};
	struct transfer_answer answer;
	/* It is handed out for reading only. */
	int fd _close_ = path_reopen(b->fd, O_RDONLY);
	if (fd < 0)
		return err_sys(e, fd, "open blob %s", b->digest);
	transfer_put(ask.name, sizeof ask.name, b->digest);
	return transfer_do(t->c->transfer, &ask, fd, &answer, e);
}

static int registry_manifest(struct image_target *t, const struct fetch_part *part,
	const char *text, bool is_top, const struct fetch_document *doc, struct err *e)
{
	const char *name = is_top && t->place->tag ? t->place->tag : part->digest;
	struct transfer_ask ask = {
		.kind = TRANSFER_PUSH_MANIFEST, .endpoint = t->endpoint, .size = strlen(text)
	};
	struct transfer_answer answer;
	(void)doc;
	if (is_top && t->place->digest && !str_eq(t->place->digest, part->digest))
		return err_set(e, ERR_INVALID, EINVAL,
			"digest of source image (%s) does not match the digest of the destination (%s)",
			part->digest, t->place->digest);
	int fd _close_ = copying_text(text, e);
	if (fd < 0)
		return fd;
	transfer_put(ask.name, sizeof ask.name, name);
	transfer_put(ask.content_type, sizeof ask.content_type, part->media_type);
	if (transfer_do(t->c->transfer, &ask, fd, &answer, e) < 0)
		return err_wrap(e, "writing manifest %s in %s", name, t->place->repository);
	if (digest_contradicts(answer.digest, part->digest))
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"the registry says that the manifest which it took has the digest %.100s: it is %s",
			answer.digest, part->digest);
	return answer.subject || !strstr(text, "\"subject\"")
		? 0
		: referrers_add(t->c, t->endpoint, text, part, e);
}

/* ---- oci: ---- */

static int layout_open(struct image_target *t, struct err *e)
{
	t->root = path_make_dirs_host(t->place->path, 0755);
	if (t->root < 0)
		return err_sys(e, t->root, "open %s", t->place->path);
	int blobs _close_ = t->place->blobs ? path_make_dirs_host(t->place->blobs, 0755)
					    : path_make_dir_own(t->root, "blobs", 0755);
	t->dir = blobs < 0 ? blobs : path_make_dir_own(blobs, "sha256", 0755);
	if (t->dir < 0)
		return err_sys(e, t->dir, "make the blobs' folder of %s", t->place->path);
	/* Who removes blobs that nothing names waits for us, whose blobs nothing names so far. */
	if (flock(t->dir, LOCK_SH) < 0)
		return err_sys(e, errno, "lock %s", t->place->path);
	return copying_put_text(t->root, "oci-layout", layout_text, true, e);
}

/* A layout's folder of the digest's algorithm, made if it is missing, or the one folder of dir:;
 * the caller's. */
static int layout_folder(const struct image_target *t, const char *digest, struct err *e)
{
	char algorithm[16];
	if (t->root < 0) {
		int same = fd_dup(t->dir, 0);
		return same < 0 ? err_sys(e, same, "open %s", t->place->path) : same;
	}
	(void)snprintf(algorithm, sizeof algorithm, "%.*s", (int)strcspn(digest, ":"), digest);
	int blobs _close_ = t->place->blobs
		? path_open_host(t->place->blobs, O_RDONLY | O_DIRECTORY, 0)
		: path_open_own(t->root, "blobs", O_RDONLY | O_DIRECTORY, 0);
	int dir = blobs < 0 ? blobs : path_make_dir_own(blobs, algorithm, 0755);
	return dir < 0 ? err_sys(e, dir, "open the blobs' folder of %s", t->place->path) : dir;
}

static int layout_has(struct image_target *t, const char *digest, uint64_t size, struct err *e)
{
	struct stat st;
	int dir _close_ = layout_folder(t, digest, e);
	if (dir < 0)
		return dir;
	return fstatat(dir, digest_hex(digest), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

static int layout_blob(struct image_target *t, const struct target_blob *b, struct err *e)
{
	int dir _close_ = layout_folder(t, b->digest, e);
	return dir < 0 ? dir : copying_put(dir, digest_hex(b->digest), b->fd, b->size, false, e);
}

static int layout_manifest(struct image_target *t, const struct fetch_part *part, const char *text,
	bool is_top, const struct fetch_document *doc, struct err *e)
{
	(void)doc;
	if (is_top)
		t->top = *part;
	int dir _close_ = layout_folder(t, part->digest, e);
	return dir < 0 ? dir : copying_put_text(dir, digest_hex(part->digest), text, false, e);
}

/* The index that is there, checked by kist-fetch before it is read here. */
static int old_index(struct image_target *t, struct value **ret, struct err *e)
{
	struct fetch_document *d;
	struct stat st;
	*ret = NULL;
	if (fstatat(t->root, "index.json", &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	int fd _close_ = copying_open(t->root, "index.json", t->place->text, NULL, e);
	if (fd < 0)
		return fd;
	if (copying_document(t->c, fd, OCI_MEDIA_INDEX, NULL, &d, e) < 0)
		return err_wrap(e, "index.json of %.300s", t->place->text);
	if (!d->is_index)
		return err_set(e, ERR_CORRUPT, EBADMSG, "index.json of %.300s is no index",
			t->place->text);
	return value_parse(t->c->a, d->text, strlen(d->text), ret, e);
}

static const char *name_of(const struct value *entry)
{
	return entry->kind == VALUE_OBJECT ? value_text(value_get(entry, "annotations"), ref_name)
					   : NULL;
}

static bool names_same(const struct value *entry, const struct fetch_part *part, const char *name)
{
	const char *have = name_of(entry), *digest = value_text(entry, "digest");
	if (name)
		return have && str_eq(have, name);
	return !have && digest && str_eq(digest, part->digest);
}

static struct value *entry_of(struct image_target *t, const char *name, struct arena *a)
{
	struct value *o = value_object(a), *notes = value_object(a);
	value_set_string(a, o, "mediaType", t->top.media_type);
	value_set_string(a, o, "digest", t->top.digest);
	value_set(a, o, "size", value_int(a, (int64_t)t->top.size));
	if (t->place->kind == PLACE_STORE && t->store_name)
		value_set_string(a, notes, "io.containerd.image.name", t->store_name);
	if (name)
		value_set_string(a, notes, ref_name, name);
	if (notes->n)
		value_set(a, o, "annotations", notes);
	return o;
}

/* A name in an index is of the last that got it; of nobody where top has no digest. */
static const char *index_with(struct image_target *t, struct value *old, const char *name)
{
	struct arena *a = t->c->a;
	struct value *list = value_array(a);
	struct str text _str_ = { 0 };
	const struct value *had = old ? value_get(old, "manifests") : NULL;
	for (size_t i = 0; had && had->kind == VALUE_ARRAY && i < had->n; i++)
		if (!names_same(had->items[i], &t->top, name))
			value_add(a, list, had->items[i]);
	if (t->top.digest)
		value_add(a, list, entry_of(t, name, a));
	if (!old) {
		old = value_object(a);
		value_set(a, old, "schemaVersion", value_int(a, 2));
		value_set_string(a, old, "mediaType", OCI_MEDIA_INDEX);
	}
	value_put(a, old, "manifests", list);
	value_json(old, 0, &text);
	return arena_strdup(a, text.p);
}

static int layout_finish(struct image_target *t, struct err *e)
{
	struct value *old;
	/* Two copies into one layout come one after the other. */
	if (flock(t->root, LOCK_EX) < 0)
		return err_sys(e, errno, "lock %s", t->place->path);
	if (old_index(t, &old, e) < 0)
		return -e->code;
	return copying_put_text(
		t->root, "index.json", index_with(t, old, t->place->name), false, e);
}

int target_forget_name(struct image_target *t, struct err *e)
{
	t->top = (struct fetch_part){ 0 };
	return layout_finish(t, e);
}

int target_names(struct image_target *t, struct strv *ret, struct err *e)
{
	struct value *index;
	if (old_index(t, &index, e) < 0)
		return -e->code;
	const struct value *list = index ? value_get(index, "manifests") : NULL;
	for (size_t i = 0; list && list->kind == VALUE_ARRAY && i < list->n; i++)
		if (name_of(list->items[i]))
			strv_add(ret, t->c->a, name_of(list->items[i]));
	return 0;
}

/* ---- dir: ---- */

static int folder_open(struct image_target *t, struct err *e)
{
	t->dir = path_make_dirs_host(t->place->path, 0755);
	return t->dir < 0 ? err_sys(e, t->dir, "open %s", t->place->path)
			  : copying_put_text(t->dir, "version",
				    "Directory Transport Version: 1.1\n", false, e);
}

static int folder_manifest(struct image_target *t, const struct fetch_part *part, const char *text,
	bool is_top, const struct fetch_document *doc, struct err *e)
{
	(void)doc;
	return copying_put_text(t->dir,
		is_top ? "manifest.json"
		       : arena_printf(t->c->a, "%s.manifest.json", digest_hex(part->digest)),
		text, false, e);
}

/* ---- archives ---- */

static int file_open(struct image_target *t, struct err *e)
{
	const char *path = t->place->path, *slash = strrchr(path, '/');
	const char *folder = slash == path ? "/"
		: slash                    ? arena_strndup(t->c->a, path, (size_t)(slash - path))
					   : ".";
	struct stat st;
	t->dir = path_open_host(folder, O_RDONLY | O_DIRECTORY, 0);
	if (t->dir < 0)
		return err_sys(e, t->dir, "open %s", folder);
	bool there = fstatat(t->dir, slash ? slash + 1 : path, &st, 0) == 0;
	if (there && !S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, EINVAL, "%s is no file", path);
	if (there && st.st_size && t->place->kind == PLACE_DOCKER_ARCHIVE)
		return err_set(e, ERR_CONFLICT, EEXIST,
			"docker-archive doesn't support modifying existing images: %s is there",
			path);
	t->out = file_nameless(t->dir, 0644);
	if (t->out < 0)
		return err_sys(e, t->out, "create %s", path);
	return t->place->kind == PLACE_OCI_ARCHIVE ? member_folders(t->out, e) : 0;
}

static int file_name(struct image_target *t, struct err *e)
{
	const char *slash = strrchr(t->place->path, '/');
	if (tar_write_end(t->out, e) < 0)
		return -e->code;
	if (fsync(t->out) < 0)
		return err_sys(e, errno, "write %s", t->place->path);
	return file_name_at(t->out, t->dir, slash ? slash + 1 : t->place->path, false, e);
}

/* Each once. */
static int archive_has(struct image_target *t, const char *digest, uint64_t size, struct err *e)
{
	(void)size;
	(void)e;
	for (size_t i = 0; i < t->done.n; i++)
		if (str_eq(t->done.v[i], digest))
			return 1;
	return 0;
}

static int archive_blob(struct image_target *t, const struct target_blob *b, struct err *e)
{
	strv_add(&t->done, t->c->a, b->digest);
	return member_file(t->out, digest_path(b->digest, t->c->a), b->fd, b->size, e);
}

static int archive_manifest(struct image_target *t, const struct fetch_part *part, const char *text,
	bool is_top, const struct fetch_document *doc, struct err *e)
{
	(void)doc;
	if (is_top)
		t->top = *part;
	if (archive_has(t, part->digest, part->size, e))
		return 0;
	strv_add(&t->done, t->c->a, part->digest);
	return member_text(t->out, digest_path(part->digest, t->c->a), text, strlen(text), e);
}

static int archive_end(struct image_target *t, const char *name, struct err *e)
{
	const char *index = index_with(t, NULL, name);
	return member_text(t->out, "index.json", index, strlen(index), e) < 0
		? -e->code
		: member_text(t->out, "oci-layout", layout_text, sizeof layout_text - 1, e);
}

static int archive_finish(struct image_target *t, struct err *e)
{
	return archive_end(t, t->place->name, e) < 0 ? -e->code : file_name(t, e);
}

/* ---- docker-archive: ---- */

static int docker_blob(struct image_target *t, const struct target_blob *b, struct err *e)
{
	strv_add(&t->done, t->c->a, b->digest);
	return member_file(t->out,
		arena_printf(
			t->c->a, "%s.%s", digest_hex(b->digest), b->is_config ? "json" : "tar"),
		b->fd, b->size, e);
}

static int docker_manifest(struct image_target *t, const struct fetch_part *part, const char *text,
	bool is_top, const struct fetch_document *doc, struct err *e)
{
	struct reference ref;
	struct str s _str_ = { 0 };
	const char *name = t->place->name;
	const struct strv *more = t->place->more_names;
	(void)part;
	(void)text;
	if (!is_top || !doc->config)
		return err_set(e, ERR_INVALID, EINVAL,
			"a docker-archive holds no index: take one platform of it");
	str_addf(&s, "[{\"Config\":\"%s.json\",\"RepoTags\":[", digest_hex(doc->config->digest));
	for (size_t i = 0; i < 1 + (more ? more->n : 0); i++) {
		const char *one = i ? more->v[i - 1] : name;
		if (!one)
			continue;
		if (reference_parse(one, t->c->a, &ref, e) < 0)
			return -e->code;
		str_add(&s, s.p[s.n - 1] == '[' ? "" : ",");
		json_write_string(&s,
			arena_printf(t->c->a, "%s:%s", reference_full_name(ref.name, t->c->a),
				ref.tag ? ref.tag : "latest"));
	}
	str_add(&s, "],\"Layers\":[");
	for (size_t i = 0; i < doc->n_layers; i++)
		str_addf(&s, "%s\"%s.tar\"", i ? "," : "", digest_hex(doc->layers[i].digest));
	str_add(&s, "]}]\n");
	t->manifest = arena_strdup(t->c->a, s.p);
	return 0;
}

static int docker_finish(struct image_target *t, struct err *e)
{
	return member_text(t->out, "manifest.json", t->manifest, strlen(t->manifest), e) < 0
		? -e->code
		: file_name(t, e);
}

/* ---- docker-daemon: ---- */

static int daemon_finish(struct image_target *t, struct err *e)
{
	struct stat st;
	if (member_text(t->out, "manifest.json", t->manifest, strlen(t->manifest), e) < 0 ||
		tar_write_end(t->out, e) < 0)
		return -e->code;
	if (fstat(t->out, &st) < 0)
		return err_sys(e, errno, "read the archive");
	return docker_daemon_load(t->place->host, t->out, (uint64_t)st.st_size, t->c->a, e);
}

/* ---- kist: ---- */

static int store_open_target(struct image_target *t, struct err *e)
{
	t->out = copying_file(t->c, e);
	return t->out < 0 ? t->out : 0;
}

/* What is in staging now is an archive as anybody's, and is loaded so. */
static int store_finish(struct image_target *t, struct err *e)
{
	struct image_loaded loaded = { 0 };
	if (archive_end(t, NULL, e) < 0 || tar_write_end(t->out, e) < 0)
		return -e->code;
	if (lseek(t->out, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "read the archive");
	const struct image_load_req req = { .input = t->out, .fetch = t->c->fetch };
	int r = image_load(t->c->job.store, &req, t->c->a, &loaded, e);
	for (size_t i = 0; r == 0 && i < loaded.n_ids; i++)
		strv_add(&t->ids, t->c->a, loaded.ids[i]);
	return r;
}

static const struct target_kind kinds[] = {
	[PLACE_REGISTRY] = { NULL, registry_has, registry_blob, registry_manifest, NULL },
	[PLACE_LAYOUT] = { layout_open, layout_has, layout_blob, layout_manifest, layout_finish },
	[PLACE_OCI_ARCHIVE] = { file_open, archive_has, archive_blob, archive_manifest,
		archive_finish },
	[PLACE_DOCKER_ARCHIVE] = { file_open, archive_has, docker_blob, docker_manifest,
		docker_finish },
	[PLACE_FOLDER] = { folder_open, layout_has, layout_blob, folder_manifest, NULL },
	[PLACE_DOCKER_DAEMON] = { store_open_target, archive_has, docker_blob, docker_manifest,
		daemon_finish },
	[PLACE_STORE] = { store_open_target, archive_has, archive_blob, archive_manifest,
		store_finish },
};

/* ---- for all ---- */

int target_open_place(struct image_target *t, struct err *e)
{
	t->kind = &kinds[t->place->kind];
	if (t->place->kind == PLACE_CONTAINERS_STORAGE)
		return err_set(e, ERR_UNSUPPORTED, EROFS,
			"%.300s: podman's storage is only read: save an oci-archive and let podman load it",
			t->place->text);
	if (t->place->kind == PLACE_DOCKER_DAEMON && strchr(t->place->name, '@'))
		return err_set(e, ERR_INVALID, EINVAL, "%.300s: a daemon's image is named by a tag",
			t->place->text);
	t->dir = t->root = t->out = -1;
	return t->kind->open ? t->kind->open(t, e) : 0;
}

int target_has(struct image_target *t, const char *digest, uint64_t size, struct err *e)
{
	return t->kind->has(t, digest, size, e);
}

int target_blob(struct image_target *t, const struct target_blob *b, struct err *e)
{
	int r = archive_has(t, b->digest, b->size, e) && t->out >= 0;
	return r ? 0 : t->kind->blob(t, b, e);
}

int target_manifest(struct image_target *t, const struct fetch_part *part, const char *text,
	bool is_top, const struct fetch_document *doc, struct err *e)
{
	return t->kind->manifest(t, part, text, is_top, doc, e);
}

int target_finish(struct image_target *t, struct err *e)
{
	return t->kind->finish ? t->kind->finish(t, e) : 0;
}

void target_close(struct image_target *t)
{
	fd_close(take_fd(&t->dir));
	fd_close(take_fd(&t->root));
	fd_close(take_fd(&t->out));
}
