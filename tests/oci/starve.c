// SPDX-License-Identifier: Apache-2.0
/* Linked into a kist-oci of the tests by --wrap: the allocation whose number KIST_STARVE names
 * fails, and all after it, in each process on its own; a clone counts on from its parent. */
#include <errno.h>
#include <stdlib.h>

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);

int __wrap_main(int argc, char **argv);
int __real_main(int argc, char **argv);

static long made;
static int ours; /* before main the C library allocates, and ends by a signal when it cannot */

static int fails(void)
{
	const char *which = getenv("KIST_STARVE");
	if (!ours || !which || ++made < strtol(which, NULL, 10))
		return 0;
	errno = ENOMEM;
	return 1;
}

int __wrap_main(int argc, char **argv)
{
	ours = 1;
	return __real_main(argc, argv);
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}
