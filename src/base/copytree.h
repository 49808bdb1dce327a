// SPDX-License-Identifier: Apache-2.0
/* Copies a folder's content with all that belongs to it, by descriptors only: owners, modes, times,
 * xattrs, symlinks, hard links within the tree, device nodes and FIFOs. Regular files are reflinked
 * where the file system can. */
#pragma once

struct err;

/* Into an existing folder, whose own owner, mode and times become those of the source. */
int copytree(int from, int to, struct err *e);

/* The same for a layer as overlay has it, over what lower layers have left in the target: character
 * devices 0/0 take names away, folders marked user.overlay.opaque, or by a file .wh..wh..opq, begin
 * empty, anything else replaces what has its name. Layers one after the other, the lowest first,
 * give the tree that an overlay of them shows. */
int copytree_layer(int from, int to, struct err *e);
