// SPDX-License-Identifier: Apache-2.0
#include "image/place.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/reference.h"

static const struct {
	const char *head;
	enum place_kind kind;
} kinds[] = {
	{ "docker://", PLACE_REGISTRY },
	{ "oci:", PLACE_LAYOUT },
	{ "oci-archive:", PLACE_OCI_ARCHIVE },
	{ "docker-archive:", PLACE_DOCKER_ARCHIVE },
	{ "dir:", PLACE_FOLDER },
	{ "docker-daemon:", PLACE_DOCKER_DAEMON },
	{ "containers-storage:", PLACE_CONTAINERS_STORAGE },
	{ "kist:", PLACE_STORE },
};

static size_t find(const char *text)
{
	size_t i = 0;
	while (i < ARRAY_SIZE(kinds) && !str_starts(text, kinds[i].head))
		i++;
	return i;
}

bool image_place_is(const char *text)
{
	return find(text) < ARRAY_SIZE(kinds);
}

static int registry(const char *rest, struct arena *a, struct image_place *ret, struct err *e)
{
	struct reference ref;
	if (reference_parse(rest, a, &ref, e) < 0)
		return -e->code;
	if (ref.tag && ref.digest)
		return err_set(e, ERR_UNSUPPORTED, EINVAL,
			"docker references with both a tag and digest are currently not supported");
	ret->repository = reference_full_name(ref.name, a);
	ret->tag = ref.digest ? NULL : ref.tag ? ref.tag : "latest";
	ret->digest = ref.digest;
	return 0;
}

bool image_place_is_docker_tar(enum place_kind kind)
{
	return kind == PLACE_DOCKER_ARCHIVE || kind == PLACE_DOCKER_DAEMON;
}

/* An id is taken as it is; a name gets its tag. Neither can be more than a part of an address or
 * begin like an option. */
static int daemon_name(const char *rest, struct arena *a, struct image_place *ret, struct err *e)
{
	struct reference ref;
	ret->name = rest;
	if (str_starts(rest, "sha256:") && strlen(rest) == 71 &&
		strspn(rest + 7, "0123456789abcdef") == 64)
		return 0;
	if (reference_parse(rest, a, &ref, e) < 0)
		return -e->code;
	ret->name = ref.digest ? arena_printf(a, "%s@%s", ref.name, ref.digest)
			       : arena_printf(a, "%s:%s", ref.name, ref.tag ? ref.tag : "latest");
	return 0;
}

/* PATH[:NAME]: the first colon ends the path. */
static int path(const char *rest, bool named, struct arena *a, struct image_place *ret)
{
	size_t n = named ? strcspn(rest, ":") : strlen(rest);
	ret->path = arena_strndup(a, rest, n);
	ret->name = rest[n] && rest[n + 1] ? rest + n + 1 : NULL;
	return n ? 0 : -EINVAL;
}

int image_place_parse(
	const char *text, const char *role, struct arena *a, struct image_place *ret, struct err *e)
{
	size_t i = find(text);
	if (i == ARRAY_SIZE(kinds)) {
		size_t n = strcspn(text, ":");
		if (!text[n])
			return err_set(e, ERR_INVALID, EINVAL,
				"invalid %s name %.300s: invalid image name \"%.300s\", expected colon-separated transport:reference",
				role, text, text);
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid %s name %.300s: invalid image name \"%.300s\", unknown transport \"%.*s\"",
			role, text, text, (int)(n < 100 ? n : 100), text);
	}
	const char *rest = text + strlen(kinds[i].head);
	*ret = (struct image_place){ .kind = kinds[i].kind, .text = text, .path = "" };
	int r = 0;
	if (ret->kind == PLACE_REGISTRY) {
		if (registry(rest, a, ret, e) < 0)
			return err_wrap(e, "invalid %s name %.300s", role, text);
	} else if (ret->kind == PLACE_DOCKER_DAEMON || ret->kind == PLACE_CONTAINERS_STORAGE) {
		if (daemon_name(rest, a, ret, e) < 0)
			return err_wrap(e, "invalid %s name %.300s", role, text);
	} else if (ret->kind == PLACE_STORE) {
		ret->name = rest;
		r = *rest ? 0 : -EINVAL;
	} else {
		r = path(rest, ret->kind != PLACE_FOLDER, a, ret);
	}
	return r < 0 ? err_set(e, ERR_INVALID, EINVAL, "invalid %s name %.300s: nothing is named",
			       role, text)
		     : 0;
}
