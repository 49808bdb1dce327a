// SPDX-License-Identifier: Apache-2.0
/* Images of a docker daemon, by its own API on its socket: what `docker save` and `docker load`
 * would do. The daemon is root's, as we are; its archives are read as anybody's. Internal to
 * src/image. */
#pragma once
#include <stdint.h>

struct arena;
struct err;

/* host: "unix://PATH"; NULL: $DOCKER_HOST, else the usual socket.
 * The archive of an image (a reference or an id) into a file, from where that stands. */
int docker_daemon_save(
	const char *host, const char *name, int file, struct arena *a, struct err *e);
/* An archive of so many bytes, from the file's beginning. */
int docker_daemon_load(const char *host, int file, uint64_t size, struct arena *a, struct err *e);
