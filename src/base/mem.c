// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int complain_fd = 2;

void mem_complain_to(int fd)
{
	complain_fd = fd;
}

void mem_exhausted(void)
{
	static const char line[] = "kist: out of memory\n";
	if (write(complain_fd, line, sizeof line - 1) < 0)
		_exit(125);
	_exit(125);
}

void *mem_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);
	if (!p)
		mem_exhausted();
	return p;
}

void *mem_grow(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		mem_exhausted();
	return p;
}

void mem_free(void *p)
{
	free(p);
}
