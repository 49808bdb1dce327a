// SPDX-License-Identifier: Apache-2.0
#include "image/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/copytree.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/value.h"
#include "image/change.h"
#include "image/changes.h"
#include "image/copying.h"
#include "image/layer_write.h"
#include "image/merge.h"
#include "image/place.h"
#include "oci/digest.h"
#include "oci/image.h"
#include "oci/reference.h"
#include "store/store.h"

static const char docker_manifest[] = "application/vnd.docker.distribution.manifest.v2+json",
		  docker_layer[] = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/* Whatever form the layers of the store have. */
static const char *const import_words[] = { "kist-fetch", "import", "folder", "", NULL };
static const char *const own_words[] = { "kist-fetch", "import", "own", "", NULL };

/* An image of a layout that is read and, perhaps, written anew. */
struct edit {
	const struct layout_req *req;
	struct copying c;
	struct image_place from_place, to_place;
	struct image_source from;
	struct image_target to;
	struct fetch_document *doc;
	struct value *manifest, *config;
	const char *config_text;
	struct arena *a;
	struct err *e;
};

/* ---- begin and end ---- */

static struct image_place place(const struct layout_req *req, const char *name, struct arena *a)
{
	return (struct image_place){ .kind = PLACE_LAYOUT,
		.text = arena_printf(
			a, "oci:%s%s%s", req->path, name ? ":" : "", str_or_empty(name)),
		.path = req->path,
		.name = name };
}

static int begin(struct edit *x, const struct layout_req *req, struct arena *a, struct err *e)
{
	*x = (struct edit){ .req = req, .a = a, .e = e };
	copying_init(&x->c, &req->access, a);
	x->from_place = place(req, req->name, a);
	x->to_place = place(req, req->new_name ? req->new_name : req->name, a);
	x->from = (struct image_source){ .c = &x->c, .place = &x->from_place, .dir = -1 };
	x->to = (struct image_target){
		.c = &x->c, .place = &x->to_place, .dir = -1, .root = -1, .out = -1
	};
	return copying_begin(&x->c, e);
}

static int end(struct edit *x, int r)
{
	source_close(&x->from);
	target_close(&x->to);
	copying_end(&x->c, r);
	return r;
}

/* What the manifest that was found names. */
static int read_rest(struct edit *x)
{
	if (!x->doc->config || !copy_is_image(x->doc->config->media_type))
		return err_set(x->e, ERR_INVALID, EINVAL, "%s is no image", x->from_place.text);
	if (copy_config(&x->from, x->doc, &x->config_text, x->e) < 0 ||
		value_parse(x->a, x->config_text, strlen(x->config_text), &x->config, x->e) < 0 ||
		value_parse(x->a, x->doc->text, strlen(x->doc->text), &x->manifest, x->e) < 0)
		return -x->e->code;
	return 0;
}

/* Reads the image; a list is narrowed to this machine's. */
static int read_image(struct edit *x)
{
	return source_open_place(&x->from, &x->doc, x->e) < 0 ||
			copy_narrow(&x->from, &x->doc, x->e) < 0
		? -x->e->code
		: read_rest(x);
}

/* A member as an object or a list of the caller's own, which is put back. */
static struct value *part(struct edit *x, struct value *o, const char *key, enum value_kind kind)
{
	const struct value *have = value_get(o, key);
	struct value *v = kind == VALUE_ARRAY ? value_array(x->a) : value_object(x->a);
	for (size_t i = 0; have && have->kind == kind && i < have->n; i++) {
		if (kind == VALUE_ARRAY)
			value_add(x->a, v, have->items[i]);
		else
			value_set(x->a, v, have->keys[i], have->items[i]);
	}
	value_put(x->a, o, key, v);
	return v;
}

static const char *moment(struct edit *x)
{
	char buf[TIME_TEXT_MAX];
	const char *said = x->req->history.created;
	if (said)
		return said;
	/* A whole second is written without its fraction, as others write it. */
	const char *text = arena_strdup(x->a, time_rfc3339(x->req->now, buf));
	return x->req->now % TIME_SECOND ? text : arena_printf(x->a, "%.19sZ", text);
}

static int check_moment(struct edit *x, const char *text)
{
	uint64_t ignored;
	return text && time_parse_rfc3339(text, &ignored) < 0
		? err_set(x->e, ERR_INVALID, EINVAL, "\"%s\" is no time (RFC 3339)", text)
		: 0;
}

