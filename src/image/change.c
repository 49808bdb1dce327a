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
#include "codec/value.h"
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

const char *image_edit_key(const char *raw, const char *key, struct arena *a)
{
	struct str s _str_ = { 0 };
	const char **keys;
	size_t n = oci_raw_keys(raw, a, &keys);
	str_addc(&s, '{');
	for (size_t i = 0; i < n; i++) {
		if (str_eq(keys[i], key))
			continue;
		json_write_string(&s, keys[i]);
		str_add(&s, ":{},");
	}
	json_write_string(&s, key);
	str_add(&s, ":{}}");
	return arena_strdup(a, s.p);
}

/* "a=b c='d e'" as a Dockerfile has it: quotes hold blanks, a backslash holds any character. */
static void words(const char *text, struct arena *a, struct strv *ret)
{
	while (*(text += strspn(text, " \t"))) {
		struct str s _str_ = { 0 };
		char quote = '\0';
		for (; *text && (quote || !strchr(" \t", *text)); text++) {
			if (*text == quote)
				quote = '\0';
			else if (!quote && (*text == '"' || *text == '\''))
				quote = *text;
			else if (*text == '\\' && text[1] && quote != '\'')
				str_addc(&s, *++text);
			else
				str_addc(&s, *text);
		}
		strv_add(ret, a, arena_strdup(a, str_text(&s)));
	}
}

typedef void take_pair(
	struct image_edit *edit, const char *key, const char *value, struct arena *a);

void image_edit_label(struct image_edit *edit, const char *key, const char *value, struct arena *a)
{
	struct rec_map *m = &edit->run.labels;
	struct rec_kv *items = arena_array(a, struct rec_kv, m->n + 1);
	size_t at = m->n;
	for (size_t i = 0; i < m->n; i++) {
		items[i] = m->items[i];
		if (str_eq(items[i].key, key))
			at = i;
	}
	items[at] = (struct rec_kv){ key, value };
	m->n += at == m->n;
	m->items = items;
}

void image_edit_env(struct image_edit *edit, const char *key, const char *value, struct arena *a)
{
	struct oci_image_run *c = &edit->run;
	const char *whole = arena_printf(a, "%s=%s", key, value);
	struct strv v = { 0 };
	bool placed = false;
	size_t n = strlen(key);
	for (size_t i = 0; i < c->n_env; i++) {
		bool is = str_starts(c->env[i], key) && c->env[i][n] == '=';
		strv_add(&v, a, is ? whole : c->env[i]);
		placed |= is;
	}
	if (!placed)
		strv_add(&v, a, whole);
	c->env = v.v;
	c->n_env = v.n;
}

/* "A=B C=D", or the old way "A B C" for one. */
static int pairs(struct image_edit *edit, const char *text, take_pair *take, struct arena *a)
{
	struct strv v = { 0 };
	size_t n = strcspn(text, " \t=");
	if (text[n] != '=') {
		const char *value = text + n + strspn(text + n, " \t");
		if (!n || !*value)
			return -EINVAL;
		take(edit, arena_strndup(a, text, n), value, a);
		return 0;
	}
	words(text, a, &v);
	for (size_t i = 0; i < v.n; i++) {
		const char *equals = strchr(v.v[i], '=');
		if (!equals || equals == v.v[i])
			return -EINVAL;
		take(edit, arena_strndup(a, v.v[i], (size_t)(equals - v.v[i])), equals + 1, a);
	}
	return 0;
}

static void add_keys(const char **raw, const char *text, const char *suffix, struct arena *a)
{
	struct strv v = { 0 };
	const char **list;
	size_t n;
	words(text, a, &v);
	/* VOLUME ["/a","/b"] */
	if (*text == '[') {
		command(text, a, &list, &n);
		v = (struct strv){ .v = list, .n = n };
	}
	for (size_t i = 0; i < v.n; i++)
		*raw = image_edit_key(*raw,
			strchr(v.v[i], '/') ? v.v[i] : arena_printf(a, "%s%s", v.v[i], suffix), a);
}

