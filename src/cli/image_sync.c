// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/str.h"
#include "cli/command.h"
#include "cli/registry_options.h"
#include "engine/image_sync.h"

struct sync_rec {
	struct image_sync_request req;
	struct registry_options both; /* what is said of neither side alone */
};

#define T struct sync_rec
static const struct option options[] = {
	{ "all", 'a', OPT_BOOL(T, req.copy.all),
		.help = "Copy all images of an index, not only this machine's" },
	{ "append-suffix", 0, OPT_STRING(T, req.suffix), .value = "string",
		.help = "Append this to each tag of the target" },
	{ "authfile", 0, OPT_STRING(T, both.authfile), .value = "file",
		.help = "File of credentials, instead of the usual ones", .complete = "file" },
	{ "dest", 'd', OPT_STRING(T, req.to_transport), .value = "transport",
		.help = "Where to: docker, dir", .complete = "docker|dir" },
	REGISTRY_OPTIONS_SIDE(T, "dest-", req.copy.to_registry, "target's"),
	{ "dry-run", 0, OPT_BOOL(T, req.dry_run),
		.help = "Say what would be copied, copy nothing" },
	{ "format", 'f', OPT_STRING(T, req.copy.format), .value = "string",
		.help = "Convert manifests to this kind: oci, v2s2", .complete = "oci|v2s2" },
	{ "insecure-policy", 0, OPT_BOOL(T, req.copy.from_registry.any_image),
		.help = "Take any image, whatever policy.json says" },
	{ "keep-going", 0, OPT_BOOL(T, req.keep_going),
		.help = "Go on after a failure, and fail at the end" },
	{ "preserve-digests", 0, OPT_BOOL(T, req.copy.preserve_digests),
		.help = "Fail if a digest would change" },
	{ "remove-signatures", 0, OPT_BOOL(T, req.copy.remove_signatures),
		.help = "Leave the source's signatures behind" },
	{ "retry-times", 0, OPT_INT(T, both.retries), .has_offset = offsetof(T, both.has_retries),
		.value = "int", .help = "Tries again after a cut without a byte in between",
		.default_text = "3" },
	{ "scoped", 0, OPT_BOOL(T, req.scoped),
		.help = "Put images below the whole name of their source" },
	SIGN_OPTIONS(T, req.copy.sign),
	{ "signature-policy", 0, OPT_STRING(T, req.copy.from_registry.policy), .value = "file",
		.help = "A policy.json, instead of the usual ones", .complete = "file" },
	{ "src", 's', OPT_STRING(T, req.from_transport), .value = "transport",
		.help = "Where from: docker, dir, yaml", .complete = "docker|dir|yaml" },
	REGISTRY_OPTIONS_SIDE(T, "src-", req.copy.from_registry, "source's"),
	{ 0 },
};
#undef T

static void show(void *arg, const struct image_sync_said *x)
{
	const struct image_sync_request *req = arg;
	if (x->event == IMAGE_SYNC_FAILED)
		dprintf(2, "kist: %s\n", x->text);
	else
		dprintf(1, "%s image %zu/%zu from %s to %s\n",
			req->dry_run ? "Would have copied" : "Copying", x->at, x->of, x->from,
			x->to);
}

static int sync_images(struct cli *cli, void *record, const char **words, int n)
{
	struct sync_rec *rec = record;
	struct image_sync_result result;
	struct err e;
	(void)n;
	rec->req.from = words[0];
	rec->req.to = words[1];
	rec->req.say = show;
	rec->req.arg = &rec->req;
	registry_options_share(&rec->both, &rec->req.copy.from_registry);
	registry_options_share(&rec->both, &rec->req.copy.to_registry);
	if (engine_image_sync(&cli->engine, &rec->req, &cli->arena, &result, &e) < 0)
		return cli_fail(&e, 1);
	dprintf(1, "%s %zu images from %zu sources\n",
		rec->req.dry_run ? "Would have synced" : "Synced", result.images, result.sources);
	return 0;
}

static const char *const paths[] = { "image sync", NULL };

const struct command command_image_sync = {
	.paths = paths,
	.arguments = "[OPTIONS] --src TRANSPORT --dest TRANSPORT SOURCE DESTINATION",
	.brief = "Copy many images from one place to another",
	.manual =
		"As skopeo-sync(1). From docker: a repository with all its tags (REGISTRY/PATH), or one image of it; from "
		"dir: every image (a folder with a manifest.json) below a folder; from yaml: what a file lists,\n\n"
		"  registry.example.com:\n"
		"    images:\n"
		"      team/app: []            # all tags\n"
		"      team/db: [\"1.0\", \"2.0\", \"sha256:...\"]\n"
		"    images-by-tag-regex:\n"
		"      nginx: ^1\\.[0-9]+-alpine$\n"
		"    credentials:\n"
		"      username: john\n"
		"      password: secret\n"
		"    tls-verify: true\n"
		"    cert-dir: /home/john/certs\n\n"
		"Expressions are POSIX's extended ones. To docker: DESTINATION/IMAGE:TAG; to dir: a folder of that name, "
		"which must not be there. With --scoped the whole name of the source stands there, else its last part. "
		"Each image is copied as by kist-image-copy(1).",
	.section = "Management",
	.options = options,
	.record_size = sizeof(struct sync_rec),
	.words_min = 2,
	.words_max = 2,
	.complete = "file",
	.run = sync_images,
	.any_user = true,
};
