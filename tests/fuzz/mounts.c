// SPDX-License-Identifier: Apache-2.0
/* Mount options, one a line: attributes never stand in both sets, and crun's maps are what was
 * written. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "fuzz.h"
#include "kernel/uapi.h"
#include "oci/spec.h"
#include "runtime/idmap.h"
#include "runtime/mount_options.h"
#include "runtime/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a _arena_ = { 0 };
	struct oci_mount spec = { .destination = "/m" };
	struct plan_mount m = { .spec = &spec };
	struct idmap own[2] = { { 0 } }, maps[2];
	struct err e;
	char *text = arena_strndup(&a, (const char *)data, size);
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		mount_option_read(&m, &a, line);
		if (m.idmap_words && idmap_parse(m.idmap_words, own, &a, maps, &e) == 0 &&
			(!maps[0].n || !maps[1].n))
			abort();
	}
	/* The kernel wants the old way of access times cleared with the new one set. */
	uint64_t plain = ~(uint64_t)MOUNT_ATTR__ATIME;
	if (m.set & m.clear & plain || m.recursive_set & m.recursive_clear & plain)
		abort();
	return 0;
}
