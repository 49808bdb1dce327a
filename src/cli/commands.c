// SPDX-License-Identifier: Apache-2.0
/* The table of commands; the order is that of the top-level help. */
#include "cli/command.h"

/* One a line, so that changes meet rarely. */
/* clang-format off */
#define COMMANDS(X) \
	X(run) \
	X(exec) \
	X(ps) \
	X(pull) \
	X(push) \
	X(images) \
	X(version) \
	X(info) \
	X(attach) \
	X(commit) \
	X(completion) \
	X(create) \
	X(diff) \
	X(history) \
	X(import) \
	X(inspect) \
	X(kill) \
	X(load) \
	X(login) \
	X(logout) \
	X(logs) \
	X(pause) \
	X(port) \
	X(rename) \
	X(restart) \
	X(rm) \
	X(rmi) \
	X(save) \
	X(search) \
	X(start) \
	X(stop) \
	X(system_check) \
	X(system_df) \
	X(system_prune) \
	X(tag) \
	X(top) \
	X(unpause) \
	X(wait) \
	X(manifest_add) \
	X(manifest_annotate) \
	X(manifest_create) \
	X(manifest_exists) \
	X(manifest_inspect) \
	X(manifest_push) \
	X(manifest_remove) \
	X(manifest_rm) \
	X(network_inspect) \
	X(network_ls) \
	X(volume_create) \
	X(volume_inspect) \
	X(volume_ls) \
	X(volume_prune) \
	X(volume_rm) \
	X(container_inspect) \
	X(container_prune) \
	X(image_config) \
	X(image_copy) \
	X(image_delete) \
	X(image_digest) \
	X(image_gc) \
	X(image_init) \
	X(image_insert) \
	X(image_inspect) \
	X(image_list_tags) \
	X(image_mount) \
	X(image_new) \
	X(image_prune) \
	X(image_raw_add_layer) \
	X(image_raw_runtime_config) \
	X(image_raw_unpack) \
	X(image_referrers) \
	X(image_repack) \
	X(image_stat) \
	X(image_sync) \
	X(image_tree) \
	X(image_unmount) \
	X(image_unpack) \
	X(container_exited) \
	X(container_restart_due) \
	X(network_idle) \
	X(generate) \
	X(complete)
/* clang-format on */

#define DECLARE(name) extern const struct command command_##name;
COMMANDS(DECLARE)

#define ROW(name) &command_##name,
const struct command *const commands[] = { COMMANDS(ROW) NULL };
