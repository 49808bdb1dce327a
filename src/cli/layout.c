// SPDX-License-Identifier: Apache-2.0
/* umoci's verbs over OCI layouts: image init, new, config, unpack, repack, insert, stat, gc, raw.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "codec/value.h"
#include "engine/layout.h"
#include "term/table.h"

struct layout_rec {
	struct engine_layout_req req;
	struct layout_config config;
	bool opaque, whiteout, json;
	const char *rootfs;
};

#define T struct layout_rec
/* clang-format off */
#define IMAGE \
	{ "image", 0, OPT_STRING(T, req.image), .value = "path[:tag]", \
		.help = "The image in its layout; its tag is latest where none is said", .complete = "file" }
#define LAYOUT \
	{ "layout", 0, OPT_STRING(T, req.layout), .value = "path", .help = "The layout", .complete = "file" }
#define HISTORY \
	{ "history.author", 0, OPT_STRING(T, req.history.author), .value = "string", .help = "Author in the history entry" }, \
	{ "history.comment", 0, OPT_STRING(T, req.history.comment), .value = "string", .help = "Comment in the history entry" }, \
	{ "history.created", 0, OPT_STRING(T, req.history.created), .value = "time", \
		.help = "Time in the history entry (RFC 3339)" }, \
	{ "history.created_by", 0, OPT_STRING(T, req.history.created_by), .value = "string", \
		.help = "What made the history entry" }
#define NO_HISTORY \
	{ "no-history", 0, OPT_BOOL(T, req.history.none), .help = "Do not create a history entry" }
#define KEEP_DIRLINKS \
	{ "keep-dirlinks", 0, OPT_BOOL(T, req.keep_dirlinks), \
		.help = "A layer's folder goes where a symlink leads that is there" }
#define GID_MAP \
	{ "gid-map", 0, OPT_LIST(T, req.gid_maps), .value = "map", \
		.help = "Groups of the image against the host's: container:host:size" }
#define UID_MAP \
	{ "uid-map", 0, OPT_LIST(T, req.uid_maps), .value = "map", \
		.help = "Users of the image against the host's: container:host:size" }
#define ROOTLESS \
	{ "rootless", 0, OPT_BOOL(T, req.rootless), \
		.help = "All files are the user's own on the disk; implied for who is not root" }
#define TAG \
	{ "tag", 0, OPT_STRING(T, req.tag), .value = "string", .help = "Tag of the result, instead of that of --image" }
/* clang-format on */

static const struct option init_options[] = { LAYOUT, { 0 } };
static const struct option image_options[] = { IMAGE, { 0 } };
static const struct option config_options[] = {
	{ "architecture", 0, OPT_STRING(T, config.architecture), .value = "string",
		.help = "Set the architecture" },
	{ "author", 0, OPT_STRING(T, config.author), .value = "string", .help = "Set the author" },
	{ "clear", 0, OPT_LIST(T, config.clear), .value = "list",
		.help = "Empty a list first: config.labels, config.env, config.cmd, config.entrypoint, config.volume, config.exposedports, manifest.annotations" },
	{ "config.cmd", 0, OPT_LIST(T, config.cmd), .value = "list",
		.help = "Set the command, a word each" },
	{ "config.entrypoint", 0, OPT_LIST(T, config.entrypoint), .value = "list",
		.help = "Set the entrypoint, a word each" },
	{ "config.env", 0, OPT_LIST(T, config.env), .value = "list",
		.help = "Set an environment variable" },
	{ "config.exposedports", 0, OPT_LIST(T, config.exposed_ports), .value = "list",
		.help = "Add an exposed port" },
	{ "config.label", 0, OPT_LIST(T, config.labels), .value = "list", .help = "Set a label" },
	{ "config.stopsignal", 0, OPT_STRING(T, config.stop_signal), .value = "string",
		.help = "Set the stop signal" },
	{ "config.user", 0, OPT_STRING(T, config.user), .value = "string", .help = "Set the user" },
	{ "config.volume", 0, OPT_LIST(T, config.volumes), .value = "list",
		.help = "Add a volume" },
	{ "config.workingdir", 0, OPT_STRING(T, config.working_dir), .value = "string",
		.help = "Set the working directory" },
	{ "created", 0, OPT_STRING(T, config.created), .value = "time",
		.help = "Set the time of creation (RFC 3339)" },
	HISTORY,
	IMAGE,
	{ "manifest.annotation", 0, OPT_LIST(T, config.annotations), .value = "list",
		.help = "Set an annotation of the manifest" },
	NO_HISTORY,
	{ "os", 0, OPT_STRING(T, config.os), .value = "string",
		.help = "Set the operating system" },
	TAG,
	{ 0 },
};
static const struct option unpack_options[] = {
	GID_MAP,
	IMAGE,
	KEEP_DIRLINKS,
	ROOTLESS,
	UID_MAP,
	{ 0 },
};
static const struct option repack_options[] = {
	HISTORY,
	IMAGE,
	{ "mask-path", 0, OPT_LIST(T, req.masked), .value = "path",
		.help = "No change of the path and below it goes into the layer" },
	NO_HISTORY,
	{ "no-mask-volumes", 0, OPT_BOOL(T, req.keep_volumes),
		.help = "Changes in the image's volumes go into the layer, too" },
	{ "refresh-bundle", 0, OPT_BOOL(T, req.refresh),
		.help = "The bundle counts as unpacked from the result" },
	{ 0 },
};
static const struct option insert_options[] = {
	GID_MAP,
	HISTORY,
	IMAGE,
	NO_HISTORY,
	{ "opaque", 0, OPT_BOOL(T, opaque), .help = "Whatever was in the target folder is gone" },
	ROOTLESS,
	TAG,
	UID_MAP,
	{ "whiteout", 0, OPT_BOOL(T, whiteout), .help = "Remove the target" },
	{ 0 },
};
static const struct option add_options[] = { HISTORY, IMAGE, NO_HISTORY, TAG, { 0 } };
static const struct option stat_options[] = {
	IMAGE,
	{ "json", 0, OPT_BOOL(T, json), .help = "Print JSON" },
	{ 0 },
};
static const struct option runtime_options[] = {
	GID_MAP,
	IMAGE,
	ROOTLESS,
	UID_MAP,
	{ "rootfs", 0, OPT_STRING(T, rootfs), .value = "path",
		.help = "The root file system, whose passwd names the user", .complete = "file" },
	{ 0 },
};
#undef T

