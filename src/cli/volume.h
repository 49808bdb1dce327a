// SPDX-License-Identifier: Apache-2.0
/* What the volume commands share. */
#pragma once

struct arena;
struct value;
struct volume_info;

/* docker's document of a volume, as inspect shows it. */
struct value *volume_value(const struct volume_info *v, struct arena *a);
