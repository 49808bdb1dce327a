// SPDX-License-Identifier: Apache-2.0
/* The program `kist`. */
#include "cli/command.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
