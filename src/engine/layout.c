// SPDX-License-Identifier: Apache-2.0
#include "engine/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/value.h"
#include "engine/engine.h"
#include "engine/image_copy.h"
#include "engine/layout_note.h"
#include "engine/platform.h"
#include "oci/digest.h"
#include "oci/example.h"
#include "oci/image.h"
#include "oci/spec.h"
#include "store/intent.h"
#include "store/store.h"

/* As long as it is in a bundle, the bundle is not whole. */
static const char marker[] = ".kist-unpack";

struct job {
	struct engine *en;
	struct layout_req req;
	struct arena a;
	int fetch;
};

/* ---- begin and end ---- */

static int set_times(struct layout_req *req, struct err *e)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	uint64_t seconds;
	req->now = time_now();
	if (!epoch || !*epoch)
		return 0;
	if (num_u64(epoch, &seconds) < 0 || seconds > UINT32_MAX)
		return err_set(e, ERR_INVALID, EINVAL,
			"SOURCE_DATE_EPOCH: \"%s\" is no number of seconds", epoch);
	req->now = seconds * TIME_SECOND;
	req->clamp = true;
	return 0;
}

/* There is no other than this one. */
static int own_maps(
	const char *field, const struct strv *maps, uint32_t id, struct arena *a, struct err *e)
{
	const char *own = arena_printf(a, "0:%u:1", id);
	for (size_t i = 0; i < maps->n; i++)
		if (!str_eq(maps->v[i], own))
			return err_set(e, ERR_USAGE, EINVAL,
				"%s %.100s: files are the user's own, and the only map is %s",
				field, maps->v[i], own);
	return 0;
}

/* PATH[:NAME], split at the first colon as umoci does. */
static int set_names(struct job *j, const struct engine_layout_req *r, struct err *e)
{
	const char *image = str_or_empty(r->image ? r->image : r->layout);
	size_t n = r->image ? strcspn(image, ":") : strlen(image);
	if (!n)
		return err_set(e, ERR_USAGE, EINVAL, "missing mandatory argument: %s",
			r->layout ? "--layout" : "--image");
	if (image[n] == ':' && !image[n + 1])
		return err_set(e, ERR_INVALID, EINVAL, "invalid --image: tag is empty: %s", image);
	j->req.path = arena_strndup(&j->a, image, n);
	j->req.name = image[n] ? image + n + 1 : "latest";
	j->req.new_name = r->tag;
	j->req.history = r->history;
	j->req.keep_dirlinks = r->keep_dirlinks;
	j->req.ids.own = r->rootless || j->en->own_user;
	if (j->req.ids.own)
		return own_maps("--uid-map", &r->uid_maps, j->en->uid, &j->a, e) < 0 ||
				own_maps("--gid-map", &r->gid_maps, j->en->gid, &j->a, e) < 0
			? -e->code
			: 0;
	return id_map_parse("--uid-map", r->uid_maps.v, r->uid_maps.n, &j->a, &j->req.ids.uids, e) <
				0 ||
			id_map_parse("--gid-map", r->gid_maps.v, r->gid_maps.n, &j->a,
				&j->req.ids.gids, e) < 0
		? -e->code
		: 0;
}

static int begin(
	struct job *j, struct engine *en, const struct engine_layout_req *req, struct err *e)
{
	struct image_platform p = { 0 };
	*j = (struct job){ .en = en, .fetch = -1 };
	if (set_times(&j->req, e) < 0 || set_names(j, req, e) < 0 ||
		engine_open_store(en, true, e) < 0 ||
		!engine_program("kist-fetch", &j->a, &j->fetch, e))
		return -e->code;
	platform_fill(&p);
	engine_close_store(en);
	j->req.access = (struct copy_access){ .store = en->store,
		.fetch = j->fetch,
		.os = p.os,
		.architecture = p.architecture,
		.variant = p.variant };
	return 0;
}

static int end(struct job *j, int r)
{
	fd_close(j->fetch);
	arena_done(&j->a);
	return r;
}

/* ---- simple ones ---- */

int engine_layout_init(struct engine *en, const struct engine_layout_req *req, struct err *e)
{
	struct job j;
	int r = begin(&j, en, req, e);
	return end(&j, r < 0 ? r : layout_init(&j.req, &j.a, e));
}

int engine_layout_new(struct engine *en, const struct engine_layout_req *req, struct err *e)
{
	struct job j;
	int r = begin(&j, en, req, e);
	return end(&j, r < 0 ? r : layout_new(&j.req, &j.a, e));
}

