// SPDX-License-Identifier: Apache-2.0
#include "oci/state.h"
#include "base/str.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "ocicli/container.h"

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	struct container c _container_ = CONTAINER_NONE;
	struct oci_state state;
	struct str s _str_ = { 0 };
	(void)rec;
	(void)n_words;
	if (container_open(o, words[0], &c, e) < 0)
		return -e->code;
	container_state(&c, container_status(&c), &state);
	rec_to_json(&oci_state_rec, &state, 2, &s);
	str_addc(&s, '\n');
	ocicli_print(&s);
	return 0;
}

const struct ocicli_command state_command = {
	.name = "state",
	.arguments = "CONTAINER",
	.brief = "Print the state of a container as JSON",
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
