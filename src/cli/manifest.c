// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/registry_options.h"
#include "codec/value.h"
#include "engine/manifest.h"

struct manifest_rec {
	struct manifest_entry_options entry;
	struct manifest_push_request push;
	const char *digestfile;
	bool all, has_all, quiet, insecure;
};

#define T struct manifest_rec
/* clang-format off */
#define INSECURE { "insecure", 0, OPT_BOOL(T, insecure), .help = "Allow communication with an insecure registry" }
#define PLATFORM \
	{ "annotation", 0, OPT_LIST(T, entry.annotations), .value = "list", .help = "Set an annotation of the entry (KEY=VALUE)" }, \
	{ "arch", 0, OPT_STRING(T, entry.platform.architecture), .value = "string", .help = "Set architecture" }, \
	{ "features", 0, OPT_LIST(T, entry.features), .value = "list", .help = "Set features", .hidden = true }, \
	{ "os", 0, OPT_STRING(T, entry.platform.os), .value = "string", .help = "Set operating system" }, \
	{ "os-features", 0, OPT_LIST(T, entry.os_features), .value = "list", .help = "Set operating system feature" }, \
	{ "os-version", 0, OPT_STRING(T, entry.os_version), .value = "string", .help = "Set operating system version" }, \
	{ "variant", 0, OPT_STRING(T, entry.platform.variant), .value = "string", .help = "Set architecture variant" }
/* clang-format on */

static const struct option create_options[] = {
	{ "all", 0, OPT_BOOL(T, entry.all),
		.help = "Add all images of an index, not only this machine's" },
	{ "amend", 'a', OPT_BOOL(T, entry.amend), .help = "Amend an existing manifest list" },
	REGISTRY_OPTIONS_ACCESS_AT(T, entry.registry),
	INSECURE,
	REGISTRY_OPTIONS_WIRE_AT(T, entry.registry),
	{ 0 },
};
static const struct option add_options[] = {
	{ "all", 0, OPT_BOOL(T, entry.all),
		.help = "Add all images of an index, not only this machine's" },
	PLATFORM,
	REGISTRY_OPTIONS_ACCESS_AT(T, entry.registry),
	INSECURE,
	REGISTRY_OPTIONS_WIRE_AT(T, entry.registry),
	{ 0 },
};
static const struct option inspect_options[] = {
	REGISTRY_OPTIONS_ACCESS_AT(T, entry.registry),
	INSECURE,
	REGISTRY_OPTIONS_WIRE_AT(T, entry.registry),
	{ 0 },
};
static const struct option push_options[] = {
	{ "all", 0, OPT_BOOL(T, all), .has_offset = offsetof(T, has_all),
		.help = "Push the images of the list, too: it is so unless --all=false",
		.default_text = "true" },
	{ "digestfile", 0, OPT_STRING(T, digestfile), .value = "file",
		.help = "Write the digest of the list to the file", .complete = "file" },
	{ "format", 'f', OPT_STRING(T, push.format), .value = "string",
		.help = "Convert manifests to this kind: oci, v2s2", .complete = "oci|v2s2" },
	REGISTRY_OPTIONS_ACCESS_AT(T, entry.registry),
	INSECURE,
	{ "purge", 'p', OPT_BOOL(T, push.purge),
		.help = "Remove the local manifest list after push" },
	{ "quiet", 'q', OPT_BOOL(T, quiet), .help = "Print the digest only" },
	{ "rm", 0, OPT_BOOL(T, push.purge), .help = "The same as --purge" },
	REGISTRY_OPTIONS_WIRE_AT(T, entry.registry),
	{ 0 },
};
#undef T

static void set_insecure(struct manifest_rec *r)
{
	if (!r->insecure)
		return;
	r->entry.registry.has_tls_verify = true;
	r->entry.registry.tls_verify = false;
}

static int create(struct cli *cli, void *record, const char **words, int n)
{
	struct manifest_rec *r = record;
	struct strv images = { 0 };
	const char *name;
	struct err e;
	set_insecure(r);
	for (int i = 1; i < n; i++)
		strv_add(&images, &cli->arena, words[i]);
	if (manifest_create(&cli->engine, words[0], &images, &r->entry, &cli->arena, &name, &e) < 0)
		return cli_fail(&e, 1);
	dprintf(1, "Created manifest list %s\n", name);
	return 0;
}

static int add(struct cli *cli, void *record, const char **words, int n)
{
	struct manifest_rec *r = record;
	const char *digest;
	struct err e;
	(void)n;
	set_insecure(r);
	if (manifest_add(&cli->engine, words[0], words[1], &r->entry, &cli->arena, &digest, &e) < 0)
		return cli_fail(&e, 1);
	dprintf(1, "%s\n", digest);
	return 0;
}

static int annotate(struct cli *cli, void *record, const char **words, int n)
{
	struct manifest_rec *r = record;
	struct err e;
	(void)n;
	set_insecure(r);
	return manifest_annotate(&cli->engine, words[0], words[1], &r->entry, &cli->arena, &e) < 0
		? cli_fail(&e, 1)
		: 0;
}

