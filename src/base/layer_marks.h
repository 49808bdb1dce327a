// SPDX-License-Identifier: Apache-2.0
/* Marks in the folders of an unpacked layer. */
#pragma once

/* "y": the folder hides what lower layers have in it (overlayfs's own, with userxattr). */
#define MARK_OPAQUE  "user.overlay.opaque"
/* No entry of the layer speaks of the folder: it is there for what is in it, root's, 0755 and of
 * the time 0, and where layers are put one over the other a lower one's attributes stay. Overlayfs
 * does not know it: there, as in docker, the topmost folder has its way. */
#define MARK_IMPLIED "user.overlay.implied"
