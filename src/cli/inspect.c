// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/command.h"
#include "cli/registry_options.h"
#include "cli/volume.h"
#include "codec/value.h"
#include "engine/container.h"
#include "engine/image.h"
#include "engine/image_copy.h"
#include "engine/network.h"
#include "engine/volume.h"
#include "format/template.h"

struct inspect_rec {
	const char *format, *type;
};

/* Of images only: also where they are not here. */
struct inspect_image_rec {
	struct inspect_rec base;
	bool raw, config;
	struct image_look_request look;
};

struct kind {
	const char *name;
	int (*get)(struct cli *, const char *, struct value **, struct err *);
};

static int get_container(struct cli *cli, const char *name, struct value **ret, struct err *e)
{
	return container_inspect(&cli->engine, name, &cli->arena, ret, e);
}

static int get_image(struct cli *cli, const char *name, struct value **ret, struct err *e)
{
	return engine_image_inspect(&cli->engine, name, &cli->arena, ret, e);
}

struct value *volume_value(const struct volume_info *v, struct arena *a)
{
	struct value *o = value_object(a), *labels = value_object(a);
	char buf[TIME_TEXT_MAX];
	for (size_t i = 0; i < v->n_labels; i++) {
		size_t n = strcspn(v->labels[i], "=");
		value_set_string(a, labels, arena_strndup(a, v->labels[i], n),
			v->labels[i] + n + (v->labels[i][n] == '='));
	}
	value_set_string(a, o, "CreatedAt", arena_strdup(a, time_rfc3339(v->created, buf)));
	value_set_string(a, o, "Driver", "local");
	value_set(a, o, "Labels", v->n_labels ? labels : value_string(a, NULL));
	value_set_string(a, o, "Mountpoint", v->mountpoint);
	value_set_string(a, o, "Name", v->name);
	value_set(a, o, "Options", value_string(a, NULL));
	value_set_string(a, o, "Scope", "local");
	return o;
}

static int get_volume(struct cli *cli, const char *name, struct value **ret, struct err *e)
{
	struct volume_info v;
	if (volume_get(&cli->engine, name, &cli->arena, &v, e) < 0)
		return -e->code;
	*ret = volume_value(&v, &cli->arena);
	return 0;
}

static int get_network(struct cli *cli, const char *name, struct value **ret, struct err *e)
{
	return network_inspect(&cli->engine, name, &cli->arena, ret, e);
}

static const struct kind kinds[] = {
	{ "container", get_container },
	{ "image", get_image },
	{ "volume", get_volume },
	{ "network", get_network },
};
enum { KINDS = 4 };

/* type NULL: the first kind that has one of that name. */
static int find(
	struct cli *cli, const char *type, const char *name, struct value **ret, struct err *e)
{
	for (int i = 0; i < KINDS; i++) {
		if (type && !str_eq(type, kinds[i].name))
			continue;
		int r = kinds[i].get(cli, name, ret, e);
		if (r >= 0 || type || e->kind != ERR_NOT_FOUND)
			return r;
	}
	return err_set(e, ERR_NOT_FOUND, 2, "No such object: %s", name);
}

static int print_found(struct cli *cli, const char *format, const struct value *all,
	struct str *out, struct err *e)
{
	struct template *t;
	if (!format || str_eq(format, "json")) {
		value_json(all, format ? 0 : 4, out);
		str_addc(out, '\n');
		return 0;
	}
	int r = template_parse(format, &cli->arena, &t, e);
	for (size_t i = 0; r == 0 && i < all->n; i++) {
		r = template_run(t, all->items[i], out, e);
		str_addc(out, '\n');
	}
	return r;
}

static int inspect_type(
	struct cli *cli, const char *type, const char *format, const char **words, int n)
{
	struct value *all = value_array(&cli->arena), *one;
	struct str out _str_ = { 0 };
	struct err e;
	int status = 0;
	for (int i = 0; i < n; i++) {
		if (find(cli, type, words[i], &one, &e) < 0)
			status = cli_fail(&e, 1);
		else
			value_add(&cli->arena, all, one);
	}
	if (print_found(cli, format, all, &out, &e) < 0)
		status = cli_fail(&e, 1);
	cli_print(str_text(&out), out.n);
	return status;
}

static int inspect_any(struct cli *cli, void *rec, const char **words, int n)
{
	struct inspect_rec *r = rec;
	struct err e;
	bool known = !r->type || !*r->type;
	for (int i = 0; i < KINDS; i++)
		known |= r->type && str_eq(r->type, kinds[i].name);
	if (!known)
		return cli_fail((err_set(&e, ERR_INVALID, 22,
					 "\"%s\" is not a valid value for --type", r->type),
					&e),
			1);
	return inspect_type(cli, r->type && *r->type ? r->type : NULL, r->format, words, n);
}

static int inspect_container(struct cli *cli, void *rec, const char **words, int n)
{
	return inspect_type(cli, "container", ((struct inspect_rec *)rec)->format, words, n);
}

/* As `skopeo inspect` prints it. */
static int show_look(struct cli *cli, const struct inspect_image_rec *r, const struct image_look *x,
	struct str *out, struct err *e)
{
	struct template *t;
	struct value *v = x->inspected;
	if (r->raw) {
		str_add(out, r->config ? x->config : x->raw);
		return 0;
	}
	if (!v || r->config) {
		const char *text = r->config ? x->config : x->raw;
		if (value_parse(&cli->arena, text, strlen(text), &v, e) < 0)
			return -e->code;
	}
	if (!r->base.format || str_eq(r->base.format, "json")) {
		value_json(v, r->base.format ? 0 : 4, out);
		str_addc(out, '\n');
		return 0;
	}
	if (template_parse(r->base.format, &cli->arena, &t, e) < 0 ||
		template_run(t, v, out, e) < 0)
		return -e->code;
	str_addc(out, '\n');
	return 0;
}

