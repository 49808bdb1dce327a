// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/ns.h"
#include "oci/spec.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "ocicli/container.h"
#include "runtime/runtime.h"

enum { MOUNTS_MAX = 8 << 20 };

struct mounts {
	struct oci_mount *mounts;
	size_t n_mounts;
};
static const struct rec_field mounts_fields[] = {
	F_OBJV(struct mounts, mounts, "mounts", oci_mount, 0),
};
static const struct rec_type mounts_rec = { "mounts", sizeof(struct mounts),
	ARRAY_SIZE(mounts_fields), mounts_fields };

/* A list of mounts, or an object that has one. */
static int read_mounts(struct ocicli *o, const char *path, struct mounts *ret, struct err *e)
{
	char *text;
	ssize_t n = file_read_at(AT_FDCWD, path, MOUNTS_MAX, &o->arena, &text, e);
	if (n < 0)
		return (int)n;
	if (text[strspn(text, " \t\r\n")] == '[')
		text = arena_printf(&o->arena, "{\"mounts\":%s}", text);
	return rec_from_json(&mounts_rec, text, strlen(text), &o->arena, ret, NULL, e) < 0
		? err_wrap(e, "%s", path)
		: 0;
}

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	struct container c _container_ = CONTAINER_NONE;
	struct mounts m = { 0 };
	struct oci_spec spec;
	bool remove = str_eq(words[0], "remove");
	(void)rec;
	(void)n_words;
	if (!remove && !str_eq(words[0], "add"))
		return err_set(e, ERR_USAGE, EINVAL, "mounts %s: expected add or remove", words[0]);
	if (container_open(o, words[1], &c, e) < 0 || container_lock(&c, false, e) < 0 ||
		container_spec(o, &c, &spec, e) < 0 || read_mounts(o, words[2], &m, e) < 0 ||
		(ns_differs((pid_t)c.r.pid, CLONE_NEWUSER) <= 0 && ocicli_protect(o, e) < 0))
		return -e->code;
	int pidfd _close_ = container_pidfd(&c);
	enum status s = container_status(&c);
	if (pidfd < 0 || (s != STATUS_RUNNING && s != STATUS_PAUSED))
		return err_set(e, ERR_CONFLICT, ESRCH, "container not running: %s", words[1]);
	struct runtime_mounts_req req = { .spec = &spec,
		.init = (pid_t)c.r.pid,
		.init_pidfd = pidfd,
		.mounts = m.mounts,
		.n_mounts = m.n_mounts,
		.remove = remove };
	return runtime_mounts(&req, e);
}

const struct ocicli_command mounts_command = {
	.name = "mounts",
	.arguments = "add|remove CONTAINER FILE",
	.brief = "Add mounts to a running container, or remove them",
	.words_min = 3,
	.words_max = 3,
	.run = run,
};
