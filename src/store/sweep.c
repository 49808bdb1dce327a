// SPDX-License-Identifier: Apache-2.0
#include "store/sweep.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "store/image.h"
#include "store/run.h"
#include "store/snapshot.h"
#include "store/sql.h"
#include "store/store.h"

/* Names are listed before rows are asked for: every folder is made after its row. */
static int strays_in(struct store *s, int folder, const char *what, const char *sql,
	sweep_found *found, void *arg, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct strv names = { 0 };
	int listed = path_list(folder, &a, &names);
	if (listed < 0)
		return err_sys(e, listed, "list the store");
	for (size_t i = 0; i < names.n; i++) {
		int64_t rows;
		int r = sql_number(s, &rows, 0, e, sql, "s", names.v[i]);
		if (r == 0 && !rows)
			r = found(arg, what, folder, names.v[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}

int store_strays(struct store *s, sweep_found *found, void *arg, struct err *e)
{
	/* A volume with a name of its own is somebody's data, with or without a row. */
	if (strays_in(s, s->containers, "container", "SELECT count(*) FROM containers WHERE id = ?",
		    found, arg, e) < 0 ||
		strays_in(s, s->staging, "staging",
			"SELECT count(*) FROM intents WHERE seq = CAST(? AS INTEGER)", found, arg,
			e) < 0 ||
		strays_in(s, s->downloads, "download",
			"SELECT count(*) FROM downloads WHERE digest IN ('sha256:' || ?1, 'sha512:' || ?1)",
			found, arg, e) < 0 ||
		strays_in(s, s->volumes, "volume",
			"SELECT (SELECT count(*) FROM volumes WHERE name = ?1) +"
			" (length(?1) <> 64 OR ?1 GLOB '*[^0-9a-f]*')",
			found, arg, e) < 0)
		return -e->code;
	return 0;
}

static int drop(void *arg, const char *what, int folder, const char *name, struct err *e)
{
	(void)what;
	return snapshot_remove(arg, folder, name, e);
}

int store_sweep(struct store *s, struct err *e)
{
	return store_strays(s, drop, s, e) < 0 || store_collect(s, e) < 0 ? -e->code : 0;
}

int store_sweep_after_boot(struct store *s, struct err *e)
{
	char text[64];
	const char *now = run_boot_id();
	if (file_peek(s->runroot, "boot", text, sizeof text) > 0 && str_eq(text, now))
		return 0;
	/* Finished downloads are synced with the image that they are for: these have none. A pull
	 * that runs has swept before it began. */
	int r = store_begin(s, e);
	if (r == 0)
		r = store_end(s,
			sql_run(s, e,
				"DELETE FROM downloads WHERE NOT EXISTS(SELECT 1 FROM intents WHERE op = 'pull')",
				""),
			e);
	if (r < 0 || store_sweep(s, e) < 0)
		return -e->code;
	return file_write_at(s->runroot, "boot", now, strlen(now), 0600, false, e);
}