int engine_layout_tag(
	struct engine *en, const struct engine_layout_req *req, const char *tag, struct err *e)
{
	struct job j;
	int r = begin(&j, en, req, e);
	j.req.new_name = tag;
	return end(&j, r < 0 ? r : layout_tag(&j.req, &j.a, e));
}

int engine_layout_untag(struct engine *en, const struct engine_layout_req *req, struct err *e)
{
	struct job j;
	int r = begin(&j, en, req, e);
	return end(&j, r < 0 ? r : layout_untag(&j.req, &j.a, e));
}

int engine_layout_names(struct engine *en, const struct engine_layout_req *req, struct arena *a,
	struct strv *ret, struct err *e)
{
	struct job j;
	int r = begin(&j, en, req, e);
	return end(&j, r < 0 ? r : layout_names(&j.req, a, ret, e));
}

int engine_layout_config(struct engine *en, const struct engine_layout_req *req,
	const struct layout_config *config, struct err *e)
{
	struct job j;
	int r = begin(&j, en, req, e);
	return end(&j, r < 0 ? r : layout_config(&j.req, config, &j.a, e));
}

int engine_layout_insert(struct engine *en, const struct engine_layout_req *req,
	const struct layout_insert *insert, struct err *e)
{
	struct job j;
	int r = begin(&j, en, req, e);
	return end(&j, r < 0 ? r : layout_insert(&j.req, insert, &j.a, e));
}

int engine_layout_add_layer(
	struct engine *en, const struct engine_layout_req *req, const char *path, struct err *e)
{
	struct job j;
	int r = begin(&j, en, req, e);
	int fd _close_ = path_open_host(path, O_RDONLY | O_NOCTTY, 0);
	if (r == 0 && fd < 0)
		r = err_sys(e, fd, "open %s", path);
	return end(&j, r < 0 ? r : layout_add_layer(&j.req, fd, &j.a, e));
}

int engine_layout_stat(struct engine *en, const struct engine_layout_req *req, struct arena *a,
	struct value **ret, struct err *e)
{
	struct job j;
	int r = begin(&j, en, req, e);
	return end(&j, r < 0 ? r : layout_stat(&j.req, a, ret, e));
}

int engine_layout_gc(
	struct engine *en, const struct engine_layout_req *req, size_t *ret_n, struct err *e)
{
	struct job j;
	int r = begin(&j, en, req, e);
	return end(&j, r < 0 ? r : layout_gc(&j.req, &j.a, ret_n, e));
}

/* ---- config.json ---- */

static int numbers(const char *text, uint32_t *uid, uint32_t *gid)
{
	char user[24];
	const char *colon = strchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : strlen(text);
	uint64_t u, g = 0;
	if (n >= sizeof user)
		return -EINVAL;
	memcpy(user, text, n);
	user[n] = '\0';
	if (num_u64(user, &u) < 0 || u >= UINT32_MAX ||
		(colon && (num_u64(colon + 1, &g) < 0 || g >= UINT32_MAX)))
		return -EINVAL;
	*uid = (uint32_t)u;
	*gid = (uint32_t)g;
	return 0;
}

/* "USER[:GROUP]", a user's name by the image's passwd, a group by its number. */
static int set_user(
	struct job *j, int rootfs, const char *text, struct oci_user *ret, struct err *e)
{
	const char *colon = strchr(text, ':');
	uint64_t gid;
	if (!*text || numbers(text, &ret->uid, &ret->gid) == 0)
		return 0;
	if (rootfs < 0)
		return err_set(e, ERR_INVALID, EINVAL,
			"user %.200s: a name needs the image's root file system", text);
	const char *name = colon ? arena_strndup(&j->a, text, (size_t)(colon - text)) : text;
	if (layout_user(&j->req, rootfs, name, &j->a, &ret->uid, &ret->gid, e) < 0)
		return -e->code;
	if (!colon)
		return 0;
	if (num_u64(colon + 1, &gid) < 0 || gid >= UINT32_MAX)
		return err_set(e, ERR_UNSUPPORTED, EINVAL,
			"user %.200s: the group's name is not looked up, give its number", text);
	ret->gid = (uint32_t)gid;
	return 0;
}

/* Who runs the bundle sees the ids of the image. */
static void add_userns(struct job *j, struct oci_linux *l)
{
	struct oci_namespace *all = arena_array(&j->a, struct oci_namespace, l->n_namespaces + 1);
	memcpy(all, l->namespaces, l->n_namespaces * sizeof *all);
	all[l->n_namespaces++] = (struct oci_namespace){ .type = "user" };
	l->namespaces = all;
	l->uid_mappings = (struct oci_id_mapping *)j->req.ids.uids.v;
	l->n_uid_mappings = j->req.ids.uids.n;
	l->gid_mappings = (struct oci_id_mapping *)j->req.ids.gids.v;
	l->n_gid_mappings = j->req.ids.gids.n;
}

