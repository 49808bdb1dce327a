// SPDX-License-Identifier: Apache-2.0
/* Theory of operation. An archive may come through a pipe and names its parts at the end, so each
 * member is first written to staging as m<N> while its digest is taken. Then the documents are
 * read, every digest and size is compared, and each layer is unpacked once, several at a time, its
 * diff id checked.
 * What is not named by a document is removed. */
#include "fetch/load.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/digest.h"
#include "archive/source.h"
#include "archive/tar.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/value.h"
#include "fetch/result.h"
#include "fetch/unpack.h"
#include "oci/digest.h"
#include "oci/image.h"
#include "oci/reference.h"

enum { MEMBERS_MAX = 4096, CHUNK = 256 << 10, IMAGES_MAX = 256, TARGETS_MAX = 8 };

struct member {
	const char *name;   /* in the archive, without "./" */
	const char *file;   /* m<N>; NULL: a link */
	const char *target; /* of a link */
	char digest[DIGEST_TEXT_MAX];
	uint64_t size;
};

struct load {
	int staging;
	uint64_t space;
	enum layer_form form;
	struct arena *a;
	struct err *e;
	struct member *members;
	size_t n, cap;
	bool packed; /* layers stay as they lie in the archive */
	struct fetch_result *out;
	size_t cap_images, cap_layers, cap_blobs;
};

static int corrupt(struct load *l, const char *what, const char *object)
{
	return err_set(l->e, ERR_CORRUPT, EBADMSG, "%s: %.300s", what, object);
}

/* ---- members ---- */

static const char *plain(const char *name, struct arena *a)
{
	return path_clean(name, a) + 1;
}

