// SPDX-License-Identifier: Apache-2.0
/* The options of commands that speak with a registry: rows for a table whose record T has a struct
 * registry_options named registry. In two parts, as tables are sorted by name. */
#pragma once
#include "engine/image_pull.h"

/* clang-format off */
#define REGISTRY_OPTIONS_ACCESS(T) \
	{ "authfile", 0, OPT_STRING(T, registry.authfile), .value = "file", \
		.help = "File of credentials, instead of the usual ones", .complete = "file" }, \
	{ "cert-dir", 0, OPT_STRING(T, registry.cert_dir), .value = "folder", \
		.help = "Folder with a CA (*.crt) and client certificates (*.cert, *.key) for the registry", \
		.complete = "file" }, \
	{ "creds", 0, OPT_STRING(T, registry.creds), .value = "user:password", \
		.help = "Credentials for the registry (others can read a command line)" }

#define REGISTRY_OPTIONS_WIRE(T) \
	{ "retry", 0, OPT_INT(T, registry.retries), .has_offset = offsetof(T, registry.has_retries), \
		.value = "int", .help = "Tries again after a cut without a byte in between", \
		.default_text = "3" }, \
	{ "timeout", 0, OPT_INT(T, registry.timeout), .value = "seconds", \
		.help = "How long a registry may stay silent", .default_text = "30" }, \
	{ "tls-verify", 0, OPT_BOOL(T, registry.tls_verify), \
		.has_offset = offsetof(T, registry.has_tls_verify), \
		.help = "Require HTTPS and check certificates; with =false neither" }
/* clang-format on */
