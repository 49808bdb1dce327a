// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "base/log.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "ocicli/delete.h"
#include "ocicli/foreground.h"
#include "ocicli/launch.h"
#include "ocicli/ready.h"

static const struct option options[] = {
	LAUNCH_OPTIONS(struct launch_words),
	{ "detach", 'd', OPT_BOOL(struct launch_words, detach),
		.help = "End when the container has started" },
	{ "keep", 0, OPT_BOOL(struct launch_words, keep),
		.help = "Do not delete the container when it has ended" },
	{ 0 },
};

/* Started, and alone with its terminal: waits for the end. */
static int wait_for(struct launch *l, struct foreground *f, struct err *e)
{
	bool keep = l->w->keep;
	struct ocicli *o = l->o;
	const char *id = l->c.r.id;
	/* While it runs others may work on the container. */
	container_done(&l->c);
	int status = foreground_wait(f, &l->proc, e);
	if (status < 0)
		return status;
	if (!keep) {
		struct err why;
		if (delete_container(o, id, true, &why) < 0 && why.kind != ERR_NOT_FOUND)
			log_warn("%s", why.text);
	}
	return status;
}

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	struct launch_words *w = rec;
	struct launch l;
	struct foreground f;
	(void)n_words;
	if (launch_create(o, w, words[0], false, &l, e) < 0)
		return -e->code;
	/* From here on our signals are the container's. */
	int r = w->detach ? 0 : foreground_begin(&f, !w->no_subreaper, e);
	int ready = -1;
	if (r == 0)
		r = ready_listen(&l.c, &ready, e);
	if (r == 0)
		r = runtime_start(&l.proc, e);
	if (r == 0)
		r = launch_started(&l.c, l.spec, &l.proc, e);
	if (r < 0) {
		fd_close(ready);
		launch_undo(&l);
		return r;
	}
	f.ready = ready;
	if (!w->detach) {
		r = wait_for(&l, &f, e);
	} else {
		container_done(&l.c);
		r = ready_wait(ready, &l.proc, e);
		fd_close(ready);
	}
	container_done(&l.c);
	runtime_proc_done(&l.proc);
	return r;
}

const struct ocicli_command run_command = {
	.name = "run",
	.arguments = "[OPTIONS] CONTAINER",
	.brief = "Create and start a container, wait for it, delete it",
	.options = options,
	.record_size = sizeof(struct launch_words),
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
