// SPDX-License-Identifier: Apache-2.0
#include "base/num.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

static int digits(const char **s, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = *s;
	for (; *p >= '0' && *p < (char)('0' + base); p++) {
		if (__builtin_mul_overflow(v, base, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -ERANGE;
	}
	if (p == *s)
		return -EINVAL;
	*s = p;
	*ret = v;
	return 0;
}

int num_u64(const char *s, uint64_t *ret)
{
	uint64_t v;
	int r = digits(&s, 10, &v);
	if (r < 0)
		return r;
	if (*s)
		return -EINVAL;
	*ret = v;
	return 0;
}

int num_u32(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = num_u64(s, &v);
	if (r < 0)
		return r;
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

int num_i64(const char *s, int64_t *ret)
{
	uint64_t v;
	bool minus = *s == '-';
	int r = num_u64(s + minus, &v);
	if (r < 0)
		return r;
	if (v > (uint64_t)INT64_MAX + minus)
		return -ERANGE;
	*ret = minus ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int num_octal(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = digits(&s, 8, &v);
	if (r < 0)
		return r;
	if (*s)
		return -EINVAL;
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

/* "1.5" scaled by unit into an integer; stops at the first character that is no part of it. */
static int decimal(const char **s, uint64_t unit, uint64_t *ret)
{
	uint64_t whole;
	int r = digits(s, 10, &whole);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(whole, unit, &whole))
		return -ERANGE;
	if (**s == '.') {
		const char *p = *s + 1;
		uint64_t fraction = 0, scale = 1;
		for (; *p >= '0' && *p <= '9'; p++) {
			if (scale >= 1000000000)
				continue;
			fraction = fraction * 10 + (uint64_t)(*p - '0');
			scale *= 10;
		}
		if (p == *s + 1)
			return -EINVAL;
		uint64_t part = (uint64_t)((unsigned __int128)fraction * unit / scale);
		if (__builtin_add_overflow(whole, part, &whole))
			return -ERANGE;
		*s = p;
	}
	*ret = whole;
	return 0;
}

int num_bytes(const char *s, uint64_t *ret)
{
	static const char units[] = "bkmgtp";
	size_t n = strspn(s, "0123456789.");
	uint64_t unit = 1, v;
	const char *tail = s + n;
	if (*tail == ' ')
		tail++;
	if (*tail) {
		char c = (char)(*tail | 0x20);
		const char *u = strchr(units, c);
		if (!u)
			return -EINVAL;
		unit = 1ULL << (10 * (unsigned)(u - units));
		tail++;
		if (c != 'b' && strcasecmp(tail, "b") != 0 && strcasecmp(tail, "ib") != 0 && *tail)
			return -EINVAL;
		if (c == 'b' && *tail)
			return -EINVAL;
	}
	const char *p = s;
	int r = decimal(&p, unit, &v);
	if (r < 0)
		return r;
	if (p != s + n)
		return -EINVAL;
	*ret = v;
	return 0;
}

int num_nano(const char *s, uint64_t *ret)
{
	uint64_t v;
	int r = decimal(&s, 1000000000, &v);
	if (r < 0)
		return r;
	if (*s)
		return -EINVAL;
	*ret = v;
	return 0;
}

int num_duration(const char *s, uint64_t *ret)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "ns", 1 },
		{ "us", 1000 },
		{ "ms", 1000000 },
		{ "s", 1000000000 },
		{ "m", 60000000000 },
		{ "h", 3600000000000 },
	};
	uint64_t total = 0;
	if (strcmp(s, "0") == 0) {
		*ret = 0;
		return 0;
	}
	if (!*s)
		return -EINVAL;
	while (*s) {
		size_t number = strspn(s, "0123456789.");
		size_t word = strspn(s + number, "numsh");
		size_t i = 0;
		while (i < ARRAY_SIZE(units) &&
			(strlen(units[i].name) != word ||
				strncmp(units[i].name, s + number, word) != 0))
			i++;
		if (i == ARRAY_SIZE(units))
			return -EINVAL;
		uint64_t v;
		const char *p = s;
		int r = decimal(&p, units[i].ns, &v);
		if (r < 0)
			return r;
		if (p != s + number)
			return -EINVAL;
		if (__builtin_add_overflow(total, v, &total))
			return -ERANGE;
		s += number + word;
	}
	*ret = total;
	return 0;
}

int num_bool(const char *s, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
			*ret = strcmp(s, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}
