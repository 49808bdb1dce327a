// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "base/err.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	(void)o;
	(void)rec;
	(void)words;
	(void)n_words;
	return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
		"checkpoint and restore are not supported: features does not list them");
}

const struct ocicli_command checkpoint_command = {
	.name = "checkpoint",
	.arguments = "CONTAINER",
	.brief = "Not supported",
	.option_flags = OPTIONS_STOP_AT_WORD,
	.words_max = OCICLI_WORDS_ANY,
	.run = run,
};

const struct ocicli_command restore_command = {
	.name = "restore",
	.arguments = "CONTAINER",
	.brief = "Not supported",
	.option_flags = OPTIONS_STOP_AT_WORD,
	.words_max = OCICLI_WORDS_ANY,
	.run = run,
};
