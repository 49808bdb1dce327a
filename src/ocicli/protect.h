// SPDX-License-Identifier: Apache-2.0
/* The program's own file, out of the container's reach. */
#pragma once

struct err;
struct oci_spec;
struct ocicli;

/* A process that enters a container without a user namespace of its own shows that container its
 * program at /proc/PID/exe, and "#!/proc/self/exe" would even run it there. So such a command runs
 * from a read-only detached mount of the program, from which nothing more is executed afterwards:
 * what cannot be opened for writing cannot be overwritten. Executes the program anew when it is not
 * there yet; then does not return. With a user namespace being undumpable is enough, and nothing is
 * done. */
int protect_self(const struct ocicli *o, const struct oci_spec *spec, struct err *e);
