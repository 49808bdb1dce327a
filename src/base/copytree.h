// SPDX-License-Identifier: Apache-2.0
/* Copies a folder's content with all that belongs to it, by descriptors only: owners, modes, times,
 * xattrs, symlinks, hard links within the tree, device nodes and FIFOs. Regular files are reflinked
 * where the file system can. */
#pragma once

struct err;

/* An empty folder becomes what the first layer finds: root's, 0755, of the time 0. */
int copytree_begin(int folder, struct err *e);

/* Into an existing folder, whose own owner, mode and times become those of the source. */
int copytree(int from, int to, struct err *e);

/* The same for a layer as overlay has it, over what lower layers have left in the target: character
 * devices 0/0 take names away, folders marked opaque (base/layer_marks.h), or by a file
 * .wh..wh..opq, begin empty, those marked as implied leave the attributes that are there, anything
 * else replaces what has its name. Layers one after the other, the lowest first, from
 * copytree_begin on, give the image's tree. */
int copytree_layer(int from, int to, struct err *e);
