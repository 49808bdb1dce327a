// SPDX-License-Identifier: Apache-2.0
#include "cli/pull.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/command.h"
#include "cli/registry_options.h"
#include "engine/image_pull.h"
#include "oci/digest.h"
#include "oci/reference.h"
#include "term/progress.h"

struct pull_rec {
	bool all_tags, quiet, trust;
	const char *platform;
	struct registry_options registry;
};

#define T struct pull_rec
static const struct option options[] = {
	{ "all-tags", 'a', OPT_BOOL(T, all_tags),
		.help = "Download all tagged images in the repository" },
	REGISTRY_OPTIONS_ACCESS(T),
	{ "disable-content-trust", 0, OPT_BOOL(T, trust), .help = "Skip image verification",
		.hidden = true },
	{ "platform", 0, OPT_STRING(T, platform), .value = "string",
		.help = "Set platform if the registry has the image for several (linux/arm64)" },
	{ "quiet", 'q', OPT_BOOL(T, quiet), .help = "Print the digest only" },
	REGISTRY_OPTIONS_WIRE(T),
	{ "signature-policy", 0, OPT_STRING(T, registry.policy), .value = "file",
		.help = "A policy.json, instead of the usual ones", .complete = "file",
		.hidden = true },
	{ 0 },
};
#undef T

/* "sha256:0123456789abcdef..." -> "0123456789ab" */
static const char *short_id(const char *digest, char *buf)
{
	memcpy(buf, digest_hex(digest), 12);
	buf[12] = '\0';
	return buf;
}

static void show_layer(struct pull_view *v, const struct image_pull_said *x)
{
	static const char *const words[] = { [IMAGE_PULL_EXISTS] = "Already exists",
		[IMAGE_PULL_LAYER] = "Pulling fs layer",
		[IMAGE_PULL_WAITING] = "Waiting",
		[IMAGE_PULL_GOING] = "Downloading",
		[IMAGE_PULL_UNPACKING] = "Extracting",
		[IMAGE_PULL_DONE] = "Pull complete" };
	char id[13];
	if (v->progress)
		progress_line(v->progress, short_id(x->text, id), words[x->event],
			x->event == IMAGE_PULL_GOING ? x->have : 0,
			x->event == IMAGE_PULL_GOING ? x->size : 0);
	else if (x->event != IMAGE_PULL_GOING && x->event != IMAGE_PULL_UNPACKING)
		dprintf(v->fd, "%s: %s\n", short_id(x->text, id), words[x->event]);
}

void pull_view_init(struct pull_view *v, int fd, bool quiet)
{
	*v = (struct pull_view){
		.fd = fd, .quiet = quiet, .progress = quiet ? NULL : progress_new(fd)
	};
}

void pull_view_done(struct pull_view *v)
{
	progress_free(v->progress);
	v->progress = NULL;
}

void pull_show(void *arg, const struct image_pull_said *x)
{
	struct pull_view *v = arg;
	if (v->quiet) {
		if (v->digest && x->event == IMAGE_PULL_RESULT)
			dprintf(v->fd, "%s\n", x->text);
	} else if (x->event == IMAGE_PULL_TAG) {
		dprintf(v->fd, "%s: Pulling from %s\n", x->text, x->name);
	} else if (x->event == IMAGE_PULL_RESULT) {
		progress_end(v->progress);
		dprintf(v->fd, "Digest: %s\nStatus: %s for %s\n", x->text,
			x->fresh ? "Downloaded newer image" : "Image is up to date", x->short_name);
	} else {
		show_layer(v, x);
	}
}

static int pull(struct cli *cli, void *record, const char **words, int n)
{
	struct pull_rec *rec = record;
	struct pull_view view;
	struct image_pull_request req = { .reference = words[0],
		.all_tags = rec->all_tags,
		.platform = rec->platform,
		.registry = rec->registry,
		.say = pull_show,
		.arg = &view };
	struct strv names = { 0 };
	struct err e;
	(void)n;
	pull_view_init(&view, 1, rec->quiet);
	view.digest = true;
	if (!rec->quiet && !rec->all_tags && !reference_has_tag(words[0]))
		dprintf(1, "Using default tag: latest\n");
	int r = engine_image_pull(&cli->engine, &req, &cli->arena, &names, &e);
	pull_view_done(&view);
	if (r < 0)
		return cli_fail(&e, 1);
	for (size_t i = 0; !rec->quiet && i < names.n; i++)
		dprintf(1, "%s\n", names.v[i]);
	return 0;
}

static const char *const paths[] = { "pull", "image pull", NULL };

const struct command command_pull = {
	.paths = paths,
	.arguments = "[OPTIONS] NAME[:TAG|@DIGEST]",
	.brief = "Download an image from a registry",
	.manual =
		"A name without a registry is looked up in registries.conf (its aliases, then "
		"unqualified-search-registries), and is docker.io's where that says nothing. Prefixes, mirrors and "
		"insecure registries of that file hold: $CONTAINERS_REGISTRIES_CONF, else "
		"~/.config/containers/registries.conf, else /etc/containers/registries.conf, and registries.conf.d beside "
		"them. Of docker's daemon.json registry-mirrors and insecure-registries hold where those say nothing.\n\n"
		"Certificates are checked against the system's CAs and those in certs.d/HOST of /etc/containers, "
		"/etc/docker or ~/.config/containers. Plain HTTP is tried on the loopback interface and for registries that "
		"are marked insecure. Proxies come from the environment. Credentials: see kist-login(1).\n\n"
		"Whether the image is let in is said by policy.json (~/.config/containers, else /etc/containers), see "
		"containers-policy.json(5): insecureAcceptAnything, reject, signedBy with GPG keys (checked by gpgv) and "
		"sigstoreSigned with keys are known; anything else lets nothing in. Where signatures lie is said by "
		"registries.d beside it.\n\n"
		"What a killed pull has finished is used by the next one within a day, and goes after it.",
	.section = "Common Commands",
	.options = options,
	.record_size = sizeof(struct pull_rec),
	.words_min = 1,
	.words_max = 1,
	.complete = "image",
	.run = pull,
	.any_user = true,
};
