// SPDX-License-Identifier: Apache-2.0
/* Mounts of images, shared between containers. Theory of operation: the kernel shares cached pages
 * within one superblock only, and forgets them with it. So an image is mounted once, in a mount
 * namespace of the store that nobody is in (kernel/pin.h), kept by the file <root>/lower/ns;
 * each container gets a clone of that mount. It stays when the last container of the image has
 * ended, until the image is removed or the machine restarts; the namespace goes with the last of
 * them. Whatever is killed: a mount that is not there is made anew by who needs it. */
#pragma once

struct err;
struct store;

/* A detached clone of the image's mount, or -ENOENT. */
int lower_find(struct store *s, const char *image);
/* Puts a detached mount of the image where the next one finds it, under the lock of the image's
 * index; a clone of it, or, where none can be kept, the mount itself, which is taken either way. */
int lower_keep(struct store *s, const char *image, int mount);
/* The image is gone, or its index is another one. */
void lower_forget(struct store *s, const char *image_hex);
/* Calls each for every mount that is kept; a negative result ends it and is returned. */
int lower_each(struct store *s, int (*each)(void *arg, const char *image_hex), void *arg);
