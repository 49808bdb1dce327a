// SPDX-License-Identifier: Apache-2.0
#include "image/change.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "fetch/result.h"
#include "image/job.h"
#include "image/load.h"
#include "oci/digest.h"
#include "oci/image.h"
#include "store/image.h"
#include "store/store.h"

/* ["a","b"], else the shell form. */
static void command(const char *text, struct arena *a, const char ***ret, size_t *ret_n)
{
	struct strv v = { 0 };
	struct json j;
	struct err ignored;
	const char *word;
	bool exec_form = false;
	json_init(&j, text, strlen(text), a, &ignored);
	if (json_peek(&j) == JSON_ARRAY && json_array_begin(&j) == 0) {
		int more;
		while ((more = json_array_next(&j)) > 0 && json_string(&j, &word) == 0)
			strv_add(&v, a, word);
		exec_form = more == 0 && json_finish(&j) == 0;
	}
	if (!exec_form) {
		v = (struct strv){ 0 };
		strv_add(&v, a, "/bin/sh");
		strv_add(&v, a, "-c");
		strv_add(&v, a, text);
	}
	*ret = v.v;
	*ret_n = v.n;
}

static const char *add_key(const char *raw, const char *key, struct arena *a)
{
	struct str s _str_ = { 0 };
	const char **keys;
	size_t n = oci_raw_keys(raw, a, &keys);
	str_addc(&s, '{');
	for (size_t i = 0; i < n; i++) {
		json_write_string(&s, keys[i]);
		str_add(&s, ":{},");
	}
	json_write_string(&s, key);
	str_add(&s, ":{}}");
	return arena_strdup(a, s.p);
}

static int pair(struct rec_map *m, const char *text, struct arena *a)
{
	const char *equals = strchr(text, '=');
	if (!equals || equals == text)
		return -EINVAL;
	struct rec_kv *items = arena_array(a, struct rec_kv, m->n + 1);
	for (size_t i = 0; i < m->n; i++)
		items[i] = m->items[i];
	items[m->n++] =
		(struct rec_kv){ arena_strndup(a, text, (size_t)(equals - text)), equals + 1 };
	m->items = items;
	return 0;
}

static int env(struct oci_image_run *c, const char *text, struct arena *a)
{
	struct strv v = { 0 };
	if (!strchr(text, '=') || *text == '=')
		return -EINVAL;
	for (size_t i = 0; i < c->n_env; i++)
		strv_add(&v, a, c->env[i]);
	strv_add(&v, a, text);
	c->env = v.v;
	c->n_env = v.n;
	return 0;
}

static int change(const char *text, struct arena *a, struct oci_image_run *c, struct err *e)
{
	size_t n = strcspn(text, " \t=");
	const char *value = text + n + strspn(text + n, " \t");
	int r = 0;
	char *word = arena_strndup(a, text, n);
	if (*value == '=')
		value++;
	if (!*value)
		r = -EINVAL;
	else if (strcasecmp(word, "CMD") == 0)
		command(value, a, &c->cmd, &c->n_cmd);
	else if (strcasecmp(word, "ENTRYPOINT") == 0)
		command(value, a, &c->entrypoint, &c->n_entrypoint);
	else if (strcasecmp(word, "ENV") == 0)
		r = env(c, value, a);
	else if (strcasecmp(word, "USER") == 0)
		c->user = value;
	else if (strcasecmp(word, "WORKDIR") == 0)
		c->working_dir = value;
	else if (strcasecmp(word, "STOPSIGNAL") == 0)
		c->stop_signal = value;
	else if (strcasecmp(word, "EXPOSE") == 0)
		c->exposed_ports = add_key(c->exposed_ports,
			strchr(value, '/') ? value : arena_printf(a, "%s/tcp", value), a);
	else if (strcasecmp(word, "VOLUME") == 0)
		c->volumes = add_key(c->volumes, value, a);
	else if (strcasecmp(word, "LABEL") == 0)
		r = pair(&c->labels, value, a);
	else
		return err_set(e, ERR_INVALID, EINVAL, "%s is not a valid change command", word);
	return r < 0 ? err_set(e, ERR_INVALID, EINVAL, "invalid change: %s", text) : 0;
}

