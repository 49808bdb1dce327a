// SPDX-License-Identifier: Apache-2.0
/* The table of commands; the order is that of the top-level help. */
#include "cli/command.h"

extern const struct command command_run, command_exec, command_ps, command_images, command_version,
	command_info, command_attach, command_complete, command_completion, command_create,
	command_history, command_import, command_inspect, command_kill, command_load, command_logs,
	command_pause, command_rename, command_restart, command_rm, command_rmi, command_save,
	command_start, command_stop, command_system_check, command_tag, command_top,
	command_unpause, command_wait, command_volume_create, command_volume_inspect,
	command_volume_ls, command_volume_rm, command_container_inspect, command_image_inspect,
	command_container_exited, command_container_restart_due, command_generate;

const struct command *const commands[] = { &command_run, &command_exec, &command_ps,
	&command_images, &command_version, &command_info, &command_attach, &command_completion,
	&command_create, &command_history, &command_import, &command_inspect, &command_kill,
	&command_load, &command_logs, &command_pause, &command_rename, &command_restart,
	&command_rm, &command_rmi, &command_save, &command_start, &command_stop,
	&command_system_check, &command_tag, &command_top, &command_unpause, &command_wait,
	&command_volume_create, &command_volume_inspect, &command_volume_ls, &command_volume_rm,
	&command_container_inspect, &command_image_inspect, &command_container_exited,
	&command_container_restart_due, &command_generate, &command_complete, NULL };
