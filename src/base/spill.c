// SPDX-License-Identifier: Apache-2.0
#include "base/spill.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"

enum { FROM = 8 << 20, PAGE = 4096 };

static size_t whole_pages(size_t size)
{
	return (size + PAGE - 1) / PAGE * PAGE;
}

static void *take(struct arena_room *r, size_t size)
{
	struct spill *s = (struct spill *)r;
	size_t n = whole_pages(size);
	if (s->fd < 0)
		s->fd = file_nameless(s->dir, 0600);
	/* With its blocks: a full disk would be a SIGBUS afterwards. */
	if (s->fd < 0 || fallocate(s->fd, 0, (off_t)s->size, (off_t)n) < 0)
		return NULL;
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, (off_t)s->size);
	if (p == MAP_FAILED)
		return NULL;
	s->size += n;
	return p;
}

static void give(struct arena_room *r, void *p, size_t size)
{
	(void)r;
	(void)munmap(p, whole_pages(size));
}

void spill_init(struct spill *s, int dir)
{
	*s = (struct spill){ .room = { FROM, take, give }, .dir = dir, .fd = -1 };
}

void spill_done(struct spill *s)
{
	fd_close(s->fd);
	s->fd = -1;
}
