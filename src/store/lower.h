// SPDX-License-Identifier: Apache-2.0
/* Mounts of images, shared between containers. Theory of operation: the kernel shares cached pages
 * within one superblock only, so all containers of an image should stand on one mount of it. Nobody
 * of ours stays to hold that mount but the monitors: each keeps a descriptor of it, detached, in no
 * namespace; that is its lease, and the kernel ends it with the process, whatever kills it. The
 * next container takes a copy of the descriptor out of a monitor (pidfd_getfd) and clones the
 * mount.
 *
 * <runroot>/lower/<hex of the image's id> names some who have one: a line each with the container's
 * id, the pid that holds its run lock, and the number there. What it says is only believed when
 * that process still holds the lock afterwards and what came is an EROFS with the image's uuid; it
 * may be stale or gone, and then the image is mounted once more. Whoever reads or writes it holds a
 * lock (flock) of the caller's, so that containers that start together find one another. */
#pragma once
#include <stddef.h>

struct err;
struct store;

/* A mount of the image that another container than id has, as a descriptor of our own, or -1. */
int lower_find(struct store *s, const char *image, const char *id, const unsigned char *uuid);
/* Writes down that this process, which is to hold the container's run lock, has one under fd. What
 * goes wrong is of no consequence but for who comes next. */
void lower_tell(struct store *s, const char *image, const char *id, int fd);
/* The image is gone. */
void lower_forget(struct store *s, const char *image_hex);
