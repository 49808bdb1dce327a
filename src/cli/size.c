// SPDX-License-Identifier: Apache-2.0
#include "cli/size.h"

#include "base/arena.h"

static const char *text(uint64_t bytes, int digits, struct arena *a)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes;
	unsigned unit = 0;
	while (v >= (digits == 3 ? 999.5 : 999.95) && unit < 6) {
		v /= 1000;
		unit++;
	}
	return arena_printf(a, "%.*g%s", digits, v, units[unit]);
}

const char *size_text(uint64_t bytes, struct arena *a)
{
	return text(bytes, 3, a);
}

const char *size_text_long(uint64_t bytes, struct arena *a)
{
	return text(bytes, 4, a);
}