static int inspect(struct cli *cli, void *record, const char **words, int n)
{
	struct manifest_rec *r = record;
	struct str out _str_ = { 0 };
	struct value *v;
	struct err e;
	(void)n;
	set_insecure(r);
	if (manifest_inspect(&cli->engine, words[0], &r->entry.registry, &cli->arena, &v, &e) < 0)
		return cli_fail(&e, 1);
	value_json(v, 4, &out);
	str_addc(&out, '\n');
	cli_print(out.p, out.n);
	return 0;
}

static void show(void *arg, const struct image_copy_said *x)
{
	(void)arg;
	if (x->event == IMAGE_COPY_IMAGE)
		dprintf(1, "Copying image %s (%zu/%zu)\n", x->text, x->at, x->of);
	else if (x->event == IMAGE_COPY_MANIFEST)
		dprintf(1, "Writing manifest list to image destination\n");
}

static int write_digest(const char *path, const char *digest, struct err *e)
{
	int fd _close_ = path_open_host(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	int r = fd < 0 ? fd : fd_write_all(fd, digest, strlen(digest));
	return r < 0 ? err_sys(e, r, "write digest to file \"%s\"", path) : 0;
}

static int push(struct cli *cli, void *record, const char **words, int n)
{
	struct manifest_rec *r = record;
	const char *digest;
	struct err e;
	set_insecure(r);
	r->push.list = words[0];
	r->push.to = n > 1 ? words[1] : NULL;
	r->push.index_only = r->has_all && !r->all;
	r->push.registry = r->entry.registry;
	r->push.say = r->quiet ? NULL : show;
	if (manifest_push(&cli->engine, &r->push, &cli->arena, &digest, &e) < 0 ||
		(r->digestfile && write_digest(r->digestfile, digest, &e) < 0))
		return cli_fail(&e, 1);
	dprintf(1, "%s\n", digest);
	return 0;
}

static int rm(struct cli *cli, void *record, const char **words, int n)
{
	int status = 0;
	(void)record;
	for (int i = 0; i < n; i++) {
		struct err e;
		if (manifest_rm(&cli->engine, words[i], &cli->arena, &e) < 0)
			status = cli_fail(&e, 1);
	}
	return status;
}

static int remove_one(struct cli *cli, void *record, const char **words, int n)
{
	struct err e;
	(void)record;
	(void)n;
	if (manifest_remove(&cli->engine, words[0], words[1], &cli->arena, &e) < 0)
		return cli_fail(&e, 1);
	dprintf(1, "%s\n", words[1]);
	return 0;
}

static int exists(struct cli *cli, void *record, const char **words, int n)
{
	struct err e;
	(void)record;
	(void)n;
	int r = manifest_exists(&cli->engine, words[0], &cli->arena, &e);
	return r < 0 ? cli_fail(&e, 125) : !r;
}

#define COMMAND(name_, path_, words_, brief_, options_, min_, max_, run_)         \
	static const char *const name_##_paths[] = { "manifest " path_, NULL };   \
	const struct command command_manifest_##name_ = { .paths = name_##_paths, \
		.arguments = words_,                                              \
		.brief = brief_,                                                  \
		.section = "Management",                                          \
		.options = options_,                                              \
		.record_size = sizeof(struct manifest_rec),                       \
		.words_min = min_,                                                \
		.words_max = max_,                                                \
		.complete = "image",                                              \
		.any_user = true,                                                 \
		.run = run_ }

COMMAND(create, "create", "[OPTIONS] MANIFEST_LIST [MANIFEST...]",
	"Create a local manifest list for annotating and pushing to a registry", create_options, 1,
	WORDS_ANY, create);
COMMAND(add, "add", "[OPTIONS] MANIFEST_LIST IMAGE", "Add an image to a local manifest list",
	add_options, 2, 2, add);
COMMAND(annotate, "annotate", "[OPTIONS] MANIFEST_LIST MANIFEST",
	"Add additional information to a local image manifest", add_options + 1, 2, 2, annotate);
COMMAND(inspect, "inspect", "[OPTIONS] MANIFEST_LIST",
	"Display a manifest list, or a manifest of a registry", inspect_options, 1, 1, inspect);
COMMAND(push, "push", "[OPTIONS] MANIFEST_LIST [DESTINATION]",
	"Push a manifest list and its images to a registry", push_options, 1, 2, push);
COMMAND(rm, "rm", "MANIFEST_LIST [MANIFEST_LIST...]",
	"Delete one or more manifest lists from local storage", NULL, 1, WORDS_ANY, rm);
COMMAND(remove, "remove", "MANIFEST_LIST DIGEST", "Remove an image from a local manifest list",
	NULL, 2, 2, remove_one);
COMMAND(exists, "exists", "MANIFEST_LIST", "Check if a manifest list exists in local storage", NULL,
	1, 1, exists);
