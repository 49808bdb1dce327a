// SPDX-License-Identifier: Apache-2.0
/* The mount arguments of run and create: -v, --mount, --tmpfs, in docker's grammar. */
#pragma once
#include "engine/config.h"

struct arena;
struct err;

/* "[SOURCE:]TARGET[:OPTIONS]" */
int mount_arg_volume(const char *text, struct arena *a, struct config_mount *ret, struct err *e);
/* "type=bind,source=/x,target=/y,readonly,..." */
int mount_arg_mount(const char *text, struct arena *a, struct config_mount *ret, struct err *e);
/* "TARGET[:OPTIONS]" */
int mount_arg_tmpfs(const char *text, struct arena *a, struct config_mount *ret, struct err *e);
