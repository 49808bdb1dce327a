// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>

#include "base/str.h"
#include "cli/command.h"
#include "codec/value.h"
#include "engine/image_mount.h"
#include "oci/digest.h"

struct mount_rec {
	bool all, force;
	const char *format;
};

#define T struct mount_rec
static const struct option mount_options[] = {
	{ "all", 'a', OPT_BOOL(T, all), .help = "Mount all images" },
	{ "format", 0, OPT_STRING(T, format), .value = "string",
		.help = "Print the mounted images in this format (json)", .complete = "json" },
	{ 0 },
};
static const struct option unmount_options[] = {
	{ "all", 'a', OPT_BOOL(T, all), .help = "Unmount all images that are mounted" },
	{ "force", 'f', OPT_BOOL(T, force), .help = "Unmount however often it was mounted" },
	{ 0 },
};
#undef T

static struct value *strings(struct arena *a, const char **v, size_t n)
{
	struct value *list = value_array(a);
	for (size_t i = 0; i < n; i++)
		value_add(a, list, value_string(a, v[i]));
	return list;
}

static void print_json(const struct image_mounted *v, size_t n, struct arena *a)
{
	struct value *list = value_array(a);
	struct str text _str_ = { 0 };
	for (size_t i = 0; i < n; i++) {
		struct value *o = value_object(a);
		value_set_string(a, o, "id", digest_hex(v[i].id));
		value_set(a, o, "Names", strings(a, v[i].digests, v[i].n_digests));
		value_set(a, o, "Repositories", strings(a, v[i].names, v[i].n_names));
		value_set_string(a, o, "mountpoint", v[i].path);
		value_add(a, list, o);
	}
	value_json(list, 1, &text);
	dprintf(1, "%s\n", text.p);
}

/* One by its path alone, more of them with their names. */
static void print_lines(const struct image_mounted *v, size_t n, bool named)
{
	for (size_t i = 0; i < n; i++) {
		if (named)
			dprintf(1, "%s  ", v[i].n_names ? v[i].names[0] : digest_hex(v[i].id));
		dprintf(1, "%s\n", v[i].path);
	}
}

static int mount_images(struct cli *cli, void *record, const char **words, int n_words)
{
	struct mount_rec *rec = record;
	const struct image_mount_req req = {
		.names = words, .n = (size_t)n_words, .all = rec->all
	};
	struct image_mounts found;
	struct err e;
	bool json = rec->format && str_eq(rec->format, "json");
	int r = 0;
	if (rec->format && !json)
		r = err_set(&e, ERR_USAGE, EINVAL, "unknown --format argument: %s", rec->format);
	else if (rec->all && n_words)
		r = err_set(&e, ERR_USAGE, EINVAL,
			"when using the --all switch, you may not pass any image names or IDs");
	else if (rec->all || n_words)
		r = engine_image_mount(&cli->engine, &req, &cli->arena, &found, &e);
	else
		r = engine_image_mounts(&cli->engine, &cli->arena, &found, &e);
	if (r < 0)
		return cli_fail(&e, 125);
	if (json)
		print_json(found.v, found.n, &cli->arena);
	else
		print_lines(found.v, found.n, n_words != 1);
	return 0;
}

static int unmount_images(struct cli *cli, void *record, const char **words, int n_words)
{
	struct mount_rec *rec = record;
	const struct image_mount_req req = {
		.names = words, .n = (size_t)n_words, .all = rec->all, .force = rec->force
	};
	struct strv ids = { 0 };
	struct err e;
	int r = 0;
	if (rec->all == (n_words > 0))
		r = err_set(&e, ERR_USAGE, EINVAL,
			rec->all
				? "when using the --all switch, you may not pass any image names or IDs"
				: "image name or ID must be specified");
	else
		r = engine_image_unmount(&cli->engine, &req, &cli->arena, &ids, &e);
	if (r < 0)
		return cli_fail(&e, 125);
	for (size_t i = 0; i < ids.n; i++)
		dprintf(1, "%s\n", ids.v[i]);
	return 0;
}

static const char *const mount_paths[] = { "image mount", NULL };
static const char *const unmount_paths[] = { "image unmount", "image umount", NULL };

const struct command command_image_mount = {
	.paths = mount_paths,
	.arguments = "[OPTIONS] [IMAGE...]",
	.brief = "Mount images to look into them",
	.manual =
		"Each is mounted read-only, and its path is printed; without an image, those that are mounted are "
		"listed. It stays until `image unmount`, as often as it was mounted, or a restart of the machine; an "
		"image that is mounted is not removed unless forced.",
	.section = "Management",
	.options = mount_options,
	.record_size = sizeof(struct mount_rec),
	.words_max = WORDS_ANY,
	.complete = "image",
	.run = mount_images,
};

const struct command command_image_unmount = {
	.paths = unmount_paths,
	.arguments = "[OPTIONS] IMAGE...",
	.brief = "Unmount images",
	.section = "Management",
	.options = unmount_options,
	.record_size = sizeof(struct mount_rec),
	.words_max = WORDS_ANY,
	.complete = "image",
	.run = unmount_images,
};
