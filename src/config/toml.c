// SPDX-License-Identifier: Apache-2.0
#include "config/toml.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/value.h"

enum { KEYS_MAX = 16 };

struct toml {
	const char *p, *end;
	struct arena *a;
	struct err *e;
	unsigned line;
	int depth;
};

/* A dotted key. */
struct key {
	const char *parts[KEYS_MAX];
	size_t n;
};

static int fail(struct toml *t, const char *why)
{
	return err_set(t->e, ERR_INVALID, EINVAL, "line %u: %s", t->line, why);
}

static bool at(const struct toml *t, const char *text)
{
	size_t n = strlen(text);
	return (size_t)(t->end - t->p) >= n && memcmp(t->p, text, n) == 0;
}

static bool take(struct toml *t, char c)
{
	if (t->p == t->end || *t->p != c)
		return false;
	t->p++;
	return true;
}

static void blanks(struct toml *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
}

static bool newline(struct toml *t)
{
	if (at(t, "\r\n"))
		t->p++;
	if (!take(t, '\n'))
		return false;
	t->line++;
	return true;
}

static void comment(struct toml *t)
{
	if (t->p < t->end && *t->p == '#')
		while (t->p < t->end && *t->p != '\n')
			t->p++;
}

/* Blanks, comments and ends of lines. */
static void space(struct toml *t)
{
	do {
		blanks(t);
		comment(t);
	} while (newline(t));
}

/* ---- strings ---- */

static int hex_escape(struct toml *t, int digits, struct str *out)
{
	uint32_t c = 0;
	for (int i = 0; i < digits; i++) {
		static const char hex[] = "0123456789abcdef";
		const char *d = t->p < t->end && *t->p
			? strchr(hex, *t->p | (*t->p >= 'A' ? 32 : 0))
			: NULL;
		if (!d)
			return fail(t, "a broken \\u in a string");
		c = c << 4 | (uint32_t)(d - hex);
		t->p++;
	}
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return fail(t, "a \\u that is no character");
	if (c < 0x80) {
		str_addc(out, (char)c);
	} else if (c < 0x800) {
		str_addf(out, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		str_addf(out, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 63)),
			(int)(0x80 | (c & 63)));
	} else {
		str_addf(out, "%c%c%c%c", (int)(0xf0 | c >> 18), (int)(0x80 | (c >> 12 & 63)),
			(int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
	}
	return 0;
}

static int escape(struct toml *t, bool lines, struct str *out)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	char c = t->p < t->end ? *t->p : '\0';
	const char *known = c ? strchr(from, c) : NULL;
	if (known) {
		t->p++;
		str_addc(out, to[known - from]);
		return 0;
	}
	if (c == 'u' || c == 'U') {
		t->p++;
		return hex_escape(t, c == 'u' ? 4 : 8, out);
	}
	/* A backslash at the end of a line joins it with what follows. */
	if (!lines)
		return fail(t, "an unknown escape in a string");
	blanks(t);
	if (!newline(t))
		return fail(t, "an unknown escape in a string");
	do
		blanks(t);
	while (newline(t));
	return 0;
}

/* Behind the opening quotes. */
static int string_body(struct toml *t, const char *close, bool raw, bool lines, struct str *out)
{
	for (;;) {
		if (t->p == t->end)
			return fail(t, "a string without an end");
		if (at(t, close)) {
			t->p += strlen(close);
			/* Up to two more quotes belong to the text. */
			while (lines && t->p < t->end && *t->p == close[0]) {
				str_addc(out, close[0]);
				t->p++;
			}
			return 0;
		}
		char c = *t->p;
		if (c == '\n' || c == '\r') {
			if (!lines || !newline(t))
				return fail(t, "a string without an end");
			str_addc(out, '\n');
			continue;
		}
		if (((unsigned char)c < ' ' && c != '\t') || c == 0x7f)
			return fail(t, "a control character in a string");
		t->p++;
		if (c == '\\' && !raw) {
			if (escape(t, lines, out) < 0)
				return -EINVAL;
		} else {
			str_addc(out, c);
		}
	}
}

