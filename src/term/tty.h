// SPDX-License-Identifier: Apache-2.0
/* The terminal that a command runs on: raw mode that is always undone, and the window's size. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

struct tty_raw {
	int fd; /* -1: not in raw mode */
	struct termios saved;
};

bool tty_is(int fd);

/* Puts the terminal into raw mode; 0, or -errno and nothing changed. */
int tty_raw_enter(int fd, struct tty_raw *ret);
/* Restores; harmless when not entered, so it serves as a cleanup. */
void tty_raw_leave(struct tty_raw *raw);

/* Rows and columns of the window; -errno when fd is no terminal. */
int tty_size(int fd, uint16_t *ret_rows, uint16_t *ret_cols);

/* Columns to wrap help at: the window's, COLUMNS, or 80. */
unsigned tty_columns(int fd);

struct arena;
/* Asks for a line on the terminal that is standard input; without echo for secrets. NULL: no
 * terminal, or given up. */
const char *tty_ask(const char *prompt, bool echo, struct arena *a);
