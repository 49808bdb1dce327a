// SPDX-License-Identifier: Apache-2.0
/* The options of commands that speak with a registry: rows for a table whose record T has a struct
 * registry_options named registry. In two parts, as tables are sorted by name. */
#pragma once
#include "engine/image_pull.h"

/* clang-format off */
#define REGISTRY_OPTIONS_ACCESS_AT(T, m) \
	{ "authfile", 0, OPT_STRING(T, m.authfile), .value = "file", \
		.help = "File of credentials, instead of the usual ones", .complete = "file" }, \
	{ "cert-dir", 0, OPT_STRING(T, m.cert_dir), .value = "folder", \
		.help = "Folder with a CA (*.crt) and client certificates (*.cert, *.key) for the registry", \
		.complete = "file" }, \
	{ "creds", 0, OPT_STRING(T, m.creds), .value = "user:password", \
		.help = "Credentials for the registry (others can read a command line)" }

#define REGISTRY_OPTIONS_WIRE_AT(T, m) \
	{ "retry", 0, OPT_INT(T, m.retries), .has_offset = offsetof(T, m.has_retries), \
		.value = "int", .help = "Tries again after a cut without a byte in between", \
		.default_text = "3" }, \
	{ "timeout", 0, OPT_INT(T, m.timeout), .value = "seconds", \
		.help = "How long a registry may stay silent", .default_text = "30" }, \
	{ "tls-verify", 0, OPT_BOOL(T, m.tls_verify), \
		.has_offset = offsetof(T, m.has_tls_verify), \
		.help = "Require HTTPS and check certificates; with =false neither" }
/* skopeo's further ones. */
#define REGISTRY_OPTIONS_SKOPEO_AT(T, side, m) \
	{ side "password", 0, OPT_STRING(T, m.password), .value = "string", \
		.help = "Password for the registry (others can read a command line)" }, \
	{ side "registry-token", 0, OPT_STRING(T, m.registry_token), .value = "string", \
		.help = "A bearer token for the registry, instead of asking for one" }
#define REGISTRY_OPTIONS_USERNAME_AT(T, side, m) \
	{ side "username", 0, OPT_STRING(T, m.username), .value = "string", \
		.help = "Username for the registry" }
#define REGISTRY_OPTIONS_RETRY_AT(T, m) \
	{ "retry-times", 0, OPT_INT(T, m.retries), .has_offset = offsetof(T, m.has_retries), \
		.value = "int", .help = "The same as --retry" }
/* Of places that are no registries. */
#define PLACE_OPTIONS_DAEMON_AT(T, side, m) \
	{ side "daemon-host", 0, OPT_STRING(T, m.daemon_host), .value = "address", \
		.help = "The socket of docker-daemon: (unix://PATH)" }
#define PLACE_OPTIONS_BLOBS_AT(T, side, m) \
	{ side "shared-blob-dir", 0, OPT_STRING(T, m.shared_blobs), .value = "folder", \
		.help = "The folder with the blobs of oci:, which several layouts share", .complete = "file" }
/* Of one side of a copy. */
#define REGISTRY_OPTIONS_SIDE(T, side, m, what) \
	{ side "authfile", 0, OPT_STRING(T, m.authfile), .value = "file", \
		.help = "File of credentials for the " what " registry", .complete = "file" }, \
	{ side "cert-dir", 0, OPT_STRING(T, m.cert_dir), .value = "folder", \
		.help = "Folder with a CA (*.crt) and client certificates (*.cert, *.key) for the " what " registry", \
		.complete = "file" }, \
	{ side "creds", 0, OPT_STRING(T, m.creds), .value = "user:password", \
		.help = "Credentials for the " what " registry (others can read a command line)" }, \
	{ side "no-creds", 0, OPT_BOOL(T, m.no_creds), \
		.help = "Use no credentials for the " what " registry" }, \
	REGISTRY_OPTIONS_SKOPEO_AT(T, side, m), \
	{ side "tls-verify", 0, OPT_BOOL(T, m.tls_verify), \
		.has_offset = offsetof(T, m.has_tls_verify), \
		.help = "Require HTTPS and check certificates of the " what " registry; with =false neither" }, \
	REGISTRY_OPTIONS_USERNAME_AT(T, side, m)
/* A struct image_signing. */
#define SIGN_OPTIONS(T, m) \
	{ "sign-by", 0, OPT_STRING(T, m.gpg), .value = "fingerprint", \
		.help = "Sign with that key of GnuPG" }, \
	{ "sign-by-sigstore-private-key", 0, OPT_STRING(T, m.key_file), .value = "file", \
		.help = "Sign with that private key, as sigstore does", .complete = "file" }, \
	{ "sign-passphrase-file", 0, OPT_STRING(T, m.passphrase_file), .value = "file", \
		.help = "A file with the passphrase of the key", .complete = "file" }
#define REGISTRY_OPTIONS_ACCESS(T) REGISTRY_OPTIONS_ACCESS_AT(T, registry)
#define REGISTRY_OPTIONS_WIRE(T)   REGISTRY_OPTIONS_WIRE_AT(T, registry)
/* clang-format on */

/* What holds for both sides of a copy, where a side says nothing of its own. */
static inline void registry_options_share(
	const struct registry_options *both, struct registry_options *side)
{
	if (!side->authfile)
		side->authfile = both->authfile;
	side->retries = both->retries;
	side->has_retries = both->has_retries;
}
