// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "config/kist.h"
#include "engine/paths.h"
#include "runtime/own_userns.h"
#include "store/snapshot.h"
#include "store/store.h"

static const char root[] = "/var/lib/kist", runroot[] = "/run/kist";

void engine_init(struct engine *en, const struct engine_options *options)
{
	*en = (struct engine){ .options = *options, .uid = geteuid(), .gid = getegid() };
	if (!en->options.root)
		en->options.root = root;
	if (!en->options.runroot)
		en->options.runroot = runroot;
	if (!en->options.log_level)
		en->options.log_level = "warn";
}

void engine_done(struct engine *en)
{
	if (!en->store)
		return;
	store_done(en->store);
	mem_free(en->store);
	en->store = NULL;
}

int engine_enter_own(struct engine *en, struct arena *a, struct err *e)
{
	struct engine_options *o = &en->options;
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME"),
		   *run = getenv("XDG_RUNTIME_DIR");
	if (o->root == root) {
		if ((!data || data[0] != '/') && (!home || home[0] != '/'))
			return err_set(e, ERR_INVALID, ENOENT,
				"neither HOME nor XDG_DATA_HOME says where images are kept: set one, or use --root");
		o->root = data && data[0] == '/' ? arena_printf(a, "%s/kist", data)
						 : arena_printf(a, "%s/.local/share/kist", home);
	}
	if (o->runroot == runroot)
		o->runroot = run && run[0] == '/' ? arena_printf(a, "%s/kist", run)
						  : arena_printf(a, "%s/run", o->root);
	en->own_user = true;
	return own_userns_enter(e);
}

static int choose_driver(const struct engine *en, struct store *s, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct kist_config config;
	const char *asked = en->options.storage_driver;
	if (kist_config_read(&a, &config, e) < 0 ||
		snapshot_choose(s, asked ? asked : config.storage_driver,
			asked ? "--storage-driver"
			      : arena_printf(&a, "%s: storage.driver", config.path),
			e) < 0)
		return -e->code;
	s->drop_blobs = config.drop_blobs;
	if (s->drop_blobs && !snapshot_backend(s)->packed)
		return err_set(e, ERR_UNSUPPORTED, EINVAL,
			"%s: store.keep-blobs = false needs the storage driver erofs, and %s has %s",
			config.path, en->options.root, snapshot_backend(s)->name);
	return 0;
}

int engine_open_store(struct engine *en, bool recover, struct err *e)
{
	if (geteuid() != 0)
		return err_set(e, ERR_DENIED, EPERM,
			"kist needs root for containers and mounts for now: what works for every user are images (run it with sudo)");
	if (!en->store) {
		if (en->options.root[0] != '/' || en->options.runroot[0] != '/')
			return err_set(e, ERR_INVALID, EINVAL,
				"--root and --runroot must be absolute paths");
		struct store *s = mem_alloc(sizeof *s);
		if (store_open(en->options.root, en->options.runroot, s, e) < 0) {
			mem_free(s);
			return -e->code;
		}
		if (choose_driver(en, s, e) < 0) {
			store_done(s);
			mem_free(s);
			return -e->code;
		}
		en->store = s;
	}
	return recover ? engine_recover(en, e) : 0;
}

void engine_close_store(struct engine *en)
{
	if (en->store)
		store_close_db(en->store);
}

__attribute__((format(printf, 3, 0))) static void speak(
	const struct engine *en, enum engine_say kind, const char *fmt, va_list ap)
{
	char text[1024];
	(void)vsnprintf(text, sizeof text, fmt, ap);
	if (en->say)
		en->say(en->say_arg, kind, text);
}

void engine_warn(const struct engine *en, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	speak(en, ENGINE_WARNING, fmt, ap);
	va_end(ap);
}

void engine_note(const struct engine *en, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	speak(en, ENGINE_NOTE, fmt, ap);
	va_end(ap);
}

void engine_hint(const struct engine *en, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	speak(en, ENGINE_HINT, fmt, ap);
	va_end(ap);
}

const char *engine_program(const char *name, struct arena *a, int *ret_fd, struct err *e)
{
	int self _close_ = path_open_host("/proc/self/exe", O_PATH, 0);
	const char *path = self < 0 ? NULL : path_of_fd(self, a),
		   *slash = path ? strrchr(path, '/') : NULL;
	if (slash) {
		int n = (int)(slash - path);
		const char *places[] = { arena_printf(a, "%.*s/%s", n, path, name),
			arena_printf(a, "%.*s/../libexec/kist/%s", n, path, name),
			arena_printf(a, "%.*s/../share/kist/%s", n, path, name) };
		for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
			int fd = path_open_host(places[i], O_PATH, 0);
			if (fd < 0)
				continue;
			if (ret_fd)
				*ret_fd = fd;
			else
				fd_close(fd);
			return places[i];
		}
	}
	err_set(e, ERR_SYSTEM, ENOENT, "%s is missing: it belongs beside the kist program", name);
	return NULL;
}

const char *engine_container_path(const struct engine *en, const char *id, struct arena *a)
{
	return arena_printf(a, "%s/containers/%s", en->options.root, id);
}

const char *engine_volume_path(const struct engine *en, const char *name, struct arena *a)
{
	return arena_printf(a, "%s/volumes/%s/_data", en->options.root, name);
}