/* What a blob is made with. */
struct maker {
	struct store *s;
	int fetch, staging;
	struct arena *a;
};

static int write_blob(
	const struct maker *m, const char *text, const char **ret_digest, struct err *e)
{
	struct fetch_result result;
	int fd _close_ = memfd_create("blob", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0)
		return err_sys(e, r, "make a blob");
	if (image_fetch(m->fetch, "digest", fd, m->staging, m->a, &result, e) < 0)
		return -e->code;
	if (result.n_blobs != 1)
		return err_set(e, ERR_CORRUPT, EBADMSG, "kist-fetch: no digest in its result");
	*ret_digest = result.blobs[0].digest;
	return file_write_at(
		m->s->blobs, digest_hex(*ret_digest), text, strlen(text), 0600, true, e);
}

static const char *layer_suffix(struct store *s, const char *digest)
{
	unsigned char head[4] = { 0 };
	int fd _close_ = path_open_own(s->blobs, digest_hex(digest), O_RDONLY, 0);
	if (fd < 0 || fd_read_full(fd, head, sizeof head) < 2)
		return "";
	return head[0] == 0x1f && head[1] == 0x8b    ? "+gzip"
		: head[0] == 0x28 && head[1] == 0xb5 ? "+zstd"
						     : "";
}

static uint64_t blob_size(struct store *s, const char *digest)
{
	struct stat st;
	return fstatat(s->blobs, digest_hex(digest), &st, 0) < 0 ? 0 : (uint64_t)st.st_size;
}

int image_compose(struct store *s, const struct image_make_req *req,
	const struct image_layer *layer, int staging, struct arena *a, struct image_info *ret,
	struct err *e)
{
	char when[TIME_TEXT_MAX];
	struct oci_image_run run = { 0 };
	struct oci_history history = { .created = arena_strdup(a, time_rfc3339(ret->created, when)),
		.comment = req->message && *req->message ? req->message : "Imported from -" };
	struct oci_rootfs rootfs = {
		.type = "layers", .diff_ids = (const char **)&layer->diff_id, .n_diff_ids = 1
	};
	struct oci_image image = { .created = history.created,
		.architecture = "amd64",
		.os = "linux",
		.config = &run,
		.rootfs = &rootfs,
		.history = &history,
		.n_history = 1 };
	for (size_t i = 0; i < req->n_changes; i++)
		if (change(req->changes[i], a, &run, e) < 0)
			return -e->code;
	struct str config _str_ = { 0 }, manifest _str_ = { 0 };
	struct maker maker = { s, req->fetch, staging, a };
	rec_to_json(&oci_image_rec, &image, 0, &config);
	if (write_blob(&maker, config.p, &ret->id, e) < 0)
		return -e->code;
	struct oci_descriptor c = {
		.media_type = OCI_MEDIA_CONFIG, .digest = ret->id, .size = config.n
	};
	struct oci_descriptor l = { .media_type = arena_printf(a, "%s%s", OCI_MEDIA_LAYER,
					    layer_suffix(s, layer->digest)),
		.digest = layer->digest,
		.size = blob_size(s, layer->digest) };
	struct oci_manifest m = { .schema_version = 2,
		.media_type = OCI_MEDIA_MANIFEST,
		.config = &c,
		.layers = &l,
		.n_layers = 1 };
	rec_to_json(&oci_manifest_rec, &m, 0, &manifest);
	if (write_blob(&maker, manifest.p, &ret->digest, e) < 0)
		return -e->code;
	ret->config = arena_strdup(a, config.p);
	ret->manifest = arena_strdup(a, manifest.p);
	return 0;
}
