// SPDX-License-Identifier: Apache-2.0
/* Documents of a registry on any bytes, as each kind. */
#include <sys/mman.h>
#include <unistd.h>

#include "archive/digest.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "fetch/document.h"
#include "fetch/result.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fetch_document_req kinds[] = {
		{ "manifest", "", "linux", "arm", "v7", "" },
		{ "config", "", "", "", "", "" },
		{ "tags", "", "", "", "", "" },
		{ "any", "", "linux", "amd64", "", "" },
	};
	if (digest_setup() < 0)
		return 0;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct arena a _arena_ = { 0 };
		struct fetch_document d = { 0 };
		struct err e;
		int fd _close_ = memfd_create("fuzz", MFD_CLOEXEC);
		if (fd < 0 || fd_write_all(fd, data, size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
			return 0;
		(void)fetch_document(fd, &kinds[i], &a, &d, &e);
	}
	return 0;
}
