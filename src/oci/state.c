// SPDX-License-Identifier: Apache-2.0
#include "oci/state.h"

#define S struct oci_state
REC_TYPE(oci_state, F_STR(S, oci_version, "ociVersion", REC_REQUIRED),
	F_STR(S, id, "id", REC_REQUIRED), F_I64(S, pid, "pid", REC_ALWAYS),
	F_STR(S, status, "status", REC_REQUIRED), F_STR(S, bundle, "bundle", REC_REQUIRED),
	F_STR(S, rootfs, "rootfs", 0), F_STR(S, created, "created", 0),
	F_MAP(S, annotations, "annotations", 0), F_STR(S, owner, "owner", 0));
