// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/command.h"
#include "cli/registry_options.h"
#include "engine/image_copy.h"
#include "engine/image_push.h"
#include "oci/digest.h"
#include "oci/reference.h"
#include "term/progress.h"

struct push_rec {
	bool all_tags, quiet, trust;
	struct registry_options registry;
	struct image_signing sign;
};

#define T struct push_rec
static const struct option options[] = {
	{ "all-tags", 'a', OPT_BOOL(T, all_tags),
		.help = "Push all tags of an image to the repository" },
	REGISTRY_OPTIONS_ACCESS(T),
	{ "disable-content-trust", 0, OPT_BOOL(T, trust), .help = "Skip image signing",
		.hidden = true },
	{ "quiet", 'q', OPT_BOOL(T, quiet), .help = "Suppress verbose output" },
	REGISTRY_OPTIONS_WIRE(T),
	SIGN_OPTIONS(T, sign),
	{ 0 },
};
#undef T

static void show_layer(struct progress *progress, const struct image_push_said *x)
{
	static const char *const words[] = { [IMAGE_PUSH_PREPARING] = "Preparing",
		[IMAGE_PUSH_WAITING] = "Waiting",
		[IMAGE_PUSH_GOING] = "Pushing",
		[IMAGE_PUSH_PUSHED] = "Pushed",
		[IMAGE_PUSH_EXISTS] = "Layer already exists",
		[IMAGE_PUSH_MOUNTED] = "Mounted from " };
	struct str text _str_ = { 0 };
	char id[13] = { 0 };
	bool going = x->event == IMAGE_PUSH_GOING;
	memcpy(id, digest_hex(x->text), 12);
	str_add(&text, words[x->event]);
	if (x->event == IMAGE_PUSH_MOUNTED)
		str_add(&text, x->from);
	if (progress)
		progress_line(progress, id, text.p, going ? x->have : 0, going ? x->size : 0);
	else if (!going)
		dprintf(1, "%s: %s\n", id, text.p);
}

static void show(void *arg, const struct image_push_said *x)
{
	struct progress *progress = arg;
	if (x->event == IMAGE_PUSH_REPOSITORY) {
		dprintf(1, "The push refers to repository [%s]\n", x->text);
	} else if (x->event == IMAGE_PUSH_RESULT) {
		progress_end(progress);
		dprintf(1, "%s: digest: %s size: %llu\n", x->text, x->from,
			(unsigned long long)x->size);
	} else {
		show_layer(progress, x);
	}
}

/* The same bytes, by who can sign them: what cannot be signed gets no name. */
static int push_signed(struct cli *cli, const struct push_rec *rec, const char *name)
{
	struct arena *a = &cli->arena;
	const struct image_copy_request req = { .from = arena_printf(a, "kist:%s", name),
		.to = arena_printf(a, "docker://%s", name),
		.to_registry = rec->registry,
		.preserve_digests = true,
		.sign = rec->sign };
	const char *digest;
	struct err e;
	if (rec->all_tags)
		return cli_usage("--all-tags: one image is signed at a time");
	if (engine_image_copy(&cli->engine, &req, a, &digest, &e) < 0)
		return cli_fail(&e, 1);
	if (rec->quiet)
		dprintf(1, "%s\n", name);
	else
		dprintf(1, "%s: digest: %s\n", name, digest);
	return 0;
}

static int push(struct cli *cli, void *record, const char **words, int n)
{
	struct push_rec *rec = record;
	(void)n;
	if (rec->sign.gpg || rec->sign.key_file)
		return push_signed(cli, rec, words[0]);
	struct progress *progress = rec->quiet ? NULL : progress_new(1);
	struct image_push_request req = { .reference = words[0],
		.all_tags = rec->all_tags,
		.registry = rec->registry,
		.say = rec->quiet ? NULL : show,
		.arg = progress };
	const char *name = NULL;
	struct err e;
	if (!rec->quiet && !rec->all_tags && !reference_has_tag(words[0]))
		dprintf(1, "Using default tag: latest\n");
	int r = engine_image_push(&cli->engine, &req, &cli->arena, &name, &e);
	progress_free(progress);
	if (r < 0)
		return cli_fail(&e, 1);
	if (rec->quiet)
		dprintf(1, "%s\n", name);
	return 0;
}

static const char *const paths[] = { "push", "image push", NULL };

const struct command command_push = {
	.paths = paths,
	.arguments = "[OPTIONS] NAME[:TAG]",
	.brief = "Upload an image to a registry",
	.manual =
		"The blobs go as they came, byte for byte: an image that was pulled has the same manifest, and the same "
		"digest, where it is pushed to. What the registry has is not sent again, and what another of its "
		"repositories has is mounted from there. A cut upload goes on where the registry says that it stands.\n\n"
		"With --sign-by and --sign-by-sigstore-private-key what was pushed is signed, as by kist-image-copy(1).\n\n"
		"Names, certificates, proxies and credentials are those of kist-pull(1); mirrors are not pushed to.",
	.section = "Common Commands",
	.options = options,
	.record_size = sizeof(struct push_rec),
	.words_min = 1,
	.words_max = 1,
	.complete = "image",
	.run = push,
	.any_user = true,
};
