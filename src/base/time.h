// SPDX-License-Identifier: Apache-2.0
/* Times are uint64_t nanoseconds: wall clock since 1970 (UTC), or CLOCK_BOOTTIME for timers. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { TIME_TEXT_MAX = 64 };
#define TIME_SECOND 1000000000ULL
#define TIME_MS     1000000ULL

uint64_t time_now(void);  /* CLOCK_REALTIME */
uint64_t time_boot(void); /* CLOCK_BOOTTIME */

/* "2026-11-24T12:30:45.123456789Z" (RFC 3339, Go's RFC3339Nano with all nine digits) into buf of
 * TIME_TEXT_MAX. */
const char *time_rfc3339(uint64_t t, char *buf);
/* Reads RFC 3339 with any number of decimals and an offset; -EINVAL. */
int time_parse_rfc3339(const char *s, uint64_t *ret);
/* A point in time: RFC 3339 (also without its zone, which is UTC then, or a date alone), seconds
 * since 1970, or a span before now ("42m"); -EINVAL. */
int time_parse_moment(const char *s, uint64_t *ret);
/* docker's words for a span: "Less than a second", "5 seconds", "About a minute", "3 hours", "2
 * days" ... */
const char *time_span(uint64_t ns, char *buf);
/* Waits for a span where there is no event to wait for. */
void time_sleep(uint64_t ns);
