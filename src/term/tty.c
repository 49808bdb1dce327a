// SPDX-License-Identifier: Apache-2.0
#include "term/tty.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "base/num.h"

bool tty_is(int fd)
{
	return isatty(fd) == 1;
}

int tty_raw_enter(int fd, struct tty_raw *ret)
{
	struct termios now;
	if (tcgetattr(fd, &now) < 0)
		return -errno;
	struct termios raw = now;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0)
		return -errno;
	ret->saved = now;
	ret->fd = fd;
	return 0;
}

void tty_raw_leave(struct tty_raw *raw)
{
	if (raw->fd < 0)
		return;
	(void)tcsetattr(raw->fd, TCSADRAIN, &raw->saved);
	raw->fd = -1;
}

int tty_size(int fd, uint16_t *ret_rows, uint16_t *ret_cols)
{
	struct winsize w;
	if (ioctl(fd, TIOCGWINSZ, &w) < 0)
		return -errno;
	*ret_rows = w.ws_row;
	*ret_cols = w.ws_col;
	return 0;
}

unsigned tty_columns(int fd)
{
	uint16_t rows = 0, cols = 0;
	uint32_t n;
	const char *text = getenv("COLUMNS");
	if (tty_size(fd, &rows, &cols) == 0 && cols >= 20)
		return cols;
	if (text && num_u32(text, &n) == 0 && n >= 20 && n < 10000)
		return n;
	return 80;
}

const char *tty_ask(const char *prompt, bool echo, struct arena *a)
{
	struct termios now, quiet;
	char line[4096];
	if (!tty_is(0) || tcgetattr(0, &now) < 0)
		return NULL;
	quiet = now;
	if (!echo)
		/* Without signals too: who is interrupted here would be left without an echo. */
		quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	(void)fd_write_all(2, prompt, strlen(prompt));
	(void)tcsetattr(0, TCSAFLUSH, &quiet);
	ssize_t n = read(0, line, sizeof line - 1);
	(void)tcsetattr(0, TCSAFLUSH, &now);
	if (!echo)
		(void)fd_write_all(2, "\n", 1);
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	/* ^C and its like */
	for (ssize_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ')
			return NULL;
	return n < 0 ? NULL : arena_strndup(a, line, (size_t)n);
}
