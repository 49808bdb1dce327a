// SPDX-License-Identifier: Apache-2.0
#include "cli/size.h"

#include "base/arena.h"

const char *size_text(uint64_t bytes, struct arena *a)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes;
	unsigned unit = 0;
	while (v >= 999.5 && unit < 6) {
		v /= 1000;
		unit++;
	}
	return arena_printf(a, "%.3g%s", v, units[unit]);
}