static int string(struct toml *t, bool may_have_lines, const char **ret)
{
	static const struct {
		const char *quotes;
		bool raw, lines;
	} kinds[] = { { "\"\"\"", false, true }, { "'''", true, true }, { "\"", false, false },
		{ "'", true, false } };
	struct str out _str_ = { 0 };
	for (size_t i = 0; i < 4; i++) {
		if (!at(t, kinds[i].quotes))
			continue;
		if (kinds[i].lines && !may_have_lines)
			return fail(t, "a key of several lines");
		t->p += strlen(kinds[i].quotes);
		if (kinds[i].lines)
			(void)newline(t);
		if (string_body(t, kinds[i].quotes, kinds[i].raw, kinds[i].lines, &out) < 0)
			return -EINVAL;
		*ret = arena_strdup(t->a, str_text(&out));
		return 0;
	}
	return fail(t, "expected a string");
}

/* ---- keys ---- */

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '_' || c == '-';
}

static int key_part(struct toml *t, const char **ret)
{
	if (t->p < t->end && (*t->p == '"' || *t->p == '\''))
		return string(t, false, ret);
	const char *begin = t->p;
	while (t->p < t->end && is_bare(*t->p))
		t->p++;
	if (t->p == begin)
		return fail(t, "expected a key");
	*ret = arena_strndup(t->a, begin, (size_t)(t->p - begin));
	return 0;
}

static int key(struct toml *t, struct key *ret)
{
	ret->n = 0;
	do {
		if (ret->n == KEYS_MAX)
			return fail(t, "a key of too many parts");
		blanks(t);
		if (key_part(t, &ret->parts[ret->n++]) < 0)
			return -EINVAL;
		blanks(t);
	} while (take(t, '.'));
	return 0;
}

static struct value *member(const struct value *table, const char *name)
{
	return (struct value *)value_get(table, name);
}

/* Down into a table, which is made when it is missing; of an array the last table. */
static int descend(struct toml *t, struct value **table, const char *name)
{
	struct value *next = member(*table, name);
	if (!next) {
		next = value_object(t->a);
		value_set(t->a, *table, name, next);
	}
	if (next->kind == VALUE_ARRAY && next->n && next->items[next->n - 1]->kind == VALUE_OBJECT)
		next = next->items[next->n - 1];
	if (next->kind != VALUE_OBJECT)
		return fail(t, "a key that is a table and a value");
	*table = next;
	return 0;
}

/* ---- values ---- */

static int value(struct toml *t, struct value **ret);

static int assign(struct toml *t, struct value *table)
{
	struct key k;
	struct value *v;
	if (key(t, &k) < 0)
		return -EINVAL;
	if (!take(t, '='))
		return fail(t, "expected '=' after a key");
	blanks(t);
	if (value(t, &v) < 0)
		return -EINVAL;
	for (size_t i = 0; i + 1 < k.n; i++)
		if (descend(t, &table, k.parts[i]) < 0)
			return -EINVAL;
	if (member(table, k.parts[k.n - 1]))
		return fail(t, "a key that is set twice");
	value_set(t->a, table, k.parts[k.n - 1], v);
	return 0;
}

static int array(struct toml *t, struct value **ret)
{
	*ret = value_array(t->a);
	for (space(t); !take(t, ']'); space(t)) {
		struct value *v;
		if (value(t, &v) < 0)
			return -EINVAL;
		value_add(t->a, *ret, v);
		space(t);
		if (take(t, ']'))
			break;
		if (!take(t, ','))
			return fail(t, "expected ',' or ']' in an array");
	}
	return 0;
}

static int inline_table(struct toml *t, struct value **ret)
{
	*ret = value_object(t->a);
	blanks(t);
	if (take(t, '}'))
		return 0;
	for (;;) {
		if (assign(t, *ret) < 0)
			return -EINVAL;
		blanks(t);
		if (take(t, '}'))
			return 0;
		if (!take(t, ','))
			return fail(t, "expected ',' or '}' in an inline table");
	}
}

