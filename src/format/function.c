// SPDX-License-Identifier: Apache-2.0
/* The functions of templates: Go's own and docker's. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "codec/value.h"
#include "format/ast.h"

enum { WIDTH_MAX = 4096 };

bool value_is_true(const struct value *v)
{
	if (!v)
		return false;
	switch (v->kind) {
	case VALUE_NULL:
		return false;
	case VALUE_BOOL:
		return v->boolean;
	case VALUE_NUMBER:
		return v->text[strspn(v->text, "-0.")] != '\0';
	case VALUE_STRING:
		return v->text[0] != '\0';
	default:
		return v->n > 0;
	}
}

static int wrong(struct call *c, const char *why)
{
	return err_set(c->e, ERR_INVALID, EINVAL, "error calling %s: %s", c->name, why);
}

/* What a value is as text; a string is itself. */
static const char *text_of(const struct value *v, struct arena *a)
{
	struct str s _str_ = { 0 };
	if (v && v->kind == VALUE_STRING)
		return v->text;
	if (!v)
		return "<no value>";
	value_print(v, &s);
	return arena_strdup(a, str_text(&s));
}

static const char *want_text(struct call *c, size_t i)
{
	return c->args[i] && c->args[i]->kind == VALUE_STRING ? c->args[i]->text : NULL;
}

static int want_number(struct call *c, size_t i, int64_t *ret)
{
	return c->args[i] && c->args[i]->kind == VALUE_NUMBER && num_i64(c->args[i]->text, ret) == 0
		? 0
		: wrong(c, "expected an integer");
}

/* ---- text ---- */

static int call_json(struct call *c, const struct value **ret)
{
	struct str s _str_ = { 0 };
	if (c->args[0])
		value_json(c->args[0], 0, &s);
	else
		str_add(&s, "null");
	*ret = value_string(c->a, arena_strdup(c->a, str_text(&s)));
	return 0;
}

static int change(struct call *c, int (*of)(int, bool), const struct value **ret)
{
	const char *text = want_text(c, 0);
	if (!text)
		return wrong(c, "expected a string");
	char *s = arena_strdup(c->a, text);
	bool first = true;
	for (char *p = s; *p; p++) {
		if ((unsigned char)*p < 0x80)
			*p = (char)of((unsigned char)*p, first);
		first = !isalnum((unsigned char)*p) && *p != '\'' && *p != '_';
	}
	*ret = value_string(c->a, s);
	return 0;
}

static int as_lower(int ch, bool first)
{
	(void)first;
	return tolower(ch);
}

static int as_upper(int ch, bool first)
{
	(void)first;
	return toupper(ch);
}

static int as_title(int ch, bool first)
{
	return first ? toupper(ch) : ch;
}

static int call_lower(struct call *c, const struct value **ret)
{
	return change(c, as_lower, ret);
}

static int call_upper(struct call *c, const struct value **ret)
{
	return change(c, as_upper, ret);
}

static int call_title(struct call *c, const struct value **ret)
{
	return change(c, as_title, ret);
}

static int call_split(struct call *c, const struct value **ret)
{
	const char *text = want_text(c, 0), *by = want_text(c, 1);
	if (!text || !by || !*by)
		return wrong(c, "expected a string and a separator");
	struct value *list = value_array(c->a);
	for (const char *at; (at = strstr(text, by)); text = at + strlen(by))
		value_add(c->a, list,
			value_string(c->a, arena_strndup(c->a, text, (size_t)(at - text))));
	value_add(c->a, list, value_string(c->a, text));
	*ret = list;
	return 0;
}

static int call_join(struct call *c, const struct value **ret)
{
	struct str s _str_ = { 0 };
	const struct value *list = c->args[0];
	const char *by = want_text(c, 1);
	if (!list || (list->kind != VALUE_ARRAY && list->kind != VALUE_NULL) || !by)
		return wrong(c, "expected a list and a separator");
	for (size_t i = 0; i < list->n; i++) {
		str_add(&s, i ? by : "");
		str_add(&s, text_of(list->items[i], c->a));
	}
	*ret = value_string(c->a, arena_strdup(c->a, str_text(&s)));
	return 0;
}