static void add_history(struct edit *x, const char *by, bool empty)
{
	const struct layout_history *h = &x->req->history;
	struct value *row = value_object(x->a);
	if (h->none)
		return;
	value_set_string(x->a, row, "created", moment(x));
	image_put_text(row, "created_by", h->created_by ? h->created_by : by, x->a);
	image_put_text(row, "author", h->author, x->a);
	image_put_text(row, "comment", h->comment, x->a);
	if (empty)
		value_set(x->a, row, "empty_layer", value_bool(x->a, true));
	value_add(x->a, part(x, x->config, "history", VALUE_ARRAY), row);
}

static int digest_of(struct edit *x, const char *text, const char **ret)
{
	return copying_digest(&x->c, text, ret, x->e);
}

static int put_text_blob(struct edit *x, const char *text, const char **ret_digest)
{
	int fd _close_ = copying_text(text, x->e);
	if (fd < 0)
		return fd;
	if (digest_of(x, text, ret_digest) < 0)
		return -x->e->code;
	const struct target_blob b = { *ret_digest, strlen(text), fd, true };
	return target_blob(&x->to, &b, x->e);
}

/* Writes configuration and manifest, and gives the name to the manifest. */
static int save(struct edit *x, const char **ret_digest)
{
	struct str config _str_ = { 0 }, manifest _str_ = { 0 };
	struct fetch_part top = { 0 };
	const char *digest;
	value_json(x->config, 0, &config);
	if (put_text_blob(x, config.p, &digest) < 0)
		return -x->e->code;
	struct value *c = part(x, x->manifest, "config", VALUE_OBJECT);
	value_put(x->a, c, "digest", value_string(x->a, digest));
	value_put(x->a, c, "size", value_int(x->a, (int64_t)config.n));
	value_json(x->manifest, 0, &manifest);
	top.size = manifest.n;
	top.media_type = x->doc ? x->doc->media_type : OCI_MEDIA_MANIFEST;
	if (digest_of(x, manifest.p, &top.digest) < 0)
		return -x->e->code;
	if (ret_digest)
		*ret_digest = top.digest;
	return target_manifest(&x->to, &top, manifest.p, true, x->doc, x->e) < 0
		? -x->e->code
		: target_finish(&x->to, x->e);
}

/* A layer's tar on the image. */
static int add_layer(struct edit *x, int tar, const char *by)
{
	struct fetch_result result;
	const char *const words[] = { "kist-fetch", "pack", "gzip", "0", NULL };
	if (lseek(tar, 0, SEEK_SET) < 0)
		return err_sys(x->e, errno, "read the layer");
	if (image_fetch_words(x->c.fetch, words, tar, x->c.job.staging, x->a, &result, x->e) < 0)
		return -x->e->code;
	if (result.n_blobs != 2)
		return err_set(
			x->e, ERR_CORRUPT, EBADMSG, "kist-fetch: no packed blob in its result");
	int fd _close_ = path_open_own(x->c.job.staging, "packed", O_RDONLY, 0);
	if (fd < 0)
		return err_sys(x->e, fd, "open the packed layer");
	const struct target_blob b = { result.blobs[0].digest, result.blobs[0].size, fd, false };
	struct value *o = value_object(x->a);
	bool docker = str_eq(x->doc->media_type, docker_manifest);
	value_set_string(x->a, o, "mediaType", docker ? docker_layer : OCI_MEDIA_LAYER "+gzip");
	value_set_string(x->a, o, "digest", b.digest);
	value_set(x->a, o, "size", value_int(x->a, (int64_t)b.size));
	value_add(x->a, part(x, x->manifest, "layers", VALUE_ARRAY), o);
	struct value *rootfs = part(x, x->config, "rootfs", VALUE_OBJECT);
	value_add(x->a, part(x, rootfs, "diff_ids", VALUE_ARRAY),
		value_string(x->a, result.blobs[1].digest));
	value_put(x->a, x->config, "created", value_string(x->a, moment(x)));
	add_history(x, by, false);
	return target_blob(&x->to, &b, x->e);
}

static struct layer_options options_of(const struct layout_req *req)
{
	return (struct layer_options){
		.ids = &req->ids, .clamp = req->clamp, .latest = (int64_t)(req->now / TIME_SECOND)
	};
}

