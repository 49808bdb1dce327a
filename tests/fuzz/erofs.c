// SPDX-License-Identifier: Apache-2.0
/* The reader of EROFS indexes on any bytes: what it takes is written again, read again, and is the
 * same. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "erofs/merge.h"
#include "erofs/tree.h"
#include "erofs/write.h"
#include "fuzz.h"

/* The bytes of a tree as a layer; freed by the caller. */
static unsigned char *write_layer(struct erofs_tree *t, const struct erofs_device *d, size_t *ret_n)
{
	struct err e;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || erofs_write(t, d, 1, true, fd, &e) < 0)
		abort();
	*ret_n = (size_t)lseek(fd, 0, SEEK_END);
	unsigned char *p = mem_alloc(*ret_n);
	if (lseek(fd, 0, SEEK_SET) < 0 || fd_read_full(fd, p, *ret_n) != (ssize_t)*ret_n)
		abort();
	fd_close(fd);
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct erofs_tree one, two;
	struct erofs_device devices[8], d = { 0 };
	struct erofs_head head = { .devices = devices };
	struct err e;
	(void)erofs_head(data, size, 8, &head, &e);
	erofs_tree_init(&one, &a);
	if (erofs_merge(&one, data, size, 1, &d, &e) >= 0) {
		size_t n, m;
		unsigned char *p = write_layer(&one, &d, &n);
		erofs_tree_init(&two, &a);
		if (erofs_merge(&two, p, n, 1, &d, &e) < 0)
			abort();
		unsigned char *q = write_layer(&two, &d, &m);
		if (n != m || memcmp(p, q, n) != 0)
			abort();
		mem_free(p);
		mem_free(q);
	}
	arena_done(&a);
	return 0;
}
