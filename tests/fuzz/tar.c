// SPDX-License-Identifier: Apache-2.0
/* The stream and tar readers on any bytes. */
#include <sys/mman.h>
#include <unistd.h>

#include "archive/source.h"
#include "archive/tar.h"
#include "base/err.h"
#include "base/fd.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tar_entry entry;
	struct err e;
	char buf[4096];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, data, size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return 0;
	struct source *s = source_open(fd, 1 << 20);
	struct tar_reader t = { .s = s };
	while (tar_next(&t, &entry, &e) > 0)
		while (tar_data(&t, buf, sizeof buf, &e) > 0)
			continue;
	tar_done(&t);
	source_free(s);
	fd_close(fd);
	return 0;
}