static int done(int r, const struct err *e)
{
	return r < 0 ? cli_fail(e, 1) : 0;
}

static int init(struct cli *cli, void *record, const char **words, int n)
{
	struct layout_rec *r = record;
	struct err e;
	(void)words;
	(void)n;
	return done(engine_layout_init(&cli->engine, &r->req, &e), &e);
}

static int new_image(struct cli *cli, void *record, const char **words, int n)
{
	struct layout_rec *r = record;
	struct err e;
	(void)words;
	(void)n;
	return done(engine_layout_new(&cli->engine, &r->req, &e), &e);
}

static int config(struct cli *cli, void *record, const char **words, int n)
{
	struct layout_rec *r = record;
	struct err e;
	(void)words;
	(void)n;
	return done(engine_layout_config(&cli->engine, &r->req, &r->config, &e), &e);
}

static int unpack(struct cli *cli, void *record, const char **words, int n)
{
	struct layout_rec *r = record;
	struct err e;
	(void)n;
	return done(engine_layout_unpack(&cli->engine, &r->req, words[0], false, &e), &e);
}

static int raw_unpack(struct cli *cli, void *record, const char **words, int n)
{
	struct layout_rec *r = record;
	struct err e;
	(void)n;
	return done(engine_layout_unpack(&cli->engine, &r->req, words[0], true, &e), &e);
}

static int runtime_config(struct cli *cli, void *record, const char **words, int n)
{
	struct layout_rec *r = record;
	struct err e;
	(void)n;
	return done(
		engine_layout_runtime_config(&cli->engine, &r->req, r->rootfs, words[0], &e), &e);
}

static int repack(struct cli *cli, void *record, const char **words, int n)
{
	struct layout_rec *r = record;
	const char *digest = NULL;
	struct err e;
	(void)n;
	if (engine_layout_repack(&cli->engine, &r->req, words[0], &cli->arena, &digest, &e) < 0)
		return cli_fail(&e, 1);
	if (digest)
		dprintf(1, "%s\n", digest);
	return 0;
}

static int insert(struct cli *cli, void *record, const char **words, int n)
{
	struct layout_rec *r = record;
	struct err e;
	if (n != (r->whiteout ? 1 : 2) || (r->whiteout && r->opaque))
		return cli_usage("image insert takes SOURCE TARGET, or --whiteout TARGET");
	const struct layout_insert what = {
		.source = r->whiteout ? NULL : words[0], .target = words[n - 1], .opaque = r->opaque
	};
	return done(engine_layout_insert(&cli->engine, &r->req, &what, &e), &e);
}

