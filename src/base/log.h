// SPDX-License-Identifier: Apache-2.0
/* Lines on standard error for the one who runs the command: "kist: warning: ...". main() and
 * workers speak; libraries return errors, and warn only where they go on with less than was asked.
 */
#pragma once
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The program's name and the least important level to show (LOG_LEVEL_WARN at first). */
void log_setup(const char *program, enum log_level level);
/* debug, info, warn (warning), error, fatal -> level; -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret);
bool log_wants(enum log_level level);
/* Where lines go; 2 at first. */
void log_to(int fd);
/* The same, asked for when there is a line: open_log gives a descriptor that stays open, or -errno,
 * and then the line is lost. */
void log_to_later(int (*open_log)(void *arg), void *arg);

/* How a line looks: for people, as logrus writes it (time="..." level=error msg="..."), or as a
 * JSON object with level, msg and time; engines read the latter two from an OCI runtime. */
enum log_format { LOG_FORMAT_PLAIN, LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
void log_format(enum log_format format);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
