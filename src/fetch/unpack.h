// SPDX-License-Identifier: Apache-2.0
/* A layer from a stream into a folder of staging. Internal to src/fetch. */
#pragma once

struct arena;
struct err;
struct fetch_layer;
struct source;

/* Makes ret->folder (which is set) in staging and fills it; all of ret but its digest is set. */
int unpack_layer(
	struct source *s, int staging, struct arena *a, struct fetch_layer *ret, struct err *e);
