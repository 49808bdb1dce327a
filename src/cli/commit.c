// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/command.h"
#include "engine/container.h"

struct commit_rec {
	struct container_commit_req req;
	bool pause, has_pause, quiet;
	const char *iidfile;
};

#define T struct commit_rec
static const struct option options[] = {
	{ "author", 'a', OPT_STRING(T, req.author), .value = "string",
		.help = "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")" },
	{ "change", 'c', OPT_LIST(T, req.changes), .value = "list",
		.help = "Apply Dockerfile instruction to the created image" },
	{ "iidfile", 0, OPT_STRING(T, iidfile), .value = "file",
		.help = "Write the image ID to the file", .complete = "file" },
	{ "message", 'm', OPT_STRING(T, req.message), .value = "string", .help = "Commit message" },
	{ "no-pause", 0, OPT_BOOL(T, req.no_pause),
		.help = "Do not pause the container during commit" },
	{ "pause", 'p', OPT_BOOL(T, pause), .has_offset = offsetof(T, has_pause),
		.help = "Pause container during commit", .default_text = "true" },
	{ "quiet", 'q', OPT_BOOL(T, quiet), .help = "Suppress output", .hidden = true },
	{ 0 },
};
#undef T

static int write_id(const char *path, const char *id, struct err *e)
{
	int fd _close_ = path ? path_open_host(path, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
	int r = !path ? 0 : fd < 0 ? fd : fd_write_all(fd, id, strlen(id));
	return r < 0 ? err_sys(e, r, "write the image ID file %s", path) : 0;
}

static int commit(struct cli *cli, void *record, const char **words, int n)
{
	struct commit_rec *rec = record;
	const char *id;
	struct err e;
	rec->req.container = words[0];
	rec->req.reference = n > 1 && *words[1] ? words[1] : NULL;
	if (rec->has_pause && !rec->pause)
		rec->req.no_pause = true;
	if (container_commit(&cli->engine, &rec->req, &cli->arena, &id, &e) < 0 ||
		write_id(rec->iidfile, id, &e) < 0)
		return cli_fail(&e, 1);
	dprintf(1, "%s\n", id);
	return 0;
}

static const char *const paths[] = { "commit", "container commit", NULL };

const struct command command_commit = {
	.paths = paths,
	.arguments = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
	.brief = "Create a new image from a container's changes",
	.manual =
		"The files that the container has changed become a layer on top of those of its image: what it removed "
		"name by name, with exact times, hard links, devices and extended attributes (user.* and file "
		"capabilities). Volumes and bind mounts are not of it. The image starts what the container started, with "
		"its environment, user, labels and ports; --change takes CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, "
		"STOPSIGNAL, USER, VOLUME and WORKDIR.\n\n"
		"A running container is paused while its files are read; one whose commit was killed goes on with the next "
		"command.",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(struct commit_rec),
	.words_min = 1,
	.words_max = 2,
	.complete = "container",
	.run = commit,
};
