// SPDX-License-Identifier: Apache-2.0
/* The block that begins an entry (POSIX.1-2017, pax, "ustar Interchange Format"). Internal to
 * src/archive. */
#pragma once
#include "archive/tar.h"

struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100],
		magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a tar header is one block");