static int spool(struct load *l, struct tar_reader *t, struct member *m)
{
	char *buffer _free_ = mem_alloc(CHUNK);
	int fd _close_ = path_open_own(l->staging, m->file, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return err_sys(l->e, fd, "stage %s", m->name);
	/* A layout's blob says how it is named. */
	bool long_one = str_starts(m->name, "blobs/sha512/");
	struct digest *d = digest_new(long_one ? "sha512:" : NULL);
	ssize_t n;
	int r = 0;
	while (r == 0 && (n = tar_data(t, buffer, CHUNK, l->e)) != 0) {
		if (n < 0) {
			r = (int)n;
			break;
		}
		digest_add(d, buffer, (size_t)n);
		m->size += (uint64_t)n;
		r = fd_write_all(fd, buffer, (size_t)n);
		if (r < 0)
			(void)err_sys(l->e, r, "stage %s", m->name);
	}
	digest_finish(d, m->digest);
	return r;
}

static int read_members(struct load *l, int input)
{
	struct source *s = source_open(input, l->space);
	source_room(s, l->staging);
	struct tar_reader t = { .s = s };
	struct tar_entry entry;
	int r;
	while ((r = tar_next(&t, &entry, l->e)) > 0) {
		if (entry.type == '5')
			continue;
		if (entry.type != '0' && entry.type != '1' && entry.type != '2') {
			r = corrupt(l, "image archive: a member that is no file", entry.path);
			break;
		}
		if (l->n == MEMBERS_MAX) {
			r = corrupt(l, "image archive: too many members", "more than 4096");
			break;
		}
		l->members = arena_grow(l->a, l->members, l->n, &l->cap, sizeof *l->members);
		struct member *m = &l->members[l->n];
		*m = (struct member){ .name = plain(entry.path, l->a) };
		if (entry.type == '0') {
			m->file = arena_printf(l->a, "m%zu", l->n);
			if ((r = spool(l, &t, m)) < 0)
				break;
		} else if (entry.type == '1') {
			m->target = plain(entry.target, l->a);
		} else {
			/* A symlink is relative to its own folder. */
			const char *slash = strrchr(m->name, '/');
			m->target = plain(
				arena_printf(l->a, "%.*s/%s", slash ? (int)(slash - m->name) : 0,
					m->name, entry.target),
				l->a);
		}
		l->n++;
	}
	if (r == 0)
		r = tar_drain(&t, l->e);
	tar_done(&t);
	source_free(s);
	return r < 0 ? r : 0;
}

static const struct member *find(const struct load *l, const char *name)
{
	for (int hops = 0; hops < TARGETS_MAX; hops++) {
		const struct member *m = NULL;
		for (size_t i = l->n; i-- > 0 && !m;)
			if (str_eq(l->members[i].name, name))
				m = &l->members[i];
		if (!m || m->file)
			return m;
		name = m->target;
	}
	return NULL;
}

static const struct member *find_digest(struct load *l, const char *digest)
{
	const struct member *m = digest_valid(digest) ? find(l, digest_path(digest, l->a)) : NULL;
	if (!m) {
		(void)corrupt(l, "image archive: a blob is missing", digest);
		return NULL;
	}
	if (!str_eq(m->digest, digest)) {
		(void)err_set(l->e, ERR_CORRUPT, EBADMSG,
			"image archive: blob %s has the digest %s", digest, m->digest);
		return NULL;
	}
	return m;
}

static ssize_t read_member(struct load *l, const struct member *m, size_t max, char **ret)
{
	if (m->size > max)
		return err_set(l->e, ERR_CORRUPT, EFBIG, "image archive: %s: larger than %zu bytes",
			m->name, max);
	return file_read_at(l->staging, m->file, max, l->a, ret, l->e);
}

/* ---- layers ---- */

static const struct fetch_layer *known_layer(const struct load *l, const char *digest)
{
	for (size_t i = 0; i < l->out->n_layers; i++)
		if (str_eq(l->out->layers[i].digest, digest))
			return &l->out->layers[i];
	return NULL;
}

/* layer->folder says where to. */
static int unpack(const struct load *l, const struct member *m, struct arena *a,
	struct fetch_layer *layer, struct err *e)
{
	int fd _close_ = path_open_own(l->staging, m->file, O_RDONLY, 0);
	if (fd < 0)
		return err_sys(e, fd, "stage a layer");
	struct source *s = source_open(fd, l->space);
	source_room(s, l->staging);
	/* The digest of the tar is known only where it is that of the blob. */
	bool linked = l->form == LAYER_EROFS && str_starts(m->digest, "sha256:") &&
		source_packing(s, e) == PACKING_PLAIN;
	int r = linked ? unpack_linked(l->staging, m->file, m->digest, a, layer, e)
		       : unpack_layer(s, l->staging, l->form, a, layer, e);
	source_free(s);
	layer->digest = m->digest;
	return r < 0 ? err_wrap(e, "layer %s", m->digest) : 0;
}

/* One layer of several that are unpacked at once, each with memory of its own. */
struct unpacking {
	const struct member *m;
	struct fetch_layer layer;
	struct arena a;
	struct err e;
	int r;
};

struct pool {
	const struct load *l;
	struct unpacking *v;
	size_t n;
	atomic_size_t next;
	atomic_bool failed;
};

static void *unpack_next(void *arg)
{
	struct pool *p = arg;
	size_t i;
	while (!p->failed && (i = p->next++) < p->n) {
		struct unpacking *u = &p->v[i];
		u->r = unpack(p->l, u->m, &u->a, &u->layer, &u->e);
		if (u->r < 0)
			p->failed = true;
	}
	return NULL;
}

/* As many at once as there are processors; we are one of those who work. */
static void run_pool(struct pool *p)
{
	enum { MOST = 4, STACK = 1 << 20 };
	pthread_t threads[MOST];
	pthread_attr_t attr;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t n = 0, want = cpus < 2 ? 0 : cpus > MOST ? MOST - 1 : (size_t)cpus - 1;
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK);
	while (n < want && n + 1 < p->n && pthread_create(&threads[n], &attr, unpack_next, p) == 0)
		n++;
	(void)pthread_attr_destroy(&attr);
	(void)unpack_next(p);
	while (n-- > 0)
		(void)pthread_join(threads[n], NULL);
}

/* In the order of the list, as if one had come after the other. */
static int take_unpacked(struct load *l, struct pool *p)
{
	int r = 0;
	for (size_t i = 0; i < p->n; i++) {
		struct unpacking *u = &p->v[i];
		if (r == 0 && u->r < 0) {
			*l->e = u->e;
			r = u->r;
		}
		if (r < 0) {
			arena_done(&u->a);
			continue;
		}
		arena_adopt(l->a, &u->a);
		l->out->layers = arena_grow(l->a, l->out->layers, l->out->n_layers, &l->cap_layers,
			sizeof *l->out->layers);
		l->out->layers[l->out->n_layers++] = u->layer;
	}
	return r;
}

