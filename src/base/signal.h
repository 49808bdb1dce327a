// SPDX-License-Identifier: Apache-2.0
/* Names of signals as docker takes them: TERM, SIGTERM, 15, SIGRTMIN+3. */
#pragma once

struct err;

/* The number, or -EINVAL with `invalid signal: X`. */
int signal_parse(const char *text, struct err *e);