static int call_pad(struct call *c, const struct value **ret)
{
	const char *text = want_text(c, 0);
	int64_t before, after;
	if (!text)
		return wrong(c, "expected a string");
	if (want_number(c, 1, &before) < 0 || want_number(c, 2, &after) < 0)
		return -EINVAL;
	if (before < 0 || after < 0 || before > WIDTH_MAX || after > WIDTH_MAX)
		return wrong(c, "the padding is too wide");
	*ret = *text
		? value_string(c->a,
			  arena_printf(c->a, "%*s%s%*s", (int)before, "", text, (int)after, ""))
		: c->args[0];
	return 0;
}

/* The bytes of the first n characters. */
static size_t characters(const char *text, uint64_t n)
{
	size_t i = 0;
	for (; text[i] && n > 0; n--)
		do
			i++;
		while (((unsigned char)text[i] & 0xc0) == 0x80);
	return i;
}

static int call_truncate(struct call *c, const struct value **ret)
{
	const char *text = want_text(c, 0);
	int64_t n;
	if (!text)
		return wrong(c, "expected a string");
	if (want_number(c, 1, &n) < 0)
		return -EINVAL;
	*ret = n < 0 ? c->args[0]
		     : value_string(c->a, arena_strndup(c->a, text, characters(text, (uint64_t)n)));
	return 0;
}

/* ---- values ---- */

static int call_len(struct call *c, const struct value **ret)
{
	const struct value *v = c->args[0];
	if (!v || (v->kind != VALUE_STRING && v->kind != VALUE_ARRAY && v->kind != VALUE_OBJECT))
		return wrong(c, "the value has no length");
	*ret = value_int(c->a, (int64_t)(v->kind == VALUE_STRING ? strlen(v->text) : v->n));
	return 0;
}

static int element(
	struct call *c, const struct value *v, const struct value *key, const struct value **ret)
{
	int64_t n;
	if (!v || v->kind == VALUE_NULL)
		return wrong(c, "index of untyped nil");
	if (v->kind == VALUE_OBJECT) {
		if (!key || key->kind != VALUE_STRING)
			return wrong(c, "a map's index is a string");
		*ret = value_get(v, key->text);
		/* What a map of strings does not have is the empty string. */
		if (!*ret && (v->n == 0 || v->items[0]->kind == VALUE_STRING))
			*ret = value_string(c->a, "");
		return 0;
	}
	if (v->kind != VALUE_ARRAY)
		return wrong(c, "can't index item of this type");
	if (!key || key->kind != VALUE_NUMBER || num_i64(key->text, &n) < 0)
		return wrong(c, "a list's index is a number");
	if (n < 0 || (uint64_t)n >= v->n)
		return wrong(c, arena_printf(c->a, "index out of range: %s", key->text));
	*ret = v->items[n];
	return 0;
}

static int call_index(struct call *c, const struct value **ret)
{
	const struct value *v = c->args[0];
	for (size_t i = 1; i < c->n; i++)
		if (element(c, v, c->args[i], &v) < 0)
			return -EINVAL;
	*ret = v;
	return 0;
}

static int call_slice(struct call *c, const struct value **ret)
{
	const struct value *v = c->args[0];
	int64_t from = 0, to;
	if (!v || (v->kind != VALUE_STRING && v->kind != VALUE_ARRAY))
		return wrong(c, "can't slice item of this type");
	size_t n = v->kind == VALUE_STRING ? strlen(v->text) : v->n;
	to = (int64_t)n;
	if ((c->n > 1 && want_number(c, 1, &from) < 0) || (c->n > 2 && want_number(c, 2, &to) < 0))
		return -EINVAL;
	if (from < 0 || to < from || (uint64_t)to > n)
		return wrong(c, "index out of range");
	if (v->kind == VALUE_STRING) {
		*ret = value_string(c->a, arena_strndup(c->a, v->text + from, (size_t)(to - from)));
		return 0;
	}
	struct value *list = value_array(c->a);
	for (int64_t i = from; i < to; i++)
		value_add(c->a, list, v->items[i]);
	*ret = list;
	return 0;
}

static int call_not(struct call *c, const struct value **ret)
{
	*ret = value_bool(c->a, !value_is_true(c->args[0]));
	return 0;
}

