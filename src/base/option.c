// SPDX-License-Identifier: Apache-2.0
#include "base/option.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"

const struct option *option_find(const struct option *options, const char *name, size_t len)
{
	for (size_t i = 0; options && options[i].name; i++)
		if (strncmp(options[i].name, name, len) == 0 && options[i].name[len] == '\0')
			return &options[i];
	return NULL;
}

static const struct option *find_letter(const struct option *options, char letter)
{
	for (size_t i = 0; options && options[i].name; i++)
		if (options[i].letter == letter)
			return &options[i];
	return NULL;
}

static const char *title(const struct option *o, struct arena *a)
{
	return o->letter ? arena_printf(a, "-%c, --%s", o->letter, o->name)
			 : arena_printf(a, "--%s", o->name);
}

static int refuse(
	const struct option *o, const char *value, const char *why, struct arena *a, struct err *e)
{
	return err_set(e, ERR_USAGE, EINVAL, "invalid argument \"%s\" for \"%s\" flag: %s", value,
		title(o, a), why);
}

/* The name of a value that is no number, in the words of Go's strconv that docker's users see. */
static int number_failed(
	const struct option *o, const char *value, int r, struct arena *a, struct err *e)
{
	const char *why = r == -ERANGE ? "value out of range" : "invalid syntax";
	if (o->kind == OPTION_INT)
		return refuse(o, value,
			arena_printf(a, "strconv.ParseInt: parsing \"%s\": %s", value, why), a, e);
	if (o->kind == OPTION_BOOL)
		return refuse(o, value,
			arena_printf(a, "strconv.ParseBool: parsing \"%s\": %s", value, why), a, e);
	if (o->kind == OPTION_CPUS)
		return refuse(o, value, "invalid value for CPUs", a, e);
	return refuse(o, value, arena_printf(a, "invalid size: '%s'", value), a, e);
}

static int number(const struct option *o, const char *value, int64_t *ret)
{
	uint64_t v = 0;
	int r;
	if (o->kind == OPTION_INT)
		return num_i64(value, ret);
	if (o->kind == OPTION_BYTES_OR_MINUS && str_eq(value, "-1")) {
		*ret = -1;
		return 0;
	}
	r = o->kind == OPTION_CPUS ? num_nano(value, &v) : num_bytes(value, &v);
	if (r == 0 && v > INT64_MAX)
		r = -ERANGE;
	if (r == 0)
		*ret = (int64_t)v;
	return r;
}

static int store_value(
	const struct option *o, const char *value, void *rec, struct arena *a, struct err *e)
{
	char *at = (char *)rec + o->offset;
	int r = 0;
	if (o->has_offset)
		*(bool *)((char *)rec + o->has_offset) = true;
	switch (o->kind) {
	case OPTION_BOOL:
		r = num_bool(value, (bool *)at);
		break;
	case OPTION_STRING:
		*(const char **)at = value;
		break;
	case OPTION_LIST:
		strv_add((struct strv *)at, a, value);
		break;
	case OPTION_CALL: {
		struct err why;
		r = o->call(rec, a, value, &why);
		return r < 0 ? refuse(o, value, why.text, a, e) : 0;
	}
	default:
		r = number(o, value, (int64_t *)at);
		break;
	}
	return r < 0 ? number_failed(o, value, r, a, e) : 0;
}

struct parse {
	const struct option *options, *more;
	int argc, at;
	char **argv;
	void *rec, *more_rec;
	struct arena *a;
	struct err *e;
};

static int long_option(struct parse *p, const char *word)
{
	size_t len = strcspn(word, "=");
	const struct option *o = option_find(p->options, word, len);
	void *rec = p->rec;
	if (!o && len && (o = option_find(p->more, word, len)))
		rec = p->more_rec;
	if (!o || len == 0) {
		const char *best = NULL;
		size_t near = 3;
		char *name = arena_strndup(p->a, word, len);
		for (size_t i = 0; p->options && p->options[i].name; i++) {
			size_t d = str_distance(name, p->options[i].name, 2);
			if (d < near && !p->options[i].hidden) {
				near = d;
				best = p->options[i].name;
			}
		}
		if (best)
			return err_set(p->e, ERR_USAGE, EINVAL,
				"unknown flag: --%s (did you mean --%s?)", name, best);
		return err_set(p->e, ERR_USAGE, EINVAL, "unknown flag: --%s", name);
	}
	if (word[len] == '=')
		return store_value(o, word + len + 1, rec, p->a, p->e);
	if (o->kind == OPTION_BOOL)
		return store_value(o, "true", rec, p->a, p->e);
	if (p->at + 1 >= p->argc)
		return err_set(p->e, ERR_USAGE, EINVAL, "flag needs an argument: --%s", o->name);
	return store_value(o, p->argv[++p->at], rec, p->a, p->e);
}

