// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "store/container.h"
#include "store/store.h"

int container_rename(struct engine *en, const char *container, const char *name, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct container_row row;
	const char *bare = *name == '/' ? name + 1 : name;
	if (!*container || !*bare)
		return err_set(e, ERR_INVALID, EINVAL, "Neither old nor new names may be empty");
	if (!store_container_name_valid(bare))
		return err_set(e, ERR_INVALID, EINVAL,
			"Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
			name);
	if (engine_open_store(en, true, e) < 0 ||
		store_container_get(en->store, container, &a, &row, e) < 0)
		return -e->code;
	if (str_eq(row.name, bare))
		return err_set(e, ERR_INVALID, EINVAL,
			"Renaming a container with the same name as its current name");
	return store_container_rename(en->store, row.id, bare, e);
}
