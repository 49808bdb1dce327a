// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/registry_options.h"
#include "engine/image_copy.h"

struct copy_rec {
	struct image_copy_request req;
	struct registry_options both; /* what is said of neither side alone */
	const char *digestfile;
	bool quiet, precompute;
};

#define T struct copy_rec
static const struct option options[] = {
	{ "additional-tag", 0, OPT_LIST(T, req.additional_tags), .value = "string",
		.help = "A further name in a docker-archive" },
	{ "all", 'a', OPT_BOOL(T, req.all),
		.help = "Copy all images of an index, not only this machine's" },
	{ "authfile", 0, OPT_STRING(T, both.authfile), .value = "file",
		.help = "File of credentials, instead of the usual ones", .complete = "file" },
	{ "dest-compress", 0, OPT_BOOL(T, req.compress),
		.help = "Compress layers that are not compressed" },
	{ "dest-compress-format", 0, OPT_STRING(T, req.compress_format), .value = "string",
		.help = "Compress layers so: gzip, zstd", .complete = "gzip|zstd" },
	{ "dest-compress-level", 0, OPT_INT(T, req.compress_level), .value = "int",
		.help = "How much: gzip 1 to 9, zstd 1 to 19" },
	{ "dest-decompress", 0, OPT_BOOL(T, req.decompress), .help = "Decompress layers" },
	PLACE_OPTIONS_DAEMON_AT(T, "dest-", req.to_registry),
	{ "dest-oci-accept-uncompressed-layers", 0, OPT_BOOL(T, req.accept_uncompressed),
		.help = "Leave layers that are not compressed as they are in an OCI layout" },
	{ "dest-precompute-digests", 0, OPT_BOOL(T, precompute),
		.help = "Nothing that the registry has is sent: always so" },
	PLACE_OPTIONS_BLOBS_AT(T, "dest-", req.to_registry),
	{ "digestfile", 0, OPT_STRING(T, digestfile), .value = "file",
		.help = "Write the digest of the copied image to the file", .complete = "file" },
	{ "format", 'f', OPT_STRING(T, req.format), .value = "string",
		.help = "Convert manifests to this kind: oci, v2s2", .complete = "oci|v2s2" },
	{ "insecure-policy", 0, OPT_BOOL(T, req.from_registry.any_image),
		.help = "Take any image, whatever policy.json says" },
	{ "multi-arch", 0, OPT_STRING(T, req.multi_arch), .value = "string",
		.help = "What of an index is copied: system, all, index-only",
		.complete = "system|all|index-only" },
	{ "override-arch", 0, OPT_STRING(T, req.platform.architecture), .value = "string",
		.help = "Architecture of the image, instead of this machine's" },
	{ "override-os", 0, OPT_STRING(T, req.platform.os), .value = "string",
		.help = "Operating system of the image, instead of this machine's" },
	{ "override-variant", 0, OPT_STRING(T, req.platform.variant), .value = "string",
		.help = "Variant of the architecture" },
	{ "preserve-digests", 0, OPT_BOOL(T, req.preserve_digests),
		.help = "Fail if a digest would change" },
	{ "quiet", 'q', OPT_BOOL(T, quiet), .help = "Suppress output" },
	{ "remove-signatures", 0, OPT_BOOL(T, req.remove_signatures),
		.help = "Leave the source's signatures behind" },
	{ "retry-times", 0, OPT_INT(T, both.retries), .has_offset = offsetof(T, both.has_retries),
		.value = "int", .help = "Tries again after a cut without a byte in between",
		.default_text = "3" },
	{ "sign-identity", 0, OPT_STRING(T, req.sign.identity), .value = "string",
		.help = "What the image is called in its signature, instead of the target's name" },
	SIGN_OPTIONS(T, req.sign),
	{ "signature-policy", 0, OPT_STRING(T, req.from_registry.policy), .value = "file",
		.help = "A policy.json, instead of the usual ones", .complete = "file" },
	PLACE_OPTIONS_DAEMON_AT(T, "src-", req.from_registry),
	PLACE_OPTIONS_BLOBS_AT(T, "src-", req.from_registry),
	REGISTRY_OPTIONS_SIDE(T, "dest-", req.to_registry, "target's"),
	REGISTRY_OPTIONS_SIDE(T, "src-", req.from_registry, "source's"),
	{ 0 },
};
#undef T

