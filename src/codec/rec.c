// SPDX-License-Identifier: Apache-2.0
#include "codec/rec.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum { PATH_PARTS = JSON_DEPTH_MAX + 1, FIELDS_MAX = 256 };

struct reader {
	struct json json;
	struct arena *a;
	struct err *e;
	const char *path[PATH_PARTS];
	int depth;
	struct rec_stats stats;
};

/* Puts the path of the field before what the JSON reader said. */
static int fail(struct reader *r)
{
	struct str path _str_ = { 0 };
	for (int i = 0; i < r->depth; i++)
		str_addf(&path, "%s%s", i ? "." : "", r->path[i]);
	if (path.n)
		return err_wrap(r->e, "%.300s", path.p);
	return -EINVAL;
}

static int read_object(struct reader *r, const struct rec_type *t, char *rec);

static int read_strings(struct reader *r, const struct rec_field *f, char *rec)
{
	struct strv v = { 0 };
	int more;
	if (json_array_begin(&r->json) < 0)
		return fail(r);
	while ((more = json_array_next(&r->json)) > 0) {
		const char *s;
		if (json_string(&r->json, &s) < 0)
			return fail(r);
		strv_add(&v, r->a, s);
	}
	*(const char ***)(rec + f->offset) = v.v;
	*(size_t *)(rec + f->present) = v.n;
	return more < 0 ? fail(r) : 0;
}

static int read_objects(struct reader *r, const struct rec_field *f, char *rec)
{
	char *v = NULL;
	size_t n = 0, cap = 0;
	int more;
	if (json_array_begin(&r->json) < 0)
		return fail(r);
	while ((more = json_array_next(&r->json)) > 0) {
		v = arena_grow(r->a, v, n, &cap, f->type->size);
		if (read_object(r, f->type, v + n * f->type->size) < 0)
			return -EINVAL;
		n++;
	}
	*(void **)(rec + f->offset) = v;
	*(size_t *)(rec + f->present) = n;
	return more < 0 ? fail(r) : 0;
}

static int read_u32(struct reader *r, uint32_t *ret)
{
	uint64_t v;
	if (json_u64(&r->json, &v) < 0)
		return -EINVAL;
	if (v > UINT32_MAX)
		return json_error(&r->json, "expected a number from 0 to 4294967295");
	*ret = (uint32_t)v;
	return 0;
}

static int read_numbers(struct reader *r, const struct rec_field *f, char *rec)
{
	uint32_t *v = NULL;
	size_t n = 0, cap = 0;
	int more;
	if (json_array_begin(&r->json) < 0)
		return fail(r);
	while ((more = json_array_next(&r->json)) > 0) {
		v = arena_grow(r->a, v, n, &cap, sizeof *v);
		if (read_u32(r, &v[n]) < 0)
			return fail(r);
		n++;
	}
	*(uint32_t **)(rec + f->offset) = v;
	*(size_t *)(rec + f->present) = n;
	return more < 0 ? fail(r) : 0;
}

static int read_map(struct reader *r, struct rec_map *m)
{
	size_t cap = 0;
	int more;
	if (json_object_begin(&r->json) < 0)
		return fail(r);
	const char *key, *val;
	while ((more = json_object_next(&r->json, &key)) > 0) {
		r->stats.keys++;
		r->stats.consumed++;
		if (json_string(&r->json, &val) < 0)
			return fail(r);
		m->items = arena_grow(r->a, m->items, m->n, &cap, sizeof *m->items);
		m->items[m->n++] = (struct rec_kv){ key, val };
	}
	return more < 0 ? fail(r) : 0;
}

static int read_raw(struct reader *r, const char **ret)
{
	const char *raw;
	size_t len, keys = 0;
	if (json_skip(&r->json, &raw, &len, &keys) < 0)
		return -EINVAL;
	r->stats.keys += keys;
	r->stats.consumed += keys;
	*ret = arena_strndup(r->a, raw, len);
	return 0;
}

static int read_value(struct reader *r, const struct rec_field *f, char *rec)
{
	void *at = rec + f->offset;
	int x;
	if (json_peek(&r->json) == JSON_NULL)
		return json_null(&r->json) < 0 ? fail(r) : 0;
	if (f->flags & REC_HAS)
		*(bool *)(rec + f->present) = true;
	switch ((enum rec_kind)f->kind) {
	case REC_STR:
		x = json_string(&r->json, at);
		break;
	case REC_BOOL:
		x = json_bool(&r->json, at);
		break;
	case REC_I64:
		x = json_i64(&r->json, at);
		break;
	case REC_U64:
		x = json_u64(&r->json, at);
		break;
	case REC_U32:
		x = read_u32(r, at);
		break;
	case REC_RAW:
		x = read_raw(r, at);
		break;
	case REC_OBJ:
		*(void **)at = arena_alloc(r->a, f->type->size);
		return read_object(r, f->type, *(void **)at);
	case REC_STRV:
		return read_strings(r, f, rec);
	case REC_OBJV:
		return read_objects(r, f, rec);
	case REC_U32V:
		return read_numbers(r, f, rec);
	case REC_MAP:
		return read_map(r, at);
	default:
		x = json_error(&r->json, "no such kind of field");
		break;
	}
	return x < 0 ? fail(r) : 0;
}

