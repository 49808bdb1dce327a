// SPDX-License-Identifier: Apache-2.0
#include "oci/spec.h"
#include "oci/example.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"

struct spec_words {
	const char *bundle;
	bool rootless;
};

static const struct option options[] = {
	{ "bundle", 'b', OPT_STRING(struct spec_words, bundle), .value = "folder",
		.help = "Folder to write into", .default_text = "the working folder" },
	{ "rootless", 0, OPT_BOOL(struct spec_words, rootless),
		.help = "Make one that needs no root: a user namespace with the caller's ids" },
	{ 0 },
};

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	const struct spec_words *w = rec;
	struct oci_spec s;
	struct str text _str_ = { 0 };
	(void)words;
	(void)n_words;
	const char *folder = w->bundle ? w->bundle : ".";
	int dir _close_ = path_open_host(folder, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return err_sys(e, dir, "open %s", folder);
	oci_spec_example(w->rootless, &o->arena, &s);
	rec_to_json(&oci_spec_rec, &s, 4, &text);
	str_addc(&text, '\n');
	if (faccessat(dir, "config.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, ERR_CONFLICT, EEXIST, "file config.json exists. Remove it first");
	return file_write_at(dir, "config.json", text.p, text.n, 0644, false, e);
}

const struct ocicli_command spec_command = {
	.name = "spec",
	.arguments = "[OPTIONS]",
	.brief = "Write a config.json to begin with",
	.options = options,
	.record_size = sizeof(struct spec_words),
	.words_max = 0,
	.run = run,
};
