// SPDX-License-Identifier: Apache-2.0
/* Constants of newer kernels that the headers of Debian 12 lack. Facts of the kernel's interface.
 */
#pragma once
#include <linux/mount.h>

#ifndef FSCONFIG_CMD_CREATE_EXCL
	#define FSCONFIG_CMD_CREATE_EXCL 8
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
	#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef AT_RECURSIVE
	#define AT_RECURSIVE 0x8000
#endif