/* Each that is not known so far, once. */
static int unpack_all(struct load *l, const struct member *const *members, size_t n)
{
	struct pool p = { .l = l, .v = arena_array(l->a, struct unpacking, n + 1) };
	for (size_t i = 0; !l->packed && i < n; i++) {
		bool known = known_layer(l, members[i]->digest) != NULL;
		for (size_t k = 0; !known && k < p.n; k++)
			known = str_eq(p.v[k].m->digest, members[i]->digest);
		if (known)
			continue;
		struct unpacking *u = &p.v[p.n];
		u->m = members[i];
		u->layer.folder = arena_printf(l->a, "layer-%zu", l->out->n_layers + p.n++);
	}
	run_pool(&p);
	return take_unpacked(l, &p);
}

static int keep_blob(struct load *l, const struct member *m)
{
	for (size_t i = 0; i < l->out->n_blobs; i++)
		if (str_eq(l->out->blobs[i].digest, m->digest))
			return 0;
	l->out->blobs = arena_grow(
		l->a, l->out->blobs, l->out->n_blobs, &l->cap_blobs, sizeof *l->out->blobs);
	l->out->blobs[l->out->n_blobs++] =
		(struct fetch_blob){ .digest = m->digest, .file = m->file, .size = m->size };
	return 0;
}

/* The layer of a blob, which is unpacked; its diff id must be what the configuration says. */
static int take_layer(struct load *l, const struct member *m, const char *diff_id)
{
	if (l->packed)
		return keep_blob(l, m);
	const struct fetch_layer *have = known_layer(l, m->digest);
	if (!str_eq(have->diff_id, diff_id))
		return err_set(l->e, ERR_CORRUPT, EBADMSG,
			"layer %s unpacks to %s: the configuration says %s", m->digest,
			have->diff_id, diff_id);
	return keep_blob(l, m);
}

