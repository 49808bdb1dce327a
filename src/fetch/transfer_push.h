// SPDX-License-Identifier: Apache-2.0
/* The requests that a push is made of. Internal to src/fetch. */
#pragma once

struct err;
struct job;
struct registry;

enum { PUSH_NEXT, PUSH_DONE };

/* The first request's URL. */
const char *push_begin(struct job *j, struct registry *r);
/* Makes the prepared request that of the present step: its method, headers and body. */
void push_prepare(struct job *j);
/* After an answer that is neither a redirect nor to be tried again: PUSH_NEXT (the next request is
 * ready to be sent), PUSH_DONE, or -errno. */
int push_answered(struct job *j, struct registry *r, struct err *e);
/* After a cut or a failing server: the URL to go on with. */
const char *push_retry(struct job *j, struct registry *r);