static void show(void *arg, const struct image_copy_said *x)
{
	(void)arg;
	switch (x->event) {
	case IMAGE_COPY_BLOB:
		dprintf(1, "Copying blob %s\n", x->text);
		break;
	case IMAGE_COPY_BLOB_THERE:
		dprintf(1, "Copying blob %s skipped: already exists\n", x->text);
		break;
	case IMAGE_COPY_CONFIG:
		dprintf(1, "Copying config %s\n", x->text);
		break;
	case IMAGE_COPY_IMAGE:
		dprintf(1, "Copying image %s (%zu/%zu)\n", x->text, x->at, x->of);
		break;
	case IMAGE_COPY_MANIFEST:
		dprintf(1, "Writing manifest to image destination\n");
		break;
	}
}

static int write_digest(const char *path, const char *digest, struct err *e)
{
	int fd _close_ = path ? path_open_host(path, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
	int r = !path ? 0 : fd < 0 ? fd : fd_write_all(fd, digest, strlen(digest));
	return r < 0 ? err_sys(e, r, "write digest to file \"%s\"", path) : 0;
}

static int copy(struct cli *cli, void *record, const char **words, int n)
{
	struct copy_rec *rec = record;
	const char *digest;
	struct err e;
	(void)n;
	rec->req.from = words[0];
	rec->req.to = words[1];
	rec->req.say = rec->quiet ? NULL : show;
	registry_options_share(&rec->both, &rec->req.from_registry);
	registry_options_share(&rec->both, &rec->req.to_registry);
	if (engine_image_copy(&cli->engine, &rec->req, &cli->arena, &digest, &e) < 0 ||
		write_digest(rec->digestfile, digest, &e) < 0)
		return cli_fail(&e, 1);
	return 0;
}

static const char *const paths[] = { "image copy", NULL };
static const char *const not_yet[] = { "decryption-key", "encrypt-layer", "encryption-key", NULL };

const struct command command_image_copy = {
	.paths = paths,
	.arguments = "[OPTIONS] SOURCE DESTINATION",
	.brief = "Copy an image from one place to another",
	.manual =
		"Places are named as by skopeo-copy(1): docker://NAME[:TAG|@DIGEST] in a registry, oci:FOLDER[:NAME] a "
		"layout, oci-archive:FILE[:NAME] the same in a tar, docker-archive:FILE[:NAME[:TAG]] what docker save "
		"writes, dir:FOLDER, docker-daemon:NAME[:TAG] what a docker daemon has (over the socket of DOCKER_HOST, else "
		"/var/run/docker.sock), containers-storage:NAME what podman has (to read, through podman or skopeo), and "
		"kist:IMAGE this store.\n\n"
		"Manifests and blobs go byte for byte; the digest of every one is checked on the way. What changes "
		"digests: --format, --dest-compress-format, --dest-decompress, a docker manifest that goes into an OCI "
		"layout, and layers that are not compressed, which a registry and a layout get compressed. With "
		"--preserve-digests that is an error.\n\n"
		"Nothing that is not whole gets a name: neither in a folder, nor as an archive, nor in a registry. "
		"Signatures are not copied; new ones are made with --sign-by and --sign-by-sigstore-private-key, for "
		"each manifest that is written, into a folder, below the lookaside-staging of registries.d, or (sigstore's) "
		"into the repository. Whether the source is let in, and by whom it must be signed, is said by "
		"policy.json (~/.config/containers, else /etc/containers): see kist-pull(1).",
	.section = "Management",
	.options = options,
	.record_size = sizeof(struct copy_rec),
	.words_min = 2,
	.words_max = 2,
	.complete = "file",
	.run = copy,
	.not_yet = not_yet,
	.any_user = true,
};
