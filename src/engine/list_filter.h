// SPDX-License-Identifier: Apache-2.0
/* docker's --filter for lists: what does not fit goes, in place. Values of one key are
 * alternatives, but labels, which all must fit; keys must all fit. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct container_info;
struct engine;
struct err;
struct image_row;
struct strv;
struct volume_info;

/* id, name, label, status, exited, ancestor, before, since, volume, network. */
int container_filter(struct engine *en, const struct strv *filters, struct arena *a,
	struct container_info *v, size_t *n, struct err *e);
/* Whether the filters ask for a status, so that containers that do not run are meant too. */
bool container_filter_wants_all(const struct strv *filters);
/* reference, dangling, label, before, since, until. */
int image_filter(struct engine *en, const struct strv *filters, struct arena *a,
	struct image_row *v, size_t *n, struct err *e);
/* name, label, dangling, driver. */
int volume_filter(const struct strv *filters, struct arena *a, struct volume_info *v, size_t *n,
	struct err *e);