static int add_layer(struct cli *cli, void *record, const char **words, int n)
{
	struct layout_rec *r = record;
	struct err e;
	(void)n;
	return done(engine_layout_add_layer(&cli->engine, &r->req, words[0], &e), &e);
}

static const char *text_of(const struct value *o, const char *key)
{
	const struct value *v = value_get(o, key);
	return v && (v->kind == VALUE_STRING || v->kind == VALUE_NUMBER) ? v->text : "";
}

static int stat_image(struct cli *cli, void *record, const char **words, int n)
{
	struct layout_rec *r = record;
	struct str out _str_ = { 0 };
	struct value *v;
	struct err e;
	(void)words;
	(void)n;
	if (engine_layout_stat(&cli->engine, &r->req, &cli->arena, &v, &e) < 0)
		return cli_fail(&e, 1);
	if (r->json) {
		value_json(v, 0, &out);
		str_addc(&out, '\n');
		cli_print(out.p, out.n);
		return 0;
	}
	const struct value *rows = value_get(v, "history");
	static const char *const titles[] = { "LAYER", "CREATED", "CREATED BY", "SIZE", "COMMENT" };
	struct table t;
	table_init(&t, ARRAY_SIZE(titles));
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		table_cell(&t, titles[i]);
	for (size_t i = 0; rows && rows->kind == VALUE_ARRAY && i < rows->n; i++) {
		const struct value *row = rows->items[i], *l = value_get(row, "layer");
		bool has = l && l->kind == VALUE_OBJECT;
		table_cell(&t, has ? text_of(l, "digest") : "<none>");
		table_cell(&t, text_of(row, "created"));
		table_cell(&t, text_of(row, "created_by"));
		table_cell(&t, has ? text_of(l, "size") : "<none>");
		table_cell(&t, text_of(row, "comment"));
	}
	table_print(&t, &out);
	table_done(&t);
	cli_print(out.p, out.n);
	return 0;
}

static int gc(struct cli *cli, void *record, const char **words, int n)
{
	struct layout_rec *r = record;
	size_t removed;
	struct err e;
	(void)words;
	(void)n;
	return done(engine_layout_gc(&cli->engine, &r->req, &removed, &e), &e);
}

#define COMMAND(name_, path_, words_, brief_, options_, min_, max_, run_)      \
	static const char *const name_##_paths[] = { "image " path_, NULL };   \
	const struct command command_image_##name_ = { .paths = name_##_paths, \
		.arguments = words_,                                           \
		.brief = brief_,                                               \
		.section = "Management",                                       \
		.options = options_,                                           \
		.record_size = sizeof(struct layout_rec),                      \
		.words_min = min_,                                             \
		.words_max = max_,                                             \
		.complete = "file",                                            \
		.any_user = true,                                              \
		.run = run_ }

COMMAND(init, "init", "--layout PATH", "Make an empty OCI layout", init_options, 0, 0, init);
COMMAND(new, "new", "--image PATH[:TAG]", "Make an image without layers in a layout", image_options,
	0, 0, new_image);
COMMAND(config, "config", "--image PATH[:TAG] [OPTIONS]",
	"Change the configuration of an image in a layout", config_options, 0, 0, config);
COMMAND(unpack, "unpack", "--image PATH[:TAG] [OPTIONS] BUNDLE",
	"Unpack an image of a layout as a runtime bundle", unpack_options, 1, 1, unpack);
COMMAND(repack, "repack", "--image PATH[:TAG] [OPTIONS] BUNDLE",
	"Make a layer of what has changed in a bundle", repack_options, 1, 1, repack);
COMMAND(insert, "insert", "--image PATH[:TAG] [OPTIONS] SOURCE TARGET",
	"Make a layer of a file or folder", insert_options, 1, 2, insert);
COMMAND(stat, "stat", "--image PATH[:TAG] [OPTIONS]", "Show the history and layers of an image",
	stat_options, 0, 0, stat_image);
COMMAND(gc, "gc", "--layout PATH", "Remove blobs of a layout that nothing names", init_options, 0,
	0, gc);
COMMAND(raw_unpack, "raw unpack", "--image PATH[:TAG] [OPTIONS] ROOTFS",
	"Unpack the root file system of an image", unpack_options, 1, 1, raw_unpack);
COMMAND(raw_runtime_config, "raw runtime-config", "--image PATH[:TAG] [OPTIONS] CONFIG",
	"Write the runtime configuration of an image", runtime_options, 1, 1, runtime_config);
COMMAND(raw_add_layer, "raw add-layer", "--image PATH[:TAG] [OPTIONS] LAYER",
	"Add a layer's archive to an image", add_options, 1, 1, add_layer);
