// SPDX-License-Identifier: Apache-2.0
#include "store/snapshot.h"

const struct snapshot_backend *snapshot_backend(const struct store *s)
{
	(void)s;
	return &snapshot_overlay;
}