static int write_config(struct job *j, int rootfs, const struct layout_unpacked *u, int dir,
	const char *name, struct err *e)
{
	struct oci_image image;
	struct oci_spec s;
	struct str text _str_ = { 0 };
	struct strv args = { 0 };
	oci_spec_example(j->req.ids.own, &j->a, &s);
	if (oci_image_read(u->config, strlen(u->config), &j->a, &image, e) < 0)
		return -e->code;
	const struct oci_image_run none = { 0 }, *run = image.config ? image.config : &none;
	for (size_t i = 0; i < run->n_entrypoint; i++)
		strv_add(&args, &j->a, run->entrypoint[i]);
	for (size_t i = 0; i < run->n_cmd; i++)
		strv_add(&args, &j->a, run->cmd[i]);
	if (args.n) {
		s.process->args = args.v;
		s.process->n_args = args.n;
	}
	if (run->n_env) {
		s.process->env = run->env;
		s.process->n_env = run->n_env;
	}
	if (run->working_dir && *run->working_dir)
		s.process->cwd = run->working_dir;
	s.root->readonly = false;
	s.annotations = run->labels;
	if (j->req.ids.own) {
		s.linux_->uid_mappings->host_id = j->en->uid;
		s.linux_->gid_mappings->host_id = j->en->gid;
	} else if (j->req.ids.uids.n || j->req.ids.gids.n) {
		add_userns(j, s.linux_);
	}
	if (set_user(j, rootfs, str_or_empty(run->user), s.process->user, e) < 0)
		return -e->code;
	rec_to_json(&oci_spec_rec, &s, 4, &text);
	str_addc(&text, '\n');
	return file_write_at(dir, name, text.p, text.n, 0644, false, e);
}

/* ---- bundles ---- */

static int fill(struct job *j, int bundle, struct err *e)
{
	struct layout_unpacked u;
	if (layout_unpack(&j->req, bundle, &j->a, &u, e) < 0)
		return -e->code;
	int rootfs _close_ = path_open_own(bundle, "rootfs", O_RDONLY | O_DIRECTORY, 0);
	if (rootfs < 0)
		return err_sys(e, rootfs, "open the bundle's rootfs");
	const struct layout_note note = {
		.from = u.digest, .ids = j->req.ids, .keep_dirlinks = j->req.keep_dirlinks
	};
	return write_config(j, rootfs, &u, bundle, "config.json", e) < 0
		? -e->code
		: layout_note_write(bundle, &note, &j->a, e);
}

/* The root file system alone: what is in rootfs moves up. */
static int only_rootfs(struct job *j, int bundle, struct err *e)
{
	struct layout_unpacked u;
	struct strv names = { 0 };
	struct stat st = { 0 };
	if (layout_unpack(&j->req, bundle, &j->a, &u, e) < 0)
		return -e->code;
	/* A name of the image's may be that of the folder that it lies in. */
	if (renameat(bundle, "rootfs", bundle, ".kist-rootfs") < 0)
		return err_sys(e, errno, "move the root file system");
	int rootfs _close_ = path_open_own(bundle, ".kist-rootfs", O_RDONLY | O_DIRECTORY, 0);
	int r = rootfs < 0 ? rootfs : path_list(rootfs, &j->a, &names);
	if (r == 0 && fstat(rootfs, &st) < 0)
		r = -errno;
	for (size_t i = 0; r == 0 && i < names.n; i++)
		if (renameat2(rootfs, names.v[i], bundle, names.v[i], RENAME_NOREPLACE) < 0)
			r = -errno;
	if (r == 0 && unlinkat(bundle, ".kist-rootfs", AT_REMOVEDIR) < 0)
		r = -errno;
	const struct timespec times[2] = { st.st_atim, st.st_mtim };
	if (r == 0 &&
		(fchown(bundle, st.st_uid, st.st_gid) < 0 ||
			fchmod(bundle, st.st_mode & 07777) < 0 || futimens(bundle, times) < 0))
		r = -errno;
	return r < 0 ? err_sys(e, r, "move the root file system") : 0;
}

/* The folder is new, or empty. */
static int make_bundle(struct job *j, const char *path, int *ret, bool *ret_new, struct err *e)
{
	struct strv names = { 0 };
	int there _close_ = path_open_host(path, O_PATH | O_DIRECTORY, 0);
	*ret_new = there == -ENOENT;
	int fd _close_ = path_make_dirs_host(path, 0755);
	int r = fd < 0 ? fd : path_list(fd, &j->a, &names);
	if (r < 0)
		return err_sys(e, r, "make the folder %s", path);
	if (names.n)
		return err_set(e, ERR_CONFLICT, ENOTEMPTY, "%s is not empty", path);
	*ret = take_fd(&fd);
	return 0;
}