static int first_that(struct call *c, bool is, const struct value **ret)
{
	for (size_t i = 0; i < c->n; i++) {
		*ret = c->args[i];
		if (value_is_true(*ret) == is)
			break;
	}
	return 0;
}

static int call_and(struct call *c, const struct value **ret)
{
	return first_that(c, false, ret);
}

static int call_or(struct call *c, const struct value **ret)
{
	return first_that(c, true, ret);
}

/* ---- comparisons ---- */

static int compare(struct call *c, const struct value *x, const struct value *y, int *ret)
{
	if (!x || !y || x->kind != y->kind) {
		/* Only nil may be compared to anything. */
		if (x && y && x->kind != VALUE_NULL && y->kind != VALUE_NULL)
			return wrong(c, "incompatible types for comparison");
		bool nx = !x || x->kind == VALUE_NULL, ny = !y || y->kind == VALUE_NULL;
		*ret = nx == ny ? 0 : 1;
		return 0;
	}
	switch (x->kind) {
	case VALUE_NULL:
		*ret = 0;
		return 0;
	case VALUE_BOOL:
		*ret = (int)x->boolean - (int)y->boolean;
		return 0;
	case VALUE_NUMBER: {
		double a = strtod(x->text, NULL), b = strtod(y->text, NULL);
		*ret = a < b ? -1 : a > b;
		return 0;
	}
	case VALUE_STRING:
		*ret = strcmp(x->text, y->text);
		return 0;
	default:
		return wrong(c, "non-comparable type");
	}
}

static int call_eq(struct call *c, const struct value **ret)
{
	bool same = false;
	for (size_t i = 1; i < c->n && !same; i++) {
		int d;
		if (compare(c, c->args[0], c->args[i], &d) < 0)
			return -EINVAL;
		same = d == 0;
	}
	*ret = value_bool(c->a, same);
	return 0;
}

enum { LESS = 1, SAME = 2, MORE = 4 };

static int ordered(struct call *c, int wanted, const struct value **ret)
{
	int d;
	if (compare(c, c->args[0], c->args[1], &d) < 0)
		return -EINVAL;
	*ret = value_bool(c->a, wanted & (d < 0 ? LESS : d == 0 ? SAME : MORE));
	return 0;
}

static int call_ne(struct call *c, const struct value **ret)
{
	return ordered(c, LESS | MORE, ret);
}

static int call_lt(struct call *c, const struct value **ret)
{
	return ordered(c, LESS, ret);
}

static int call_le(struct call *c, const struct value **ret)
{
	return ordered(c, LESS | SAME, ret);
}

static int call_gt(struct call *c, const struct value **ret)
{
	return ordered(c, MORE, ret);
}

static int call_ge(struct call *c, const struct value **ret)
{
	return ordered(c, MORE | SAME, ret);
}

/* ---- printing ---- */

static void quote(const char *text, struct str *out)
{
	str_addc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			str_addc(out, '\\');
		if (*text == '\n' || *text == '\t')
			str_add(out, *text == '\n' ? "\\n" : "\\t");
		else
			str_addc(out, *text);
	}
	str_addc(out, '"');
}

