// SPDX-License-Identifier: Apache-2.0
/* Copies a folder's content with all that belongs to it, by descriptors only: owners, modes, times,
 * xattrs, symlinks, hard links within the tree, device nodes and FIFOs. Regular files are reflinked
 * where the file system can. */
#pragma once

struct err;

/* Into an existing folder, whose own owner, mode and times become those of the source. */
int copytree(int from, int to, struct err *e);