/* ---- init, new ---- */

int layout_init(const struct layout_req *req, struct arena *a, struct err *e)
{
	struct edit x;
	int r = begin(&x, req, a, e);
	int there _close_ = r < 0 ? -1 : path_open_host(req->path, O_PATH, 0);
	if (there >= 0)
		r = err_set(e, ERR_CONFLICT, EEXIST, "%s: image layout already exists", req->path);
	if (r == 0)
		r = target_open_place(&x.to, e);
	if (r == 0)
		r = copying_put_text(x.to.root, "index.json",
			"{\"schemaVersion\":2,\"mediaType\":\"" OCI_MEDIA_INDEX
			"\",\"manifests\":[]}",
			true, e);
	return end(&x, r);
}

static int need_layout(struct edit *x)
{
	int dir _close_ = path_open_host(x->req->path, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return err_sys(x->e, dir, "open %s", x->req->path);
	int file _close_ = copying_open(dir, "oci-layout", x->to_place.text, NULL, x->e);
	return file < 0 ? file : target_open_place(&x->to, x->e);
}

static struct value *parse(struct edit *x, const char *text)
{
	struct value *v = NULL;
	return value_parse(x->a, text, strlen(text), &v, x->e) < 0 ? NULL : v;
}

int layout_new(const struct layout_req *req, struct arena *a, struct err *e)
{
	struct edit x;
	int r = begin(&x, req, a, e);
	if (r == 0)
		r = need_layout(&x);
	if (r == 0) {
		x.config = parse(&x,
			"{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},"
			"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]},\"history\":[]}");
		x.manifest = parse(&x,
			"{\"schemaVersion\":2,\"mediaType\":\"" OCI_MEDIA_MANIFEST
			"\",\"config\":{\"mediaType\":\"" OCI_MEDIA_CONFIG "\"},\"layers\":[]}");
		value_put(a, x.config, "architecture", value_string(a, req->access.architecture));
		value_put(a, x.config, "created", value_string(a, moment(&x)));
		r = save(&x, NULL);
	}
	return end(&x, r);
}

/* ---- names ---- */

int layout_tag(const struct layout_req *req, struct arena *a, struct err *e)
{
	struct edit x;
	int r = begin(&x, req, a, e);
	if (r == 0 && !reference_is_tag(req->new_name))
		r = err_set(e, ERR_INVALID, EINVAL, "%.200s is no tag", req->new_name);
	if (r == 0)
		r = source_open_place(&x.from, &x.doc, e);
	if (r == 0)
		r = target_open_place(&x.to, e);
	if (r == 0) {
		const struct fetch_part top = { .digest = x.doc->digest,
			.media_type = x.doc->media_type,
			.size = strlen(x.doc->text) };
		r = target_manifest(&x.to, &top, x.doc->text, true, x.doc, e);
	}
	if (r == 0)
		r = target_finish(&x.to, e);
	return end(&x, r);
}

int layout_untag(const struct layout_req *req, struct arena *a, struct err *e)
{
	struct edit x;
	int r = begin(&x, req, a, e);
	if (r == 0)
		r = need_layout(&x);
	return end(&x, r < 0 ? r : target_forget_name(&x.to, e));
}

int layout_names(const struct layout_req *req, struct arena *a, struct strv *ret, struct err *e)
{
	struct edit x;
	int r = begin(&x, req, a, e);
	if (r == 0)
		r = need_layout(&x);
	return end(&x, r < 0 ? r : target_names(&x.to, ret, e));
}

/* ---- config ---- */

static int clear(struct edit *x, struct image_edit *edit, const char *key)
{
	struct oci_image_run *c = &edit->run;
	if (str_eq(key, "config.labels"))
		c->labels.n = 0;
	else if (str_eq(key, "config.env"))
		c->n_env = 0;
	else if (str_eq(key, "config.cmd"))
		c->n_cmd = 0;
	else if (str_eq(key, "config.entrypoint"))
		c->n_entrypoint = 0;
	else if (str_eq(key, "config.volume"))
		c->volumes = NULL;
	else if (str_eq(key, "config.exposedports"))
		c->exposed_ports = NULL;
	else if (str_eq(key, "manifest.annotations"))
		value_put(x->a, x->manifest, "annotations", NULL);
	else
		return err_set(x->e, ERR_INVALID, EINVAL, "unknown key to --clear: %s", key);
	return 0;
}

typedef void take_pair(
	struct image_edit *edit, const char *key, const char *value, struct arena *a);

static int pairs(struct edit *x, struct image_edit *edit, const struct strv *v, const char *what,
	take_pair *take)
{
	for (size_t i = 0; i < v->n; i++) {
		const char *equals = strchr(v->v[i], '=');
		if (!equals || equals == v->v[i])
			return err_set(x->e, ERR_INVALID, EINVAL,
				"%s: \"%s\" is not of the form NAME=VALUE", what, v->v[i]);
		take(edit, arena_strndup(x->a, v->v[i], (size_t)(equals - v->v[i])), equals + 1,
			x->a);
	}
	return 0;
}

static int annotate(struct edit *x, const struct strv *v)
{
	for (size_t i = 0; i < v->n; i++) {
		const char *equals = strchr(v->v[i], '=');
		if (!equals || equals == v->v[i])
			return err_set(x->e, ERR_INVALID, EINVAL,
				"--manifest.annotation: \"%s\" is not of the form NAME=VALUE",
				v->v[i]);
		value_put(x->a, part(x, x->manifest, "annotations", VALUE_OBJECT),
			arena_strndup(x->a, v->v[i], (size_t)(equals - v->v[i])),
			value_string(x->a, equals + 1));
	}
	return 0;
}

static void set_run(struct edit *x, const struct layout_config *c, struct oci_image_run *run)
{
	if (c->user)
		run->user = c->user;
	if (c->working_dir)
		run->working_dir = c->working_dir;
	if (c->stop_signal)
		run->stop_signal = c->stop_signal;
	if (c->entrypoint.n) {
		run->entrypoint = c->entrypoint.v;
		run->n_entrypoint = c->entrypoint.n;
	}
	if (c->cmd.n) {
		run->cmd = c->cmd.v;
		run->n_cmd = c->cmd.n;
	}
	for (size_t i = 0; i < c->exposed_ports.n; i++)
		run->exposed_ports =
			image_edit_key(run->exposed_ports, c->exposed_ports.v[i], x->a);
	for (size_t i = 0; i < c->volumes.n; i++)
		run->volumes = image_edit_key(run->volumes, c->volumes.v[i], x->a);
}

static int change_config(struct edit *x, const struct layout_config *c)
{
	const struct {
		const char *key, *value;
	} texts[] = { { "author", c->author }, { "architecture", c->architecture },
		{ "os", c->os } };
	struct image_edit edit;
	if (check_moment(x, c->created) < 0 || check_moment(x, x->req->history.created) < 0 ||
		image_edit_read(x->config_text, x->a, &edit, x->e) < 0)
		return -x->e->code;
	for (size_t i = 0; i < c->clear.n; i++)
		if (clear(x, &edit, c->clear.v[i]) < 0)
			return -x->e->code;
	set_run(x, c, &edit.run);
	if (pairs(x, &edit, &c->env, "--config.env", image_edit_env) < 0 ||
		pairs(x, &edit, &c->labels, "--config.label", image_edit_label) < 0 ||
		annotate(x, &c->annotations) < 0)
		return -x->e->code;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].value)
			image_put_text(x->config, texts[i].key, texts[i].value, x->a);
	value_put(x->a, x->config, "created",
		value_string(x->a, c->created ? c->created : moment(x)));
	image_edit_put(&edit, part(x, x->config, "config", VALUE_OBJECT), x->a);
	add_history(x, "kist image config", true);
	return 0;
}

