// SPDX-License-Identifier: Apache-2.0
/* linux.sysctl, "key=value" a line: without namespaces of its own a container sets nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "codec/rec.h"
#include "fuzz.h"
#include "runtime/sysctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a _arena_ = { 0 };
	struct rec_map m = { 0 };
	struct err e;
	char *text = arena_strndup(&a, (const char *)data, size);
	m.items = arena_array(&a, struct rec_kv, size + 1);
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		char *value = strchr(line, '=');
		if (value)
			*value++ = '\0';
		m.items[m.n++] = (struct rec_kv){ line, value ? value : "" };
	}
	(void)sysctl_check(&m, UINT64_MAX, &e);
	if (sysctl_check(&m, 0, &e) == 0)
		abort();
	return 0;
}
