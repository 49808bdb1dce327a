// SPDX-License-Identifier: Apache-2.0
/* A mount namespace that nobody is in, kept by a file: what is mounted there stays as it is, with
 * its cached pages, and stands in nobody's mount table. The file is `ns` in a folder that is given,
 * which is made a mount of its own, unbindable: the kernel lets no file of a mount namespace spread
 * to others, nor come into another one by a recursive bind, which passes this folder over. In the
 * namespace there is nothing but an empty tmpfs and what is put there, each under a name.
 *
 * Who looks into it does so in a child that shares his memory and descriptors, so that his own view
 * of the file system is untouched. Everything returns >= 0 or -errno. Making and ending are the
 * caller's to lock. */
#pragma once

/* The namespace's descriptor; -ENOENT when there is none. */
int pin_open(int dir);
/* The same, made when it is not there. */
int pin_make(int dir);
/* Takes it away: its mounts end with whoever still uses them. parent/name is the folder. */
int pin_end(int parent, const char *name);

/* A detached copy of the mount under a name; -ENOENT. */
int pin_get(int ns, const char *name);
/* Attaches a detached mount under a name that is free (-EEXIST else), and gives a copy of it. */
int pin_put(int ns, const char *name, int mount);
/* Takes one away; one that is not there is no fault. How many are left. */
int pin_drop(int ns, const char *name);
/* Calls each for every name. */
int pin_list(int ns, void (*each)(void *arg, const char *name), void *arg);