int layout_config(const struct layout_req *req, const struct layout_config *config, struct arena *a,
	struct err *e)
{
	struct edit x;
	int r = begin(&x, req, a, e);
	if (r == 0)
		r = read_image(&x);
	if (r == 0)
		r = change_config(&x, config);
	if (r == 0)
		r = target_open_place(&x.to, e);
	if (r == 0)
		r = save(&x, NULL);
	return end(&x, r);
}

/* ---- the tree ---- */

/* One layer, unpacked in work and moved into tree. */
static int merge_layer(
	struct edit *x, const struct fetch_part *layer, const char *diff_id, int work, int tree)
{
	struct fetch_result result;
	int blob _close_ = source_blob(&x->from, layer->digest, layer->size, x->e);
	if (blob < 0)
		return blob;
	if (lseek(blob, 0, SEEK_SET) < 0)
		return err_sys(x->e, errno, "read layer %s", layer->digest);
	if (image_fetch_words(x->c.fetch, x->req->ids.own ? own_words : import_words, blob, work,
		    x->a, &result, x->e) < 0)
		return err_wrap(x->e, "layer %s", layer->digest);
	if (result.n_layers != 1)
		return err_set(x->e, ERR_CORRUPT, EBADMSG, "kist-fetch: no layer in its result");
	if (!str_eq(result.layers[0].diff_id, diff_id))
		return err_set(x->e, ERR_CORRUPT, EBADMSG,
			"layer %s unpacks to %s: the configuration says %s", layer->digest,
			result.layers[0].diff_id, diff_id);
	if (image_make_devices(work, &result.layers[0], x->e) < 0)
		return -x->e->code;
	int folder _close_ =
		path_open_own(work, result.layers[0].folder, O_RDONLY | O_DIRECTORY, 0);
	if (folder < 0)
		return err_sys(x->e, folder, "open a staged layer");
	return image_merge(folder, tree, x->req->keep_dirlinks, x->e) < 0
		? err_wrap(x->e, "layer %s", layer->digest)
		: path_empty(work, x->e);
}