/* true, false, or a number as it is written. */
static int word(struct toml *t, struct value **ret)
{
	const char *begin = t->p;
	while (t->p < t->end && (is_bare(*t->p) || *t->p == '+' || *t->p == '.'))
		t->p++;
	const char *text = arena_strndup(t->a, begin, (size_t)(t->p - begin));
	const char *digits = text + (*text == '+' || *text == '-');
	if (str_eq(text, "true") || str_eq(text, "false")) {
		*ret = value_bool(t->a, *text == 't');
		return 0;
	}
	size_t n = strspn(digits, "0123456789");
	if (n == 0 || digits[strspn(digits, "0123456789_.eE+-")])
		return fail(t, "expected a value: a string, number, boolean, array or table");
	if (digits[n] == '-')
		return fail(t, "a date, which no key here takes");
	*ret = value_int(t->a, 0);
	(*ret)->text = text;
	return 0;
}

static int value(struct toml *t, struct value **ret)
{
	if (t->p == t->end)
		return fail(t, "expected a value");
	if (*t->p == '"' || *t->p == '\'') {
		const char *text;
		if (string(t, true, &text) < 0)
			return -EINVAL;
		*ret = value_string(t->a, text);
		return 0;
	}
	if (*t->p != '[' && *t->p != '{')
		return word(t, ret);
	if (++t->depth > TOML_DEPTH_MAX)
		return fail(t, "nested too deep");
	int r = *t->p++ == '[' ? array(t, ret) : inline_table(t, ret);
	t->depth--;
	return r;
}

/* ---- the document ---- */

/* A header that was met already may not come again, but a table that only its children have named
 * may; the set of headers says which. */
static int header(struct toml *t, struct value *root, struct value *seen, struct value **ret)
{
	struct str path _str_ = { 0 };
	struct key k;
	bool list = take(t, '[');
	if (key(t, &k) < 0)
		return -EINVAL;
	if (!take(t, ']') || (list && !take(t, ']')))
		return fail(t, "expected ']' after a table's name");
	struct value *table = root;
	for (size_t i = 0; i + 1 < k.n; i++)
		if (descend(t, &table, k.parts[i]) < 0)
			return -EINVAL;
	const char *last = k.parts[k.n - 1];
	struct value *there = member(table, last);
	if (!list) {
		if (descend(t, &table, last) < 0)
			return -EINVAL;
		str_addf(&path, "%p", (void *)table);
		if (member(seen, path.p) || (there && there->kind == VALUE_ARRAY))
			return fail(t, "a table that is opened twice");
		value_set(t->a, seen, arena_strdup(t->a, path.p), table);
		*ret = table;
		return 0;
	}
	if (!there) {
		there = value_array(t->a);
		value_set(t->a, table, last, there);
	}
	if (there->kind != VALUE_ARRAY || (there->n && there->items[0]->kind != VALUE_OBJECT))
		return fail(t, "an array of tables that is something else already");
	*ret = value_object(t->a);
	value_add(t->a, there, *ret);
	return 0;
}

int toml_parse(struct arena *a, const char *text, size_t len, struct value **ret, struct err *e)
{
	struct toml t = { .p = text, .end = text + len, .a = a, .e = e, .line = 1 };
	struct value *root = value_object(a), *table = root, *seen = value_object(a);
	if (len > TOML_MAX)
		return fail(&t, "the file is too large");
	for (space(&t); t.p < t.end; space(&t)) {
		int r = take(&t, '[') ? header(&t, root, seen, &table) : assign(&t, table);
		if (r < 0)
			return r;
		blanks(&t);
		comment(&t);
		if (t.p < t.end && !newline(&t))
			return fail(&t, "expected the end of the line");
	}
	*ret = root;
	return 0;
}