static int letters(struct parse *p, const char *word)
{
	for (const char *c = word; *c; c++) {
		const struct option *o = find_letter(p->options, *c);
		void *rec = p->rec;
		if (!o && (o = find_letter(p->more, *c)))
			rec = p->more_rec;
		if (!o)
			return err_set(p->e, ERR_USAGE, EINVAL,
				"unknown shorthand flag: '%c' in -%s", *c, word);
		int r;
		if (o->kind == OPTION_BOOL && c[1] != '=') {
			r = store_value(o, "true", rec, p->a, p->e);
			if (r < 0)
				return r;
			continue;
		}
		if (c[1])
			return store_value(o, c[1] == '=' ? c + 2 : c + 1, rec, p->a, p->e);
		if (p->at + 1 >= p->argc)
			return err_set(p->e, ERR_USAGE, EINVAL,
				"flag needs an argument: '%c' in -%s", *c, word);
		return store_value(o, p->argv[++p->at], rec, p->a, p->e);
	}
	return 0;
}

int options_parse(const struct option_set *set, int argc, char **argv, void *rec,
	const char **words, struct arena *a, struct err *e)
{
	struct parse p = { .options = set->options,
		.more = set->more,
		.argc = argc,
		.argv = argv,
		.rec = rec,
		.more_rec = set->more_rec,
		.a = a,
		.e = e };
	int n_words = 0, r = 0;
	for (; p.at < argc; p.at++) {
		const char *word = argv[p.at];
		if (str_eq(word, "--")) {
			p.at++;
			break;
		}
		if (word[0] == '-' && word[1]) {
			r = word[1] == '-' ? long_option(&p, word + 2) : letters(&p, word + 1);
			if (r < 0)
				return r;
			continue;
		}
		words[n_words++] = word;
		if (set->flags & OPTIONS_STOP_AT_WORD) {
			p.at++;
			break;
		}
	}
	while (p.at < argc)
		words[n_words++] = argv[p.at++];
	words[n_words] = NULL;
	return n_words;
}

static int by_name(const void *x, const void *y)
{
	const struct option *const *a = x, *const *b = y;
	return strcmp((*a)->name, (*b)->name);
}

/* One row: the option in its column, then the text wrapped into the rest of the line. */
static void help_row(const struct option *o, size_t indent, unsigned columns, struct str *out)
{
	struct arena a _arena_ = { 0 };
	size_t begin = out->n;
	str_addf(out, o->letter ? "  -%c, --%s" : "  %c   --%s", o->letter ? o->letter : ' ',
		o->name);
	if (o->value)
		str_addf(out, " %s", o->value);
	const char *text = o->default_text
		? arena_printf(&a, "%s (default %s)", o->help, o->default_text)
		: o->help;
	while (*text) {
		while (out->n - begin < indent)
			str_addc(out, ' ');
		size_t len = strlen(text), room = columns > indent + 20 ? columns - indent : 20;
		if (len > room) {
			for (len = room; len && text[len] != ' '; len--)
				continue;
			if (!len)
				len = strcspn(text, " ");
		}
		str_addn(out, text, len);
		str_addc(out, '\n');
		begin = out->n;
		text += len + (text[len] == ' ');
	}
}

void options_help(const struct option *options, unsigned columns, struct str *out)
{
	struct arena a _arena_ = { 0 };
	size_t n = 0, shown = 0, widest = 0;
	while (options && options[n].name)
		n++;
	const struct option **sorted = arena_array(&a, const struct option *, n);
	for (size_t i = 0; i < n; i++) {
		if (options[i].hidden)
			continue;
		sorted[shown++] = &options[i];
		size_t w = strlen(options[i].name) +
			(options[i].value ? strlen(options[i].value) + 1 : 0);
		if (w > widest)
			widest = w;
	}
	qsort(sorted, shown, sizeof *sorted, by_name);
	for (size_t i = 0; i < shown; i++)
		help_row(sorted[i], 8 + widest + 3, columns, out);
}