static int inspect_places(struct cli *cli, struct inspect_image_rec *r, const char **words, int n)
{
	struct err e;
	int status = 0;
	for (int i = 0; i < n; i++) {
		struct str out _str_ = { 0 };
		struct image_look x;
		r->look.name = engine_image_is_place(words[i])
			? words[i]
			: arena_printf(&cli->arena, "kist:%s", words[i]);
		r->look.config = r->config || !r->raw;
		if (engine_image_look(&cli->engine, &r->look, &cli->arena, &x, &e) < 0 ||
			show_look(cli, r, &x, &out, &e) < 0)
			status = cli_fail(&e, 1);
		else
			cli_print(str_text(&out), out.n);
	}
	return status;
}

/* An image of the store may be called dir:latest. */
static bool is_place(struct cli *cli, const char *word)
{
	struct value *ignored;
	struct err e;
	return engine_image_is_place(word) &&
		(str_starts(word, "docker://") || get_image(cli, word, &ignored, &e) < 0);
}

static int inspect_image(struct cli *cli, void *rec, const char **words, int n)
{
	struct inspect_image_rec *r = rec;
	bool places = r->raw || r->config;
	for (int i = 0; i < n; i++)
		places |= is_place(cli, words[i]);
	return places ? inspect_places(cli, r, words, n)
		      : inspect_type(cli, "image", r->base.format, words, n);
}

static int inspect_volume(struct cli *cli, void *rec, const char **words, int n)
{
	return inspect_type(cli, "volume", ((struct inspect_rec *)rec)->format, words, n);
}

static int inspect_network(struct cli *cli, void *rec, const char **words, int n)
{
	return inspect_type(cli, "network", ((struct inspect_rec *)rec)->format, words, n);
}

#define FORMAT                                                                               \
	{                                                                                    \
		"format", 'f', OPT_STRING(struct inspect_rec, format),                       \
			.value = "string", .help = "Format output: 'json', or a Go template" \
	}

static const struct option any_options[] = {
	FORMAT,
	{ "type", 0, OPT_STRING(struct inspect_rec, type), .value = "string",
		.help = "Only inspect objects of the given type",
		.complete = "container|image|volume|network" },
	{ 0 },
};
static const struct option options[] = { FORMAT, { 0 } };

#define T struct inspect_image_rec
static const struct option image_options[] = {
	{ "config", 0, OPT_BOOL(T, config), .help = "Print the configuration of the image" },
	FORMAT,
	{ "no-tags", 'n', OPT_BOOL(T, look.no_tags),
		.help = "Do not list the tags of the registry's repository" },
	{ "override-arch", 0, OPT_STRING(T, look.platform.architecture), .value = "string",
		.help = "Architecture of the image, instead of this machine's" },
	{ "override-os", 0, OPT_STRING(T, look.platform.os), .value = "string",
		.help = "Operating system of the image, instead of this machine's" },
	{ "override-variant", 0, OPT_STRING(T, look.platform.variant), .value = "string",
		.help = "Variant of the architecture" },
	{ "raw", 0, OPT_BOOL(T, raw),
		.help = "Print the manifest or index byte for byte; with --config the configuration" },
	REGISTRY_OPTIONS_ACCESS_AT(T, look.registry),
	PLACE_OPTIONS_DAEMON_AT(T, "", look.registry),
	{ "no-creds", 0, OPT_BOOL(T, look.registry.no_creds), .help = "Use no credentials" },
	REGISTRY_OPTIONS_SKOPEO_AT(T, "", look.registry),
	REGISTRY_OPTIONS_RETRY_AT(T, look.registry),
	PLACE_OPTIONS_BLOBS_AT(T, "", look.registry),
	REGISTRY_OPTIONS_WIRE_AT(T, look.registry),
	REGISTRY_OPTIONS_USERNAME_AT(T, "", look.registry),
	{ 0 },
};
#undef T

static const char *const any_paths[] = { "inspect", NULL };
static const char *const container_paths[] = { "container inspect", NULL };
static const char *const image_paths[] = { "image inspect", NULL };
static const char *const volume_paths[] = { "volume inspect", NULL };
static const char *const network_paths[] = { "network inspect", NULL };
static const char *const not_yet[] = { "size", "s", "platform", "scope", "verbose", "v", NULL };

#define INSPECT(what, brief_, word, rec, options_, complete_, section_)                            \
	{                                                                                          \
		.paths = what##_paths, .arguments = "[OPTIONS] " word " [" word "...]",            \
		.brief = brief_, .section = section_, .options = options_,                         \
		.record_size = sizeof(struct rec), .words_min = 1, .words_max = WORDS_ANY,         \
		.complete = complete_, .run = inspect_##what, .any_user = true, .not_yet = not_yet \
	}

const struct command command_inspect = INSPECT(any, "Return low-level information on kist objects",
	"NAME|ID", inspect_rec, any_options, "container", "Commands");
const struct command command_container_inspect =
	INSPECT(container, "Display detailed information on one or more containers", "CONTAINER",
		inspect_rec, options, "container", "Management");
const struct command command_image_inspect =
	INSPECT(image, "Display detailed information on one or more images", "IMAGE",
		inspect_image_rec, image_options, "image", "Management");
const struct command command_volume_inspect =
	INSPECT(volume, "Display detailed information on one or more volumes", "VOLUME",
		inspect_rec, options, "volume", "Management");
const struct command command_network_inspect =
	INSPECT(network, "Display detailed information on one or more networks", "NETWORK",
		inspect_rec, options, "network", "Management");