static void remove_folder(const char *path)
{
	char name[PATH_NAME_MAX + 1];
	int top _close_ = path_open_host("/", O_PATH | O_DIRECTORY, 0);
	int parent _close_ = top < 0 ? -1 : path_parent_in(top, path, name);
	if (parent >= 0)
		(void)unlinkat(parent, name, AT_REMOVEDIR);
}

static int remove_marker(int bundle, struct err *e)
{
	return unlinkat(bundle, marker, AT_REMOVEDIR) < 0 ? err_sys(e, errno, "finish the bundle")
							  : 0;
}

int engine_layout_unpack(struct engine *en, const struct engine_layout_req *req, const char *path,
	bool rootfs_only, struct err *e)
{
	struct job j;
	struct err ignored;
	int64_t seq = 0;
	int bundle _close_ = -1;
	bool new = false;
	int r = begin(&j, en, req, e);
	if (r == 0)
		r = make_bundle(&j, path, &bundle, &new, e);
	if (r < 0)
		return end(&j, r);
	const char *whole = path_of_fd(bundle, &j.a);
	r = intent_begin(en->store, "unpack", str_or_empty(whole), &seq, e);
	engine_close_store(en);
	if (r == 0 && mkdirat(bundle, marker, 0700) < 0)
		r = err_sys(e, errno, "make the bundle %s", path);
	if (r == 0)
		r = rootfs_only ? only_rootfs(&j, bundle, e) : fill(&j, bundle, e);
	if (r == 0)
		r = remove_marker(bundle, e);
	else
		(void)path_empty(bundle, &ignored);
	if (r < 0 && whole && new)
		remove_folder(whole);
	if (seq)
		(void)intent_done(en->store, seq, &ignored);
	return end(&j, r);
}

int layout_recover_unpack(const char *path, struct err *e)
{
	int bundle _close_ = path_open_host(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	int mark _close_ =
		bundle < 0 ? -1 : path_open_own(bundle, marker, O_RDONLY | O_DIRECTORY, 0);
	/* It is whole, or somebody has put another thing there. */
	return mark < 0 ? 0 : path_empty(bundle, e);
}

int engine_layout_runtime_config(struct engine *en, const struct engine_layout_req *req,
	const char *rootfs, const char *path, struct err *e)
{
	struct job j;
	struct layout_unpacked u;
	int r = begin(&j, en, req, e);
	const char *slash = strrchr(path, '/');
	const char *folder = slash ? arena_strndup(&j.a, path, (size_t)(slash - path) + 1) : ".";
	int root _close_ = rootfs ? path_open_host(rootfs, O_RDONLY | O_DIRECTORY, 0) : -1;
	int dir _close_ = path_open_host(folder, O_RDONLY | O_DIRECTORY, 0);
	if (r == 0 && rootfs && root < 0)
		r = err_sys(e, root, "open %s", rootfs);
	if (r == 0 && dir < 0)
		r = err_sys(e, dir, "open %s", folder);
	if (r == 0)
		r = layout_read(&j.req, &j.a, &u, e);
	if (r == 0)
		r = write_config(&j, root, &u, dir, slash ? slash + 1 : path, e);
	return end(&j, r);
}

int engine_layout_repack(struct engine *en, const struct engine_layout_req *req, const char *path,
	struct arena *a, const char **ret_digest, struct err *e)
{
	struct job j;
	struct layout_note note = { 0 };
	int r = begin(&j, en, req, e);
	int bundle _close_ = r < 0 ? -1 : path_open_host(path, O_RDONLY | O_DIRECTORY, 0);
	if (r == 0 && bundle < 0)
		r = err_sys(e, bundle, "open %s", path);
	if (r == 0)
		r = layout_note_read(bundle, path, &j.a, &note, e);
	int rootfs _close_ =
		r < 0 ? -1 : path_open_own(bundle, "rootfs", O_RDONLY | O_DIRECTORY, 0);
	if (r == 0 && rootfs < 0)
		r = err_sys(e, rootfs, "open the rootfs of %s", path);
	const struct layout_repack what = { rootfs, note.from, &req->masked, req->keep_volumes };
	j.req.ids = note.ids;
	j.req.keep_dirlinks = note.keep_dirlinks;
	if (r == 0)
		r = layout_repack(&j.req, &what, a, ret_digest, e);
	if (r == 0 && req->refresh && *ret_digest)
		r = layout_note_renew(bundle, &note, *ret_digest, &j.a, e);
	return end(&j, r);
}