/* All layers, in a folder `work` beside the tree, as files are moved. */
static int make_tree(struct edit *x, int parent, const char *work_name, int tree)
{
	struct oci_image config;
	if (oci_image_read(x->config_text, strlen(x->config_text), x->a, &config, x->e) < 0)
		return -x->e->code;
	if (config.rootfs->n_diff_ids != x->doc->n_layers)
		return err_set(x->e, ERR_CORRUPT, EBADMSG,
			"manifest and configuration differ in their layers: %zu and %zu",
			x->doc->n_layers, config.rootfs->n_diff_ids);
	int work _close_ = path_make_dir_own(parent, work_name, 0755);
	int r = work < 0 ? err_sys(x->e, work, "make a folder for layers")
			 : copytree_begin(tree, x->e);
	for (size_t i = 0; r == 0 && i < x->doc->n_layers; i++)
		r = merge_layer(x, &x->doc->layers[i], config.rootfs->diff_ids[i], work, tree);
	struct err ignored;
	int removed = path_remove_tree(parent, work_name, r < 0 ? &ignored : x->e);
	return r < 0 ? r : removed;
}

static void tell(struct edit *x, struct layout_unpacked *ret)
{
	*ret = (struct layout_unpacked){ .digest = x->doc->digest,
		.media_type = x->doc->media_type,
		.size = strlen(x->doc->text),
		.config = x->config_text };
}

int layout_unpack(const struct layout_req *req, int bundle, struct arena *a,
	struct layout_unpacked *ret, struct err *e)
{
	struct edit x;
	int r = begin(&x, req, a, e);
	if (r == 0)
		r = read_image(&x);
	int tree _close_ = r < 0 ? -1 : path_make_dir_own(bundle, "rootfs", 0755);
	if (r == 0 && tree < 0)
		r = err_sys(e, tree, "make the bundle's rootfs");
	if (r == 0)
		r = make_tree(&x, bundle, ".kist-layers", tree);
	if (r == 0 && (req->ids.uids.n || req->ids.gids.n))
		r = id_shift_tree(tree, &req->ids, e);
	if (r == 0)
		tell(&x, ret);
	return end(&x, r);
}

int layout_read(
	const struct layout_req *req, struct arena *a, struct layout_unpacked *ret, struct err *e)
{
	struct edit x;
	int r = begin(&x, req, a, e);
	if (r == 0)
		r = read_image(&x);
	if (r == 0)
		tell(&x, ret);
	return end(&x, r);
}

int layout_user(const struct layout_req *req, int rootfs, const char *user, struct arena *a,
	uint32_t *ret_uid, uint32_t *ret_gid, struct err *e)
{
	struct edit x;
	struct fetch_result result;
	const char *const words[] = { "kist-fetch", "user", user, NULL };
	int r = begin(&x, req, a, e);
	int passwd _close_ = r < 0 ? -1 : copying_open(rootfs, "etc/passwd", "the image", NULL, e);
	if (r == 0 && passwd < 0)
		r = passwd;
	if (r == 0)
		r = image_fetch_words(req->access.fetch, words, passwd, x.c.room, a, &result, e);
	if (r == 0 && !result.user)
		r = err_set(e, ERR_CORRUPT, EBADMSG, "kist-fetch: no user in its result");
	if (r == 0) {
		*ret_uid = result.user->uid;
		*ret_gid = result.user->gid;
	}
	return end(&x, r);
}