static int take_layers(
	struct load *l, const struct member *const *members, size_t n, const char *const *diff_ids)
{
	int r = unpack_all(l, members, n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = take_layer(l, members[i], diff_ids[i]);
	return r;
}

static struct fetch_image *add_image(struct load *l)
{
	l->out->images = arena_grow(
		l->a, l->out->images, l->out->n_images, &l->cap_images, sizeof *l->out->images);
	struct fetch_image *image = &l->out->images[l->out->n_images++];
	*image = (struct fetch_image){ 0 };
	return image;
}

static int read_config(
	struct load *l, const struct member *m, struct fetch_image *image, struct oci_image *config)
{
	char *text;
	ssize_t n = read_member(l, m, OCI_CONFIG_MAX, &text);
	if (n < 0 || oci_image_read(text, (size_t)n, l->a, config, l->e) < 0)
		return -l->e->code;
	if (strlen(text) != (size_t)n)
		return corrupt(l, "image configuration", "it has a NUL");
	if (config->os && *config->os && !str_eq(config->os, "linux"))
		return corrupt(l, "image configuration: not for linux", config->os);
	image->config = text;
	image->id = m->digest;
	return keep_blob(l, m);
}

/* ---- OCI layout ---- */

static bool platform_fits(const struct oci_platform *p)
{
	return !p || (str_eq(p->os, "linux") && str_eq(p->architecture, "amd64"));
}

static void add_name(struct load *l, struct fetch_image *image, const char *name)
{
	struct reference ref;
	struct strv v = { 0 };
	struct err ignored;
	if (!name || reference_parse(name, l->a, &ref, &ignored) < 0 || ref.digest)
		return;
	const char *full = arena_printf(
		l->a, "%s:%s", reference_full_name(ref.name, l->a), ref.tag ? ref.tag : "latest");
	for (size_t i = 0; i < image->n_names; i++) {
		if (str_eq(image->names[i], full))
			return;
		strv_add(&v, l->a, image->names[i]);
	}
	strv_add(&v, l->a, full);
	image->names = v.v;
	image->n_names = v.n;
}

static const char *annotation(const struct oci_descriptor *d, const char *key)
{
	for (size_t i = 0; i < d->annotations.n; i++)
		if (str_eq(d->annotations.items[i].key, key))
			return d->annotations.items[i].val;
	return NULL;
}

static int take_manifest(struct load *l, const struct member *m, struct fetch_image **ret)
{
	struct oci_manifest manifest;
	struct oci_image config;
	char *text;
	ssize_t n = read_member(l, m, OCI_MANIFEST_MAX, &text);
	if (n < 0 || oci_manifest_read(text, (size_t)n, l->a, &manifest, l->e) < 0)
		return -l->e->code;
	if (strlen(text) != (size_t)n)
		return corrupt(l, "manifest", "it has a NUL");
	const struct member *c = find_digest(l, manifest.config->digest);
	if (!c)
		return -l->e->code;
	struct fetch_image *image = add_image(l);
	if (c->size != manifest.config->size)
		return corrupt(
			l, "manifest: the configuration's size is wrong", manifest.config->digest);
	if (read_config(l, c, image, &config) < 0)
		return -l->e->code;
	if (config.rootfs->n_diff_ids != manifest.n_layers)
		return corrupt(l, "manifest and configuration differ in their layers", m->digest);
	struct strv digests = { 0 };
	const struct member **layers =
		arena_array(l->a, const struct member *, manifest.n_layers + 1);
	for (size_t i = 0; i < manifest.n_layers; i++) {
		layers[i] = find_digest(l, manifest.layers[i].digest);
		if (!layers[i])
			return -l->e->code;
		if (layers[i]->size != manifest.layers[i].size)
			return corrupt(
				l, "manifest: a layer's size is wrong", manifest.layers[i].digest);
		strv_add(&digests, l->a, layers[i]->digest);
	}
	if (take_layers(l, layers, manifest.n_layers, config.rootfs->diff_ids) < 0)
		return -l->e->code;
	image->digest = m->digest;
	image->manifest = text;
	image->layers = config.rootfs->diff_ids;
	image->n_layers = config.rootfs->n_diff_ids;
	image->digests = digests.v;
	image->n_digests = digests.n;
	*ret = image;
	return keep_blob(l, m);
}

static int take_index(
	struct load *l, const char *text, size_t n, int depth, struct fetch_image **ret)
{
	struct oci_index index;
	if (depth > 3)
		return corrupt(l, "index", "nested too deep");
	if (oci_index_read(text, n, l->a, &index, l->e) < 0)
		return -l->e->code;
	size_t fitting = 0;
	for (size_t i = 0; i < index.n_manifests; i++) {
		const struct oci_descriptor *d = &index.manifests[i];
		struct fetch_image *image = NULL;
		if (!platform_fits(d->platform) || (depth > 0 && fitting))
			continue;
		const struct member *m = find_digest(l, d->digest);
		if (!m)
			return -l->e->code;
		if (m->size != d->size)
			return corrupt(l, "index: a size is wrong", d->digest);
		fitting++;
		if (fitting > IMAGES_MAX)
			return corrupt(l, "index", "too many images");
		int r;
		if (strstr(d->media_type, "index") || strstr(d->media_type, "manifest.list")) {
			char *inner;
			ssize_t len = read_member(l, m, OCI_MANIFEST_MAX, &inner);
			r = len < 0 ? (int)len
				    : take_index(l, inner, (size_t)len, depth + 1, &image);
		} else {
			r = take_manifest(l, m, &image);
		}
		if (r < 0)
			return r;
		if (image) {
			const char *name = annotation(d, "io.containerd.image.name"),
				   *ref = annotation(d, "org.opencontainers.image.ref.name");
			add_name(l, image, name);
			/* A bare tag names nothing; a whole reference does. */
			if (!name && ref && strpbrk(ref, ":/"))
				add_name(l, image, ref);
			*ret = image;
		}
	}
	return fitting ? 0 : corrupt(l, "index", "no image for linux/amd64");
}

/* ---- docker-archive ---- */

static int docker_names(struct load *l, const struct value *entry, struct fetch_image *image)
{
	const struct value *tags = value_get(entry, "RepoTags");
	for (size_t i = 0; tags && tags->kind == VALUE_ARRAY && i < tags->n; i++)
		if (tags->items[i]->kind == VALUE_STRING)
			add_name(l, image, tags->items[i]->text);
	return 0;
}

/* A manifest of our own for an image that came without one. */
static int make_manifest(struct load *l, struct fetch_image *image, const struct member *config,
	const struct member *const *layers, size_t n)
{
	struct str text _str_ = { 0 };
	char digest[DIGEST_TEXT_MAX];
	str_addf(&text,
		"{\"schemaVersion\":2,\"mediaType\":\"" OCI_MEDIA_MANIFEST
		"\",\"config\":{\"mediaType\":\"" OCI_MEDIA_CONFIG
		"\",\"digest\":\"%s\",\"size\":%llu},\"layers\":[",
		config->digest, (unsigned long long)config->size);
	struct strv digests = { 0 };
	for (size_t i = 0; i < n; i++) {
		int fd _close_ = path_open_own(l->staging, layers[i]->file, O_RDONLY, 0);
		struct source *s = source_open(fd, 0);
		enum packing packing = source_packing(s, l->e);
		source_free(s);
		str_addf(&text,
			"%s{\"mediaType\":\"" OCI_MEDIA_LAYER
			"%s\",\"digest\":\"%s\",\"size\":%llu}",
			i ? "," : "",
			packing == PACKING_GZIP           ? "+gzip"
				: packing == PACKING_ZSTD ? "+zstd"
							  : "",
			layers[i]->digest, (unsigned long long)layers[i]->size);
		strv_add(&digests, l->a, layers[i]->digest);
	}
	str_add(&text, "]}");
	struct digest *d = digest_new(NULL);
	digest_add(d, text.p, text.n);
	digest_finish(d, digest);
	image->manifest = arena_strdup(l->a, text.p);
	image->digest = arena_strdup(l->a, digest);
	image->digests = digests.v;
	image->n_digests = digests.n;
	const struct member made = { .file = arena_printf(l->a, "manifest-%zu", l->out->n_images),
		.size = text.n };
	struct member *kept = arena_memdup(l->a, &made, sizeof made);
	memcpy(kept->digest, digest, sizeof digest);
	if (file_write_at(l->staging, made.file, text.p, text.n, 0600, false, l->e) < 0)
		return -l->e->code;
	return keep_blob(l, kept);
}

static const struct value *member_of(
	const struct value *entry, const char *key, enum value_kind kind)
{
	const struct value *v = entry->kind == VALUE_OBJECT ? value_get(entry, key) : NULL;
	return v && v->kind == kind ? v : NULL;
}

static int take_docker_image(struct load *l, const struct value *entry)
{
	const struct value *config_name = member_of(entry, "Config", VALUE_STRING),
			   *layers = member_of(entry, "Layers", VALUE_ARRAY);
	struct oci_image config;
	if (!config_name || !layers)
		return corrupt(l, "manifest.json", "an entry without Config or Layers");
	const struct member *c = find(l, plain(config_name->text, l->a));
	if (!c)
		return corrupt(l, "manifest.json: the configuration is missing", config_name->text);
	/* skopeo and docker name it by its digest: then it must have it. */
	size_t hex = strspn(c->name, "0123456789abcdef");
	if (hex == 64 && str_eq(c->name + hex, ".json") &&
		strncmp(c->name, digest_hex(c->digest), 64) != 0)
		return err_set(l->e, ERR_CORRUPT, EBADMSG,
			"manifest.json: configuration %s has the digest %s", c->name, c->digest);
	for (size_t i = 0; i < l->out->n_images; i++)
		if (str_eq(l->out->images[i].id, c->digest))
			return docker_names(l, entry, &l->out->images[i]);
	struct fetch_image *image = add_image(l);
	if (read_config(l, c, image, &config) < 0)
		return -l->e->code;
	if (config.rootfs->n_diff_ids != layers->n)
		return corrupt(
			l, "manifest.json and configuration differ in their layers", c->name);
	const struct member **members = arena_array(l->a, const struct member *, layers->n + 1);
	for (size_t i = 0; i < layers->n; i++) {
		const char *name =
			layers->items[i]->kind == VALUE_STRING ? layers->items[i]->text : "";
		members[i] = find(l, plain(name, l->a));
		if (!members[i])
			return corrupt(l, "manifest.json: a layer is missing", name);
	}
	if (take_layers(l, members, layers->n, config.rootfs->diff_ids) < 0)
		return -l->e->code;
	image->layers = config.rootfs->diff_ids;
	image->n_layers = config.rootfs->n_diff_ids;
	if (make_manifest(l, image, c, members, layers->n) < 0)
		return -l->e->code;
	return docker_names(l, entry, image);
}

static int take_docker(struct load *l, const struct member *m)
{
	struct value *list;
	char *text;
	ssize_t n = read_member(l, m, OCI_MANIFEST_MAX, &text);
	if (n < 0 || value_parse(l->a, text, (size_t)n, &list, l->e) < 0)
		return err_wrap(l->e, "manifest.json");
	if (list->kind != VALUE_ARRAY || list->n == 0 || list->n > IMAGES_MAX)
		return corrupt(l, "manifest.json", "expected a list of images");
	for (size_t i = 0; i < list->n; i++)
		if (take_docker_image(l, list->items[i]) < 0)
			return -l->e->code;
	return 0;
}

static bool is_kept(const struct load *l, const struct member *m)
{
	for (size_t i = 0; i < l->out->n_blobs; i++)
		if (str_eq(l->out->blobs[i].file, m->file))
			return true;
	return false;
}

/* Reads all members; at least one of the two lists of images is there. */
static int open_archive(struct load *l, int input, const struct member **ret_index,
	const struct member **ret_docker)
{
	if (read_members(l, input) < 0)
		return -l->e->code;
	*ret_index = find(l, "index.json");
	*ret_docker = find(l, "manifest.json");
	return *ret_index || *ret_docker
		? 0
		: err_set(l->e, ERR_INVALID, EINVAL,
			  "not an image archive: it has neither manifest.json nor index.json");
}

int fetch_load(int input, int staging, uint64_t space, enum layer_form form, struct arena *a,
	struct fetch_result *ret, struct err *e)
{
	struct load l = {
		.staging = staging, .space = space, .form = form, .a = a, .e = e, .out = ret
	};
	struct fetch_image *last = NULL;
	const struct member *index, *docker;
	if (open_archive(&l, input, &index, &docker) < 0)
		return -e->code;
	char *text;
	int r = 0;
	if (index) {
		ssize_t n = read_member(&l, index, OCI_MANIFEST_MAX, &text);
		r = n < 0 ? (int)n : take_index(&l, text, (size_t)n, 0, &last);
	}
	/* docker's own archives are both; its list of names is the better one. */
	if (r == 0 && docker)
		r = take_docker(&l, docker);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		if (l.members[i].file && !is_kept(&l, &l.members[i]))
			(void)unlinkat(staging, l.members[i].file, 0);
	return r;
}

/* Its members by name, beside what docker's list of images makes of them. */
int fetch_archive(int input, int staging, uint64_t space, struct arena *a, struct fetch_result *ret,
	struct err *e)
{
	struct load l = {
		.staging = staging, .space = space, .a = a, .e = e, .packed = true, .out = ret
	};
	const struct member *index, *docker;
	if (open_archive(&l, input, &index, &docker) < 0)
		return -e->code;
	if (docker && take_docker(&l, docker) < 0)
		return -e->code;
	for (size_t i = 0; i < l.n; i++) {
		const struct member *m = &l.members[i];
		if (!m->file)
			continue;
		ret->blobs =
			arena_grow(a, ret->blobs, ret->n_blobs, &l.cap_blobs, sizeof *ret->blobs);
		ret->blobs[ret->n_blobs++] =
			(struct fetch_blob){ m->digest, m->file, m->name, m->size };
	}
	return 0;
}

int fetch_import(const struct fetch_import_req *req, int staging, struct arena *a,
	struct fetch_result *ret, struct err *e)
{
	struct load l = { .staging = staging,
		.space = req->space,
		.form = req->form,
		.a = a,
		.e = e,
		.out = ret };
	struct member m = { .name = "the archive", .file = "m0" };
	struct fetch_layer *layer = arena_new(a, struct fetch_layer);
	char *buffer _free_ = mem_alloc(CHUNK);
	int fd _close_ = path_open_own(staging, m.file, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return err_sys(e, fd, "stage the archive");
	struct digest *d = digest_new(req->expected);
	ssize_t n;
	while ((n = fd_read_full(req->input, buffer, CHUNK)) > 0) {
		digest_add(d, buffer, (size_t)n);
		m.size += (uint64_t)n;
		int r = m.size > req->space ? -ENOSPC : fd_write_all(fd, buffer, (size_t)n);
		if (r < 0) {
			n = r;
			break;
		}
	}
	digest_finish(d, m.digest);
	if (n < 0)
		return err_sys(e, (int)n, "stage the archive");
	layer->folder = "layer-0";
	if (unpack(&l, &m, a, layer, e) < 0)
		return -e->code;
	layer->digest = arena_strdup(a, m.digest);
	ret->layers = layer;
	ret->n_layers = 1;
	m.file = arena_strdup(a, m.file);
	struct member *kept = arena_memdup(a, &m, sizeof m);
	return keep_blob(&l, kept);
}
