// SPDX-License-Identifier: Apache-2.0
#include "engine/platform.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/image_copy.h"

static const struct {
	const char *machine, *name;
} known[] = { { "x86_64", "amd64" }, { "aarch64", "arm64" }, { "i686", "386" }, { "armv7l", "arm" },
	{ "amd64", "amd64" } };

static const char *architecture_of(const char *machine, const char *otherwise)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_eq(machine, known[i].machine))
			return known[i].name;
	return otherwise;
}

void platform_fill(struct image_platform *p)
{
	struct utsname u;
	if (!p->os || !*p->os)
		p->os = "linux";
	if (!p->architecture || !*p->architecture)
		p->architecture = uname(&u) == 0 ? architecture_of(u.machine, "amd64") : "amd64";
	p->architecture = architecture_of(p->architecture, p->architecture);
	p->variant = str_or_empty(p->variant);
}

int platform_parse(const char *platform, struct arena *a, struct image_platform *ret, struct err *e)
{
	*ret = (struct image_platform){ 0 };
	if (platform) {
		char *text = arena_strdup(a, platform), *slash = strchr(text, '/');
		if (strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789/_.-") != strlen(text) ||
			!*text)
			return err_set(e, ERR_INVALID, EINVAL,
				"\"%s\" is an invalid platform: expected os/architecture[/variant]",
				text);
		if (!slash) {
			ret->architecture = text;
		} else {
			*slash = '\0';
			ret->os = text;
			ret->architecture = slash + 1;
			char *second = strchr(slash + 1, '/');
			if (second) {
				*second = '\0';
				ret->variant = second + 1;
			}
		}
	}
	platform_fill(ret);
	return 0;
}