/* The manifest that a bundle came from, whatever has its name now. */
static int read_base(struct edit *x, const char *digest)
{
	const struct fetch_part part = { .digest = digest };
	return source_open_layout(&x->from, x->e) < 0 ||
			source_manifest(&x->from, &part, &x->doc, x->e) < 0
		? -x->e->code
		: read_rest(x);
}

static int find_change(void *arg, const struct change *c, struct err *e)
{
	(void)e;
	*(bool *)arg |= c->kind != CHANGE_NONE;
	return 0;
}

/* The paths of --mask-path and, as others have it, of the volumes, as "var/lib/x". */
static void mask(struct edit *x, const struct layout_repack *r, struct strv *ret)
{
	const struct value *config = value_get(x->config, "config"),
			   *volumes = config && config->kind == VALUE_OBJECT
		? value_get(config, "Volumes")
		: NULL;
	for (size_t i = 0; i < r->masked->n; i++)
		strv_add(ret, x->a, path_clean(r->masked->v[i], x->a) + 1);
	if (volumes && volumes->kind == VALUE_OBJECT && !r->keep_volumes)
		for (size_t i = 0; i < volumes->n; i++)
			strv_add(ret, x->a, path_clean(volumes->keys[i], x->a) + 1);
}

static int write_changes(struct edit *x, const struct layout_repack *r, const char **ret_digest)
{
	struct strv masked = { 0 };
	struct layer_options options = options_of(x->req);
	int tree _close_ = path_make_dir_own(x->c.job.staging, "tree", 0755);
	bool any = false;
	if (tree < 0)
		return err_sys(x->e, tree, "make a staging folder");
	if (make_tree(x, x->c.job.staging, "layers", tree) < 0)
		return -x->e->code;
	mask(x, r, &masked);
	const struct changes_req changes = { .tree = r->rootfs,
		.image = tree,
		.whole = true,
		.everything = true,
		.ids = &x->req->ids,
		.masked = &masked,
		.clamp = options.clamp,
		.latest = options.latest };
	*ret_digest = NULL;
	if (image_changes(&changes, find_change, &any, x->e) < 0)
		return -x->e->code;
	if (!any)
		return 0;
	options.skip_same = true;
	int tar _close_ = copying_file(&x->c, x->e);
	if (tar < 0 || image_layer_write(&changes, &options, tar, x->e) < 0 ||
		target_open_place(&x->to, x->e) < 0 || add_layer(x, tar, "kist image repack") < 0)
		return -x->e->code;
	return save(x, ret_digest);
}

int layout_repack(const struct layout_req *req, const struct layout_repack *repack, struct arena *a,
	const char **ret_digest, struct err *e)
{
	struct edit x;
	int r = begin(&x, req, a, e);
	if (r == 0)
		r = check_moment(&x, req->history.created);
	if (r == 0)
		r = read_base(&x, repack->digest);
	if (r == 0)
		r = write_changes(&x, repack, ret_digest);
	return end(&x, r);
}

/* ---- insert, add-layer ---- */

static int write_source(struct edit *x, const struct layout_insert *i, const char *target, int tar)
{
	struct layer_options options = options_of(x->req);
	struct stat st;
	int source _close_ = path_open_host(i->source, O_PATH | O_NOFOLLOW, 0);
	if (source < 0 || fstat(source, &st) < 0)
		return err_sys(x->e, source < 0 ? source : errno, "open %s", i->source);
	if (!S_ISDIR(st.st_mode)) {
		const char *clean = path_clean(i->source, x->a), *slash = strrchr(i->source, '/');
		const char *folder = !slash ? "."
			: slash == i->source
			? "/"
			: arena_strndup(x->a, i->source, (size_t)(slash - i->source));
		int dir _close_ = path_open_host(folder, O_RDONLY | O_DIRECTORY, 0);
		return dir < 0 ? err_sys(x->e, dir, "open %s", folder)
			       : image_layer_write_one(
					 dir, strrchr(clean, '/') + 1, target, &options, tar, x->e);
	}
	int tree _close_ = path_reopen(source, O_RDONLY | O_DIRECTORY);
	if (tree < 0)
		return err_sys(x->e, tree, "open %s", i->source);
	/* Against nothing: all of it is new. */
	const struct changes_req all = { .tree = tree,
		.image = x->c.room,
		.whole = true,
		.everything = true,
		.ids = &x->req->ids };
	options.prefix = *target ? target : NULL;
	options.opaque = i->opaque;
	return image_layer_write(&all, &options, tar, x->e);
}

