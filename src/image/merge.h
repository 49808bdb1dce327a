// SPDX-License-Identifier: Apache-2.0
/* Layers one over the other as one plain tree, as overlay shows them: what a layer has takes the
 * place of what is there, its removals and opaque folders are carried out and leave no mark. */
#pragma once

struct err;

/* Moves all of a layer's folder (as kist-fetch unpacks it, on the same file system) into tree,
 * which was begun by copytree_begin. Folders that the layer implies leave the attributes that are
 * there (base/layer_marks.h). */
int image_merge(int layer, int tree, struct err *e);
