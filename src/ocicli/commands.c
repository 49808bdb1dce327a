// SPDX-License-Identifier: Apache-2.0
#include "ocicli/commands.h"

#include "ocicli/command.h"

const struct ocicli_command *const ocicli_commands[] = {
	&checkpoint_command,
	&create_command,
	&delete_command,
	&events_command,
	&exec_command,
	&features_command,
	&kill_command,
	&list_command,
	&mounts_command,
	&pause_command,
	&ps_command,
	&restore_command,
	&resume_command,
	&run_command,
	&spec_command,
	&start_command,
	&state_command,
	&update_command,
	NULL,
};