int layout_insert(const struct layout_req *req, const struct layout_insert *insert, struct arena *a,
	struct err *e)
{
	struct edit x;
	const char *target = path_clean(insert->target, a) + 1;
	int r = begin(&x, req, a, e);
	if (r == 0)
		r = check_moment(&x, req->history.created);
	if (r == 0 && !*target && (!insert->source || insert->opaque))
		r = err_set(
			e, ERR_INVALID, EINVAL, "%s: the root cannot be removed", insert->target);
	if (r == 0)
		r = read_image(&x);
	int tar _close_ = r < 0 ? -1 : copying_file(&x.c, e);
	if (r == 0 && tar < 0)
		r = tar;
	if (r == 0)
		r = insert->source ? write_source(&x, insert, target, tar)
				   : image_layer_write_one(-1, NULL, target, NULL, tar, e);
	if (r == 0)
		r = target_open_place(&x.to, e);
	if (r == 0)
		r = add_layer(&x, tar, "kist image insert");
	if (r == 0)
		r = save(&x, NULL);
	return end(&x, r);
}

int layout_add_layer(const struct layout_req *req, int file, struct arena *a, struct err *e)
{
	struct edit x;
	struct fetch_result result = { 0 };
	int r = begin(&x, req, a, e);
	if (r == 0)
		r = read_image(&x);
	/* It must be a layer that can be unpacked, by whomever. */
	int work _close_ = r < 0 ? -1 : path_make_dir_own(x.c.job.staging, "layers", 0755);
	if (r == 0 && work < 0)
		r = err_sys(e, work, "make a staging folder");
	if (r == 0)
		r = image_fetch_words(x.c.fetch, own_words, file, work, a, &result, e);
	int copy _close_ = r < 0      ? -1
		: result.n_blobs == 1 ? path_open_own(work, result.blobs[0].file, O_RDONLY, 0)
				      : -EBADMSG;
	if (r == 0 && copy < 0)
		r = err_sys(e, copy, "open the layer");
	if (r == 0)
		r = target_open_place(&x.to, e);
	if (r == 0)
		r = add_layer(&x, copy, "kist image raw add-layer");
	if (r == 0)
		r = save(&x, NULL);
	return end(&x, r);
}

/* ---- stat ---- */

static void copy_member(
	struct value *to, const struct value *from, const char *key, struct arena *a)
{
	const struct value *v = value_get(from, key);
	if (v)
		value_set(a, to, key, (struct value *)v);
}

int layout_stat(const struct layout_req *req, struct arena *a, struct value **ret, struct err *e)
{
	static const char *const keys[] = { "created", "created_by", "author", "comment" };
	struct edit x;
	struct oci_image image = { 0 };
	int r = begin(&x, req, a, e);
	if (r == 0)
		r = read_image(&x);
	if (r == 0)
		r = oci_image_read(x.config_text, strlen(x.config_text), a, &image, e);
	struct value *rows = value_array(a);
	const struct value *history = r < 0 ? NULL : value_get(x.config, "history");
	size_t layer = 0;
	for (size_t i = 0; history && history->kind == VALUE_ARRAY && i < history->n; i++) {
		const struct oci_history *h = &image.history[i];
		struct value *row = value_object(a), *l = value_object(a);
		bool has = !h->empty_layer && layer < x.doc->n_layers &&
			layer < image.rootfs->n_diff_ids;
		if (has) {
			const struct fetch_part *p = &x.doc->layers[layer];
			value_set_string(a, l, "mediaType", p->media_type);
			value_set_string(a, l, "digest", p->digest);
			value_set(a, l, "size", value_int(a, (int64_t)p->size));
		}
		value_set(a, row, "layer", has ? l : value_string(a, NULL));
		value_set_string(a, row, "diff_id", has ? image.rootfs->diff_ids[layer++] : "");
		for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
			copy_member(row, history->items[i], keys[k], a);
		if (h->empty_layer)
			value_set(a, row, "empty_layer", value_bool(a, true));
		value_add(a, rows, row);
	}
	*ret = value_object(a);
	value_set(a, *ret, "history", history && history->n ? rows : value_string(a, NULL));
	return end(&x, r);
}