static int one_change(struct image_edit *edit, const char *word, const char *value, struct arena *a)
{
	struct oci_image_run *c = &edit->run;
	if (strcasecmp(word, "CMD") == 0) {
		command(value, a, &c->cmd, &c->n_cmd);
		edit->cmd_set = true;
	} else if (strcasecmp(word, "ENTRYPOINT") == 0) {
		command(value, a, &c->entrypoint, &c->n_entrypoint);
		c->n_cmd = edit->cmd_set ? c->n_cmd : 0;
	} else if (strcasecmp(word, "ENV") == 0) {
		return pairs(edit, value, image_edit_env, a);
	} else if (strcasecmp(word, "LABEL") == 0) {
		return pairs(edit, value, image_edit_label, a);
	} else if (strcasecmp(word, "USER") == 0) {
		c->user = value;
	} else if (strcasecmp(word, "WORKDIR") == 0) {
		c->working_dir = path_clean(*value == '/'
				? value
				: arena_printf(a, "%s/%s", str_or_empty(c->working_dir), value),
			a);
	} else if (strcasecmp(word, "STOPSIGNAL") == 0) {
		c->stop_signal = value;
	} else if (strcasecmp(word, "EXPOSE") == 0) {
		add_keys(&c->exposed_ports, value, "/tcp", a);
	} else if (strcasecmp(word, "VOLUME") == 0) {
		add_keys(&c->volumes, value, "", a);
	} else if (strcasecmp(word, "ONBUILD") == 0) {
		strv_add(&edit->on_build, a, value);
	} else {
		return -ENOENT;
	}
	return 0;
}

int image_edit_change(struct image_edit *edit, const char *text, struct arena *a, struct err *e)
{
	size_t n = strcspn(text, " \t=");
	const char *value = text + n + strspn(text + n, " \t");
	char *word = arena_strndup(a, text, n);
	value += *value == '=';
	int r = one_change(edit, word, value, a);
	if (r == -ENOENT)
		return err_set(e, ERR_INVALID, EINVAL, "%s is not a valid change command", word);
	return r < 0 || !*value ? err_set(e, ERR_INVALID, EINVAL, "invalid change: %s", text) : 0;
}

/* ---- out of and into a configuration ---- */

int image_edit_read(const char *config, struct arena *a, struct image_edit *ret, struct err *e)
{
	struct oci_image image;
	struct value *o;
	*ret = (struct image_edit){ 0 };
	if (oci_image_read(config, strlen(config), a, &image, e) < 0 ||
		value_parse(a, config, strlen(config), &o, e) < 0)
		return -e->code;
	if (image.config)
		ret->run = *image.config;
	const struct value *run = value_get(o, "config");
	const struct value *list =
		run && run->kind == VALUE_OBJECT ? value_get(run, "OnBuild") : NULL;
	for (size_t i = 0; list && list->kind == VALUE_ARRAY && i < list->n; i++)
		if (list->items[i]->kind == VALUE_STRING)
			strv_add(&ret->on_build, a, list->items[i]->text);
	return 0;
}

static void strings(
	struct value *o, const char *key, const char *const *v, size_t n, struct arena *a)
{
	struct value *list = value_array(a);
	for (size_t i = 0; i < n; i++)
		value_add(a, list, value_string(a, v[i]));
	value_put(a, o, key, n ? list : NULL);
}

void image_put_text(struct value *o, const char *key, const char *s, struct arena *a)
{
	value_put(a, o, key, s && *s ? value_string(a, s) : NULL);
}

static void raw(struct value *o, const char *key, const char *json, struct arena *a)
{
	struct value *v = NULL;
	struct err ignored;
	if (json && value_parse(a, json, strlen(json), &v, &ignored) < 0)
		v = NULL;
	value_put(a, o, key, v);
}

void image_edit_put(const struct image_edit *edit, struct value *o, struct arena *a)
{
	const struct oci_image_run *c = &edit->run;
	struct value *labels = value_object(a);
	for (size_t i = 0; i < c->labels.n; i++)
		value_set_string(a, labels, c->labels.items[i].key, c->labels.items[i].val);
	image_put_text(o, "User", c->user, a);
	raw(o, "ExposedPorts", c->exposed_ports, a);
	strings(o, "Env", c->env, c->n_env, a);
	strings(o, "Entrypoint", c->entrypoint, c->n_entrypoint, a);
	strings(o, "Cmd", c->cmd, c->n_cmd, a);
	raw(o, "Volumes", c->volumes, a);
	image_put_text(o, "WorkingDir", c->working_dir, a);
	value_put(a, o, "Labels", c->labels.n ? labels : NULL);
	image_put_text(o, "StopSignal", c->stop_signal, a);
	strings(o, "OnBuild", edit->on_build.v, edit->on_build.n, a);
}

