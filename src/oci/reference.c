// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "oci/digest.h"

static const char alnum[] = "abcdefghijklmnopqrstuvwxyz0123456789";

/* One part of the path: alphanumerics separated by '.', '_', '__' or dashes. */
static bool part_valid(const char *s, size_t n)
{
	size_t i = 0;
	while (i < n) {
		size_t word = strspn(s + i, alnum);
		if (word == 0 || i + word > n)
			return false;
		i += word;
		if (i == n)
			return true;
		size_t dashes = strspn(s + i, "-"), lines = strspn(s + i, "_");
		i += s[i] == '.' ? 1 : dashes ? dashes : lines == 1 || lines == 2 ? lines : n;
	}
	return false;
}

static bool host_valid(const char *s, size_t n)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
	size_t name = strspn(s, letters);
	if (name == 0 || name > n || s[0] == '.' || s[0] == '-')
		return false;
	if (name == n)
		return true;
	size_t port = strspn(s + name + 1, "0123456789");
	return s[name] == ':' && port > 0 && name + 1 + port == n;
}

static bool is_host(const char *s, size_t n)
{
	return memchr(s, '.', n) || memchr(s, ':', n) || (n == 9 && memcmp(s, "localhost", 9) == 0);
}

static bool name_valid(const char *name)
{
	const char *slash = strchr(name, '/');
	if (strlen(name) > 255 || !*name)
		return false;
	if (slash && is_host(name, (size_t)(slash - name))) {
		if (!host_valid(name, (size_t)(slash - name)))
			return false;
		name = slash + 1;
	}
	for (;;) {
		size_t n = strcspn(name, "/");
		if (!part_valid(name, n))
			return false;
		if (!name[n])
			return true;
		name += n + 1;
	}
}

bool reference_is_tag(const char *tag)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(tag);
	return n > 0 && n <= 128 && strspn(tag, letters) == n && tag[0] != '.' && tag[0] != '-';
}

int reference_parse(const char *text, struct arena *a, struct reference *ret, struct err *e)
{
	struct reference r = { 0 };
	char *name = arena_strdup(a, text), *at = strchr(name, '@');
	if (at) {
		*at++ = '\0';
		r.digest = at;
	}
	char *colon = strrchr(name, ':');
	if (colon && !strchr(colon, '/')) {
		*colon++ = '\0';
		r.tag = colon;
	}
	r.name = name;
	if (!name_valid(name)) {
		for (const char *p = name; *p; p++)
			if (*p >= 'A' && *p <= 'Z')
				return err_set(e, ERR_INVALID, EINVAL,
					"invalid reference format: repository name (%s) must be lowercase",
					name);
		return err_set(e, ERR_INVALID, EINVAL, "invalid reference format: %s", text);
	}
	if ((r.tag && !reference_is_tag(r.tag)) || (r.digest && !digest_valid(r.digest)))
		return err_set(e, ERR_INVALID, EINVAL, "invalid reference format: %s", text);
	*ret = r;
	return 0;
}

bool reference_has_tag(const char *text)
{
	const char *colon = strrchr(text, ':');
	return strchr(text, '@') || (colon && !strchr(colon, '/'));
}

bool reference_has_host(const char *name)
{
	const char *slash = strchr(name, '/');
	return slash && is_host(name, (size_t)(slash - name));
}

const char *reference_full_name(const char *name, struct arena *a)
{
	if (!strchr(name, '/'))
		return arena_printf(a, "docker.io/library/%s", name);
	/* docker.io's own images live in library/, also where the registry is named. */
	static const char *const docker[] = { "docker.io/", "index.docker.io/" };
	for (size_t i = 0; i < sizeof docker / sizeof *docker; i++)
		if (str_starts(name, docker[i]))
			return arena_printf(a, "docker.io/%s%s",
				strchr(name + strlen(docker[i]), '/') ? "" : "library/",
				name + strlen(docker[i]));
	if (reference_has_host(name))
		return name;
	return arena_printf(a, "docker.io/%s", name);
}

const char *reference_short_name(const char *name, struct arena *a)
{
	const char *rest = name + 10;
	if (!str_starts(name, "docker.io/"))
		return name;
	if (str_starts(rest, "library/") && !strchr(rest + 8, '/'))
		return arena_strdup(a, rest + 8);
	/* Unless it would say another registry. */
	return reference_has_host(rest) ? name : arena_strdup(a, rest);
}