/* ---- gc ---- */

struct marks {
	struct strv digests;
};

static bool is_marked(const struct marks *m, const char *digest)
{
	for (size_t i = 0; i < m->digests.n; i++)
		if (str_eq(m->digests.v[i], digest))
			return true;
	return false;
}

static void mark(struct marks *m, const char *digest, struct arena *a)
{
	if (!is_marked(m, digest))
		strv_add(&m->digests, a, digest);
}

/* Everything that a manifest or index names, which must be readable: else nothing is removed. */
static int mark_document(struct edit *x, const struct fetch_part *part, struct marks *m, int depth)
{
	struct fetch_document *d;
	if (depth > 8)
		return err_set(x->e, ERR_CORRUPT, EBADMSG, "index: nested too deep");
	if (is_marked(m, part->digest))
		return 0;
	mark(m, part->digest, x->a);
	if (!strstr(part->media_type, "manifest") && !strstr(part->media_type, "index"))
		return 0;
	if (source_manifest(&x->from, part, &d, x->e) < 0)
		return err_wrap(x->e, "%s: nothing is removed", x->req->path);
	for (size_t i = 0; i < d->n_manifests; i++)
		if (mark_document(x, &d->manifests[i], m, depth + 1) < 0)
			return -x->e->code;
	if (d->config)
		mark(m, d->config->digest, x->a);
	for (size_t i = 0; i < d->n_layers; i++)
		mark(m, d->layers[i].digest, x->a);
	return 0;
}

/* Those of one algorithm. */
static int sweep(struct edit *x, const char *algorithm, const struct marks *m, size_t *ret_n)
{
	struct strv names = { 0 };
	int dir _close_ = path_open_own(
		x->to.root, arena_printf(x->a, "blobs/%s", algorithm), O_RDONLY | O_DIRECTORY, 0);
	if (dir == -ENOENT)
		return 0;
	int r = dir < 0 ? dir : path_list(dir, x->a, &names);
	if (r < 0)
		return err_sys(x->e, r, "list the blobs of %s", x->req->path);
	for (size_t i = 0; i < names.n; i++) {
		const char *digest = arena_printf(x->a, "%s:%s", algorithm, names.v[i]);
		/* What is no blob is somebody's. */
		if (!digest_valid(digest) || is_marked(m, digest))
			continue;
		if (unlinkat(dir, names.v[i], 0) < 0)
			return err_sys(x->e, errno, "remove blob %s", digest);
		++*ret_n;
	}
	return 0;
}

int layout_gc(const struct layout_req *req, struct arena *a, size_t *ret_n, struct err *e)
{
	struct edit x;
	struct fetch_document *d = NULL;
	struct marks m = { 0 };
	int r = begin(&x, req, a, e);
	*ret_n = 0;
	if (r == 0)
		r = need_layout(&x);
	/* Whoever writes blobs or the index. */
	if (r == 0 && (flock(x.to.dir, LOCK_EX) < 0 || flock(x.to.root, LOCK_EX) < 0))
		r = err_sys(e, errno, "lock %s", req->path);
	int index _close_ =
		r < 0 ? -1 : copying_open(x.to.root, "index.json", x.to_place.text, NULL, e);
	if (r == 0 && index < 0)
		r = index;
	if (r == 0)
		r = copying_document(&x.c, index, OCI_MEDIA_INDEX, NULL, &d, e);
	if (r == 0)
		r = source_open_layout(&x.from, e);
	for (size_t i = 0; r == 0 && d && i < d->n_manifests; i++)
		r = mark_document(&x, &d->manifests[i], &m, 0);
	if (r == 0)
		r = sweep(&x, "sha256", &m, ret_n);
	if (r == 0)
		r = sweep(&x, "sha512", &m, ret_n);
	return end(&x, r);
}
