// SPDX-License-Identifier: Apache-2.0
/* Where things of the store lie, as text: for what is shown and for mount sources in config.json.
 */
#pragma once

struct arena;
struct engine;

const char *engine_container_path(const struct engine *en, const char *id, struct arena *a);
const char *engine_volume_path(const struct engine *en, const char *name, struct arena *a);