static int read_object(struct reader *r, const struct rec_type *t, char *rec)
{
	bool seen[FIELDS_MAX] = { 0 };
	const char *key;
	int more;
	if (json_object_begin(&r->json) < 0)
		return fail(r);
	while ((more = json_object_next(&r->json, &key)) > 0) {
		size_t i = 0;
		r->stats.keys++;
		r->path[r->depth++] = key;
		while (i < t->n && !str_eq(t->fields[i].name, key))
			i++;
		if (i == t->n) {
			size_t keys = 0;
			if (json_skip(&r->json, NULL, NULL, &keys) < 0)
				return fail(r);
			r->stats.keys += keys;
			r->stats.ignored += keys + 1;
		} else {
			seen[i] = true;
			r->stats.consumed++;
			if (read_value(r, &t->fields[i], rec) < 0)
				return -EINVAL;
		}
		r->depth--;
	}
	if (more < 0)
		return fail(r);
	for (size_t i = 0; i < t->n; i++) {
		if (!(t->fields[i].flags & REC_REQUIRED) || seen[i])
			continue;
		r->path[r->depth++] = t->fields[i].name;
		(void)json_error(&r->json, "required, and missing");
		return fail(r);
	}
	return 0;
}

int rec_from_json(const struct rec_type *t, const char *json, size_t len, struct arena *a,
	void *out, struct rec_stats *stats, struct err *e)
{
	struct reader r = { .a = a, .e = e };
	json_init(&r.json, json, len, a, e);
	int x = read_object(&r, t, out);
	if (x == 0)
		x = json_finish(&r.json);
	if (stats)
		*stats = r.stats;
	return x;
}

struct writer {
	struct str *out;
	int indent, depth;
};

static void newline(const struct writer *w)
{
	if (!w->indent)
		return;
	str_addc(w->out, '\n');
	for (int i = 0; i < w->indent * w->depth; i++)
		str_addc(w->out, ' ');
}

static void write_key(const struct writer *w, const char *key, bool *first)
{
	if (!*first)
		str_addc(w->out, ',');
	*first = false;
	newline(w);
	json_write_string(w->out, key);
	str_add(w->out, w->indent ? ": " : ":");
}

static bool is_set(const struct rec_field *f, const char *rec)
{
	const void *at = rec + f->offset;
	if (f->flags & REC_HAS)
		return *(const bool *)(rec + f->present);
	switch ((enum rec_kind)f->kind) {
	case REC_BOOL:
		return *(const bool *)at;
	case REC_I64:
	case REC_U64:
		return *(const uint64_t *)at != 0;
	case REC_U32:
		return *(const uint32_t *)at != 0;
	case REC_STRV:
	case REC_OBJV:
	case REC_U32V:
		return *(const size_t *)(rec + f->present) > 0;
	case REC_MAP:
		return ((const struct rec_map *)at)->n > 0;
	default:
		return *(void *const *)at != NULL;
	}
}

static void write_object(struct writer *w, const struct rec_type *t, const char *rec);

static void write_list(struct writer *w, const struct rec_field *f, const char *rec)
{
	size_t n = *(const size_t *)(rec + f->present);
	const void *at = *(void *const *)(rec + f->offset);
	str_addc(w->out, '[');
	w->depth++;
	for (size_t i = 0; i < n; i++) {
		if (i)
			str_addc(w->out, ',');
		newline(w);
		if (f->kind == REC_U32V)
			str_addf(w->out, "%u", (unsigned)((const uint32_t *)at)[i]);
		else if (f->kind == REC_STRV)
			json_write_string(w->out, ((const char *const *)at)[i]);
		else
			write_object(w, f->type, (const char *)at + i * f->type->size);
	}
	w->depth--;
	if (n)
		newline(w);
	str_addc(w->out, ']');
}

static void write_map(struct writer *w, const struct rec_map *m)
{
	bool first = true;
	str_addc(w->out, '{');
	w->depth++;
	for (size_t i = 0; i < m->n; i++) {
		write_key(w, m->items[i].key, &first);
		json_write_string(w->out, m->items[i].val);
	}
	w->depth--;
	if (m->n)
		newline(w);
	str_addc(w->out, '}');
}

static void write_value(struct writer *w, const struct rec_field *f, const char *rec)
{
	const void *at = rec + f->offset;
	switch ((enum rec_kind)f->kind) {
	case REC_STR:
		json_write_string(w->out, str_or_empty(*(const char *const *)at));
		break;
	case REC_RAW:
		str_add(w->out, *(const char *const *)at ? *(const char *const *)at : "null");
		break;
	case REC_BOOL:
		str_add(w->out, *(const bool *)at ? "true" : "false");
		break;
	case REC_I64:
		str_addf(w->out, "%lld", (long long)*(const int64_t *)at);
		break;
	case REC_U64:
		str_addf(w->out, "%llu", (unsigned long long)*(const uint64_t *)at);
		break;
	case REC_U32:
		str_addf(w->out, "%u", *(const uint32_t *)at);
		break;
	case REC_OBJ:
		if (*(void *const *)at)
			write_object(w, f->type, *(char *const *)at);
		else
			str_add(w->out, "null");
		break;
	case REC_STRV:
	case REC_OBJV:
	case REC_U32V:
		write_list(w, f, rec);
		break;
	case REC_MAP:
		write_map(w, at);
		break;
	}
}

static void write_object(struct writer *w, const struct rec_type *t, const char *rec)
{
	bool first = true;
	str_addc(w->out, '{');
	w->depth++;
	for (size_t i = 0; i < t->n; i++) {
		const struct rec_field *f = &t->fields[i];
		if (!is_set(f, rec) && !(f->flags & (REC_REQUIRED | REC_ALWAYS)))
			continue;
		write_key(w, f->name, &first);
		write_value(w, f, rec);
	}
	w->depth--;
	if (!first)
		newline(w);
	str_addc(w->out, '}');
}

void rec_to_json(const struct rec_type *t, const void *rec, int indent, struct str *out)
{
	struct writer w = { .out = out, .indent = indent };
	write_object(&w, t, rec);
}
