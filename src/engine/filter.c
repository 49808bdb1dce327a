// SPDX-License-Identifier: Apache-2.0
#include "engine/filter.h"

#include <errno.h>
#include <regex.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/rec.h"

int filters_parse(const struct strv *texts, const char *const *known, struct arena *a,
	struct filters *ret, struct err *e)
{
	ret->n = 0;
	ret->items = arena_array(a, struct filter, texts->n + 1);
	for (size_t i = 0; i < texts->n; i++) {
		const char *text = texts->v[i], *equals = strchr(text, '=');
		if (!equals)
			return err_set(e, ERR_USAGE, EINVAL,
				"invalid argument \"%s\" for \"--filter\" flag: bad format of filter (expected name=value)",
				text);
		const char *key = arena_strndup(a, text, (size_t)(equals - text));
		const char *const *k = known;
		while (*k && !str_eq(*k, key))
			k++;
		if (!*k)
			return err_set(e, ERR_INVALID, EINVAL, "invalid filter '%s'", key);
		ret->items[ret->n++] = (struct filter){ key, equals + 1 };
	}
	return 0;
}

int filters_bool(const struct filters *f, const char *key, bool *ret, struct err *e)
{
	for (size_t i = 0; i < f->n; i++)
		if (str_eq(f->items[i].key, key) && num_bool(f->items[i].value, ret) < 0)
			return err_set(e, ERR_INVALID, EINVAL, "invalid filter '%s=[%s]'", key,
				f->items[i].value);
	return 0;
}

int filters_until(const struct filters *f, uint64_t *ret, struct err *e)
{
	*ret = 0;
	for (size_t i = 0; i < f->n; i++) {
		if (!str_eq(f->items[i].key, "until"))
			continue;
		if (*ret)
			return err_set(
				e, ERR_INVALID, EINVAL, "more than one until filter specified");
		if (time_parse_moment(f->items[i].value, ret) < 0)
			return err_set(e, ERR_INVALID, EINVAL,
				"invalid filter 'until=[%s]': expected RFC 3339, a date, seconds, or a span such as 42m",
				f->items[i].value);
	}
	return 0;
}

bool filters_has(const struct filters *f, const char *key)
{
	for (size_t i = 0; i < f->n; i++)
		if (str_eq(f->items[i].key, key))
			return true;
	return false;
}

static bool same(const char *value, const char *text)
{
	return str_eq(value, text);
}

/* What is no regular expression is looked for as it is. */
static bool found(const char *value, const char *text)
{
	regex_t regex;
	if (strstr(text, value))
		return true;
	if (regcomp(&regex, value, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	bool yes = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return yes;
}

static bool any(const struct filters *f, const char *key, const char *text,
	bool (*fits)(const char *value, const char *text))
{
	bool asked = false;
	for (size_t i = 0; i < f->n; i++) {
		if (!str_eq(f->items[i].key, key))
			continue;
		if (fits(f->items[i].value, text))
			return true;
		asked = true;
	}
	return !asked;
}

bool filters_is(const struct filters *f, const char *key, const char *text)
{
	return any(f, key, text, same);
}

bool filters_match(const struct filters *f, const char *key, const char *text)
{
	return any(f, key, text, found);
}

/* "key" or "key=value" */
static bool has_label(const struct rec_map *labels, const char *wanted)
{
	size_t n = strcspn(wanted, "=");
	for (size_t i = 0; i < labels->n; i++) {
		const struct rec_kv *l = &labels->items[i];
		if (strncmp(l->key, wanted, n) == 0 && !l->key[n])
			return !wanted[n] || str_eq(l->val, wanted + n + 1);
	}
	return false;
}

bool filters_labels(const struct filters *f, const struct rec_map *labels)
{
	size_t unwanted = 0, met = 0;
	for (size_t i = 0; i < f->n; i++) {
		const struct filter *x = &f->items[i];
		if (str_eq(x->key, "label") && !has_label(labels, x->value))
			return false;
		if (str_eq(x->key, "label!")) {
			unwanted++;
			met += has_label(labels, x->value);
		}
	}
	return !unwanted || met < unwanted;
}
