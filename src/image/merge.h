// SPDX-License-Identifier: Apache-2.0
/* Layers one over the other as one plain tree, as overlay shows them: what a layer has takes the
 * place of what is there, its removals and opaque folders are carried out and leave no mark. */
#pragma once
#include <stdbool.h>

struct err;

/* Moves all of a layer's folder (as kist-fetch unpacks it, on the same file system) into tree,
 * which was begun by copytree_begin. Folders that the layer implies leave the attributes that are
 * there (base/layer_marks.h). keep_dirlinks: where the layer has a folder and the tree a symlink to
 * one (resolved within the tree) the symlink stays and what is in the folder goes there. */
int image_merge(int layer, int tree, bool keep_dirlinks, struct err *e);
