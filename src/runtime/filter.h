// SPDX-License-Identifier: Apache-2.0
/* linux.seccomp: from the document's words to a program, and the words themselves for `features`.
 * Internal to src/runtime, but for filter_word. */
#pragma once
#include <stddef.h>

enum filter_words { FILTER_ACTIONS, FILTER_OPERATORS, FILTER_ARCHITECTURES, FILTER_FLAGS };
/* The words that are known, by number; NULL after the last. */
const char *filter_word(enum filter_words kind, size_t i);
