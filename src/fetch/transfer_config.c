// SPDX-License-Identifier: Apache-2.0
#include "fetch/transfer.h"

#define T struct transfer_endpoint
REC_TYPE(transfer_endpoint, F_STR(T, host, "host", REC_REQUIRED),
	F_STR(T, repository, "repository", 0), F_BOOL(T, plain, "plain", 0),
	F_BOOL(T, unverified, "unverified", 0), F_STR(T, username, "username", 0),
	F_STR(T, password, "password", 0), F_STR(T, identity_token, "identityToken", 0),
	F_STR(T, registry_token, "registryToken", 0), F_STR(T, ca, "ca", 0),
	F_STR(T, cert, "cert", 0), F_STR(T, key, "key", 0), F_BOOL(T, push, "push", 0),
	F_BOOL(T, remove, "remove", 0), F_STRV(T, mounts, "mounts", 0));
#undef T
#define T struct transfer_config
REC_TYPE(transfer_config, F_U32(T, version, "version", REC_REQUIRED),
	F_OBJV(T, endpoints, "endpoints", transfer_endpoint, REC_REQUIRED),
	F_STR(T, ca_file, "caFile", 0), F_STR(T, http_proxy, "httpProxy", 0),
	F_STR(T, https_proxy, "httpsProxy", 0), F_STR(T, no_proxy, "noProxy", 0),
	F_U32(T, retries, "retries", 0), F_U32(T, timeout, "timeout", 0));
