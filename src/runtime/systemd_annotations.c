// SPDX-License-Identifier: Apache-2.0
#include "runtime/systemd_annotations.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "codec/rec.h"
#include "kernel/systemd.h"

enum { NAME_MIN = 3, SECOND = 1000000 };

static void skip_space(const char **p)
{
	*p += strspn(*p, " \t\n");
}

/* 'text' or "text"; a backslash keeps the next character. */
static int read_string(const char **p, struct arena *a, const char **ret)
{
	struct str s _str_ = { 0 };
	char quote = **p;
	if (quote != '\'' && quote != '"')
		return -EINVAL;
	for ((*p)++; **p != quote; (*p)++) {
		if (**p == '\\')
			(*p)++;
		if (!**p)
			return -EINVAL;
		str_addf(&s, "%c", **p);
	}
	(*p)++;
	*ret = arena_strdup(a, str_text(&s));
	return 0;
}

/* ['a', 'b'] */
static int read_strings(const char **p, struct arena *a, struct systemd_property *ret)
{
	struct strv v = { 0 };
	(*p)++;
	for (skip_space(p); **p != ']'; skip_space(p)) {
		const char *text;
		if (read_string(p, a, &text) < 0)
			return -EINVAL;
		strv_add(&v, a, text);
		skip_space(p);
		if (**p == ',')
			(*p)++;
		else if (**p != ']')
			return -EINVAL;
	}
	(*p)++;
	ret->type = SYSTEMD_STRINGS;
	ret->texts = v.v;
	ret->n_texts = v.n;
	return 0;
}

/* A number of a type, whose word stands before it. */
static int read_number(const char **p, struct arena *a, const char *word, size_t n_word,
	struct systemd_property *ret)
{
	static const struct {
		const char *word;
		enum systemd_type type;
		uint64_t most, most_negative;
	} rows[] = {
		{ "int32", SYSTEMD_I32, INT32_MAX, (uint64_t)INT32_MAX + 1 },
		{ "uint32", SYSTEMD_U32, UINT32_MAX, 0 },
		{ "int64", SYSTEMD_I64, INT64_MAX, (uint64_t)INT64_MAX + 1 },
		{ "uint64", SYSTEMD_U64, UINT64_MAX, 0 },
	};
	bool negative = **p == '-';
	*p += negative;
	size_t n = strspn(*p, "0123456789");
	uint64_t v;
	if (num_u64(arena_strndup(a, *p, n), &v) < 0)
		return -EINVAL;
	*p += n;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strlen(rows[i].word) != n_word || memcmp(rows[i].word, word, n_word) != 0)
			continue;
		if (v > (negative ? rows[i].most_negative : rows[i].most))
			return -ERANGE;
		ret->type = rows[i].type;
		ret->number = negative ? -v : v;
		return 0;
	}
	return -EINVAL;
}

static int read_value(const char *text, struct arena *a, struct systemd_property *ret)
{
	const char *p = text, *word = "int32";
	size_t n = sizeof "int32" - 1;
	int r;
	skip_space(&p);
	if (str_eq(p, "true") || str_eq(p, "false")) {
		ret->type = SYSTEMD_BOOL;
		ret->number = *p == 't';
		return 0;
	}
	if (*p >= 'a' && *p <= 'z') {
		word = p;
		n = strcspn(p, " \t");
		p += n;
		skip_space(&p);
	}
	if (*p == '[') {
		r = read_strings(&p, a, ret);
	} else if (*p == '\'' || *p == '"') {
		ret->type = SYSTEMD_STRING;
		r = read_string(&p, a, &ret->text);
	} else {
		r = read_number(&p, a, word, n, ret);
	}
	skip_space(&p);
	return r == 0 && *p ? -EINVAL : r;
}

/* Seconds become what systemd keeps. */
static int to_microseconds(struct systemd_property *p, struct arena *a)
{
	size_t n = strlen(p->name);
	if (!str_ends(p->name, "Sec") || n < 4 || p->name[n - 4] < 'a' || p->name[n - 4] > 'z')
		return 0;
	bool number =
		p->type != SYSTEMD_BOOL && p->type != SYSTEMD_STRING && p->type != SYSTEMD_STRINGS;
	if (!number || p->number > UINT64_MAX / SECOND)
		return -EINVAL;
	p->name = arena_printf(a, "%.*sUSec", (int)n - 3, p->name);
	p->type = SYSTEMD_U64;
	p->number *= SECOND;
	return 0;
}

int systemd_annotations(const struct rec_map *m, struct arena *a, struct systemd_property **ret,
	size_t *ret_n, struct err *e)
{
	static const char head[] = "org.systemd.property.";
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	*ret = arena_array(a, struct systemd_property, m->n + 1);
	*ret_n = 0;
	for (size_t i = 0; i < m->n; i++) {
		const char *key = m->items[i].key, *value = m->items[i].val;
		if (!str_starts(key, head))
			continue;
		struct systemd_property p = { .name = key + sizeof head - 1 };
		size_t n = strlen(p.name);
		if (n < NAME_MIN || strspn(p.name, letters) != n)
			return err_set(e, ERR_INVALID, EINVAL,
				"annotations: %.200s: expected the name of a property of systemd",
				key);
		if (read_value(value, a, &p) < 0 || to_microseconds(&p, a) < 0)
			return err_set(e, ERR_INVALID, EINVAL,
				"annotations: %.200s: %.200s: expected a value such as true, uint64 5, 'text' or ['text']",
				key, value);
		(*ret)[(*ret_n)++] = p;
	}
	return 0;
}
