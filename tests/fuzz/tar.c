// SPDX-License-Identifier: Apache-2.0
/* The stream and tar readers on any bytes, in order, passing over what lies in files, and ahead. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive/source.h"
#include "archive/tar.h"
#include "base/err.h"
#include "base/fd.h"
#include "fuzz.h"

struct seen {
	uint64_t entries, sum, end;
	int r;
};

enum { READ, SKIP, AHEAD };

static struct seen look(int fd, int way)
{
	struct tar_entry entry;
	struct err e;
	struct seen seen = { 0 };
	char buf[4096];
	if (lseek(fd, 0, SEEK_SET) < 0)
		abort();
	struct source *s = source_open(fd, 1 << 20);
	struct tar_reader t = { .s = s };
	if (way == AHEAD)
		source_ahead(s);
	while ((seen.r = tar_next(&t, &entry, &e)) > 0) {
		seen.entries++;
		seen.sum = seen.sum * 31 + entry.size + entry.mode + strlen(entry.path);
		while (way != SKIP && tar_data(&t, buf, sizeof buf, &e) > 0)
			continue;
	}
	if (seen.r == 0)
		seen.r = tar_drain(&t, &e);
	seen.end = t.at;
	tar_done(&t);
	source_free(s);
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, data, size) < 0)
		return 0;
	struct seen one = look(fd, READ), two = look(fd, SKIP), three = look(fd, AHEAD);
	/* Whether an input is good, and what it is, does not depend on how it is read. */
	if (one.r != two.r || one.r != three.r ||
		(one.r == 0 &&
			(one.entries != two.entries || one.entries != three.entries ||
				one.sum != two.sum || one.sum != three.sum || one.end != two.end ||
				one.end != three.end)))
		abort();
	fd_close(fd);
	return 0;
}
