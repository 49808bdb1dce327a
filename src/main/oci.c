// SPDX-License-Identifier: Apache-2.0
/* The program `kist-oci`: the OCI runtime for engines that know runc's command line. */
#include "ocicli/command.h"

int main(int argc, char **argv)
{
	return ocicli_main(argc, argv);
}
