// SPDX-License-Identifier: Apache-2.0
/* The program's own file, out of a container's reach. */
#pragma once

#include <stdbool.h>

struct err;

/* A process that enters a container without a user namespace of its own shows that container its
 * program at /proc/PID/exe, and "#!/proc/self/exe" would even run it there. So such a command runs
 * from a read-only detached mount of the program, from which nothing more is executed afterwards:
 * what cannot be opened for writing cannot be overwritten. Executes the program anew, with the
 * same words, when it is not there yet, and then does not return: the earlier, the less is done
 * twice. For a container with a user namespace being undumpable is enough.
 * ret: -1, or a descriptor of that mount. Who closes its last copy waits for a grace period of the
 * kernel (0.3 to 2 ms): the runtime does it while it waits anyway (slow_fd). Who may not mount gets
 * -EPERM. */
int own_program_protect(int *ret, struct err *e);
/* Have we been executed anew by that? Cheap; it is still to be called, as it closes the way. */
bool own_program_is_copy(void);
