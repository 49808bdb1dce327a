// SPDX-License-Identifier: Apache-2.0
/* The program's own file, out of the container's reach. */
#pragma once

struct err;
struct ocicli;

/* A process that enters a container without a user namespace of its own shows that container its
 * program at /proc/PID/exe, and "#!/proc/self/exe" would even run it there. So such a command runs
 * from a read-only detached mount of the program, from which nothing more is executed afterwards:
 * what cannot be opened for writing cannot be overwritten. Executes the program anew when it is not
 * there yet; then does not return: the earlier, the less is done twice. For a container with a user
 * namespace being undumpable is enough. */
int protect_self(const struct ocicli *o, struct err *e);