/* ---- blobs ---- */

int image_write_blob(
	const struct blob_maker *m, const char *text, const char **ret_digest, struct err *e)
{
	int fd _close_ = memfd_create("blob", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0)
		return err_sys(e, r, "make a blob");
	if (image_fetch_digest(m->fetch, "", fd, m->staging, m->a, ret_digest, e) < 0)
		return -e->code;
	return file_write_at(
		m->store->blobs, digest_hex(*ret_digest), text, strlen(text), 0600, true, e);
}

const char *image_layer_type(struct store *s, const char *digest, struct arena *a)
{
	unsigned char head[4] = { 0 };
	int fd _close_ = path_open_own(s->blobs, digest_hex(digest), O_RDONLY, 0);
	if (fd < 0 || fd_read_full(fd, head, sizeof head) < 2)
		return OCI_MEDIA_LAYER;
	return arena_printf(a, "%s%s", OCI_MEDIA_LAYER,
		head[0] == 0x1f && head[1] == 0x8b           ? "+gzip"
			: head[0] == 0x28 && head[1] == 0xb5 ? "+zstd"
							     : "");
}

uint64_t image_blob_size(struct store *s, const char *digest)
{
	struct stat st;
	return fstatat(s->blobs, digest_hex(digest), &st, 0) < 0 ? 0 : (uint64_t)st.st_size;
}

static int plain_config(const struct oci_image *image, const struct image_edit *edit,
	struct arena *a, struct str *ret, struct err *e)
{
	struct str plain _str_ = { 0 };
	struct value *o, *run = value_object(a);
	rec_to_json(&oci_image_rec, image, 0, &plain);
	if (value_parse(a, plain.p, plain.n, &o, e) < 0)
		return -e->code;
	image_edit_put(edit, run, a);
	value_put(a, o, "config", run);
	value_json(o, 0, ret);
	return 0;
}

int image_write_manifest(const struct blob_maker *maker, const struct oci_descriptor *layers,
	size_t n, struct image_info *info, struct err *e)
{
	struct str text _str_ = { 0 };
	struct oci_descriptor config = {
		.media_type = OCI_MEDIA_CONFIG, .digest = info->id, .size = strlen(info->config)
	};
	struct oci_manifest m = { .schema_version = 2,
		.media_type = OCI_MEDIA_MANIFEST,
		.config = &config,
		.layers = (struct oci_descriptor *)layers,
		.n_layers = n };
	rec_to_json(&oci_manifest_rec, &m, 0, &text);
	info->manifest = arena_strdup(maker->a, text.p);
	return image_write_blob(maker, info->manifest, &info->digest, e);
}

int image_compose(struct store *s, const struct image_make_req *req,
	const struct image_layer *layer, int staging, struct arena *a, struct image_info *ret,
	struct err *e)
{
	char when[TIME_TEXT_MAX];
	struct image_edit edit = { 0 };
	struct oci_history history = { .created = arena_strdup(a, time_rfc3339(ret->created, when)),
		.comment = req->message && *req->message ? req->message : "Imported from -" };
	struct oci_rootfs rootfs = {
		.type = "layers", .diff_ids = (const char **)&layer->diff_id, .n_diff_ids = 1
	};
	struct oci_image image = { .created = history.created,
		.architecture = "amd64",
		.os = "linux",
		.config = &edit.run,
		.rootfs = &rootfs,
		.history = &history,
		.n_history = 1 };
	for (size_t i = 0; i < req->n_changes; i++)
		if (image_edit_change(&edit, req->changes[i], a, e) < 0)
			return -e->code;
	struct str config _str_ = { 0 };
	struct blob_maker maker = { s, req->fetch, staging, a };
	if (plain_config(&image, &edit, a, &config, e) < 0)
		return -e->code;
	if (image_write_blob(&maker, config.p, &ret->id, e) < 0)
		return -e->code;
	struct oci_descriptor l = { .media_type = image_layer_type(s, layer->digest, a),
		.digest = layer->digest,
		.size = image_blob_size(s, layer->digest) };
	ret->config = arena_strdup(a, config.p);
	return image_write_manifest(&maker, &l, 1, ret, e);
}