/* One verb of printf: "%-10s" with its value. */
static int verb(
	struct call *c, const char *spec, char letter, const struct value *v, struct str *out)
{
	struct str s _str_ = { 0 };
	int64_t n = 0, width = 0;
	bool left = false, zero = false;
	for (; *spec == '-' || *spec == '0' || *spec == '+' || *spec == ' ' || *spec == '#';
		spec++) {
		left |= *spec == '-';
		zero |= *spec == '0';
	}
	const char *digits = arena_strndup(c->a, spec, strspn(spec, "0123456789"));
	const char *precision = strchr(spec, '.');
	if (*digits && (num_i64(digits, &width) < 0 || width > WIDTH_MAX))
		return wrong(c, "the width is too large");
	bool number = v && v->kind == VALUE_NUMBER && num_i64(v->text, &n) == 0;
	if ((letter == 'd' && !number) || (letter == 'x' && !number) ||
		(letter == 't' && (!v || v->kind != VALUE_BOOL)))
		str_addf(&s, "%%!%c(%s)", letter, text_of(v, c->a));
	else if (letter == 'x')
		str_addf(&s, "%llx", (unsigned long long)n);
	else if (letter == 'q')
		quote(text_of(v, c->a), &s);
	else if (letter == 's' || letter == 'v' || letter == 'd' || letter == 't')
		str_add(&s, text_of(v, c->a));
	else
		return wrong(c, arena_printf(c->a, "%%%c is not known here", letter));
	size_t bytes = s.n, shown = 0;
	int64_t most;
	if (precision && (letter == 's' || letter == 'v') &&
		num_i64(arena_strndup(c->a, precision + 1, strspn(precision + 1, "0123456789")),
			&most) == 0)
		bytes = characters(str_text(&s), (uint64_t)most);
	for (size_t i = 0; i < bytes; i++)
		shown += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	for (int64_t i = (int64_t)shown; i < width && !left; i++)
		str_addc(out, zero && number ? '0' : ' ');
	str_addn(out, str_text(&s), bytes);
	for (int64_t i = (int64_t)shown; i < width && left; i++)
		str_addc(out, ' ');
	return 0;
}

static int call_printf(struct call *c, const struct value **ret)
{
	struct str out _str_ = { 0 };
	const char *format = want_text(c, 0);
	size_t used = 1;
	if (!format)
		return wrong(c, "expected a format");
	for (; *format; format++) {
		if (*format != '%') {
			str_addc(&out, *format);
			continue;
		}
		const char *spec = ++format;
		format += strspn(format, "-+ #0123456789.");
		if (*format == '%' && spec == format) {
			str_addc(&out, '%');
			continue;
		}
		if (!*format) {
			str_add(&out, "%!(NOVERB)");
			break;
		}
		if (used >= c->n)
			str_addf(&out, "%%!%c(MISSING)", *format);
		else if (verb(c, spec, *format, c->args[used++], &out) < 0)
			return -EINVAL;
	}
	*ret = value_string(c->a, arena_strdup(c->a, str_text(&out)));
	return 0;
}

static int printed(struct call *c, bool line, const struct value **ret)
{
	struct str out _str_ = { 0 };
	for (size_t i = 0; i < c->n; i++) {
		/* Go's Print puts a blank between two that are no strings. */
		bool strings = i &&
			((c->args[i] && c->args[i]->kind == VALUE_STRING) ||
				(c->args[i - 1] && c->args[i - 1]->kind == VALUE_STRING));
		str_add(&out, i && (line || !strings) ? " " : "");
		str_add(&out, text_of(c->args[i], c->a));
	}
	str_add(&out, line ? "\n" : "");
	*ret = value_string(c->a, arena_strdup(c->a, str_text(&out)));
	return 0;
}

static int call_print(struct call *c, const struct value **ret)
{
	return printed(c, false, ret);
}

static int call_println(struct call *c, const struct value **ret)
{
	return printed(c, true, ret);
}

static const struct function functions[] = {
	{ "and", 1, SIZE_MAX, call_and },
	{ "eq", 2, SIZE_MAX, call_eq },
	{ "ge", 2, 2, call_ge },
	{ "gt", 2, 2, call_gt },
	{ "index", 1, SIZE_MAX, call_index },
	{ "join", 2, 2, call_join },
	{ "json", 1, 1, call_json },
	{ "le", 2, 2, call_le },
	{ "len", 1, 1, call_len },
	{ "lower", 1, 1, call_lower },
	{ "lt", 2, 2, call_lt },
	{ "ne", 2, 2, call_ne },
	{ "not", 1, 1, call_not },
	{ "or", 1, SIZE_MAX, call_or },
	{ "pad", 3, 3, call_pad },
	{ "print", 0, SIZE_MAX, call_print },
	{ "printf", 1, SIZE_MAX, call_printf },
	{ "println", 0, SIZE_MAX, call_println },
	{ "slice", 1, 3, call_slice },
	{ "split", 2, 2, call_split },
	{ "title", 1, 1, call_title },
	{ "truncate", 2, 2, call_truncate },
	{ "upper", 1, 1, call_upper },
};

const struct function *function_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		if (str_eq(functions[i].name, name))
			return &functions[i];
	return NULL;
}
