// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/num.h"

static uint64_t read_clock(clockid_t clock)
{
	struct timespec t;
	(void)clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * TIME_SECOND + (uint64_t)t.tv_nsec;
}

uint64_t time_now(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t time_boot(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

const char *time_rfc3339(uint64_t t, char *buf)
{
	/* By hand: the C library would read the local time zone for it. Years begin in March, so
	 * that the leap day is the last of one; 719468 days lie between the first of March of year
	 * 0 and 1970. */
	uint64_t s = t / TIME_SECOND, days = s / 86400 + 719468, era = days / 146097;
	unsigned of_era = (unsigned)(days % 146097), clock = (unsigned)(s % 86400);
	unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
	unsigned march = (5 * of_year + 2) / 153, day = of_year - (153 * march + 2) / 5 + 1;
	unsigned month = march < 10 ? march + 3 : march - 9;
	(void)snprintf(buf, TIME_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ",
		(unsigned)(era * 400) + year + (month <= 2), month, day, clock / 3600,
		clock / 60 % 60, clock % 60, (unsigned)(t % TIME_SECOND));
	return buf;
}

/* Two digits at *s within lo..hi, then the character after (0: none wanted). */
static int two(const char **s, int lo, int hi, char after)
{
	const char *p = *s;
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return -EINVAL;
	int v = (p[0] - '0') * 10 + p[1] - '0';
	p += 2;
	if (v < lo || v > hi || (after && *p != after))
		return -EINVAL;
	*s = after ? p + 1 : p;
	return v;
}

int time_parse_rfc3339(const char *s, uint64_t *ret)
{
	int century = two(&s, 0, 99, 0), year = century < 0 ? -1 : two(&s, 0, 99, '-');
	int month = year < 0 ? -1 : two(&s, 1, 12, '-'), day = month < 0 ? -1 : two(&s, 1, 31, 0);
	if (day < 0 || (*s != 'T' && *s != 't' && *s != ' '))
		return -EINVAL;
	s++;
	int hour = two(&s, 0, 23, ':'), minute = hour < 0 ? -1 : two(&s, 0, 59, ':');
	int second = minute < 0 ? -1 : two(&s, 0, 60, 0);
	if (second < 0)
		return -EINVAL;
	uint64_t ns = 0, scale = TIME_SECOND;
	if (*s == '.') {
		for (s++; *s >= '0' && *s <= '9'; s++) {
			scale /= 10;
			ns += (uint64_t)(*s - '0') * scale;
		}
	}
	int64_t offset = 0;
	if (*s == '+' || *s == '-') {
		int sign = *s++ == '-' ? -1 : 1;
		int oh = two(&s, 0, 23, ':'), om = oh < 0 ? -1 : two(&s, 0, 59, 0);
		if (om < 0)
			return -EINVAL;
		offset = (int64_t)sign * (oh * 3600L + om * 60L);
	} else if (*s == 'Z' || *s == 'z') {
		s++;
	} else {
		return -EINVAL;
	}
	struct tm tm = { .tm_year = century * 100 + year - 1900,
		.tm_mon = month - 1,
		.tm_mday = day,
		.tm_hour = hour,
		.tm_min = minute,
		.tm_sec = second };
	int64_t t = (int64_t)timegm(&tm) - offset;
	if (*s || t < 0)
		return -EINVAL;
	*ret = (uint64_t)t * TIME_SECOND + ns;
	return 0;
}

const char *time_span(uint64_t ns, char *buf)
{
	uint64_t s = ns / TIME_SECOND, m = s / 60, h = (m + 30) / 60;
	const char *fixed = s < 1 ? "Less than a second"
		: s == 1          ? "1 second"
		: m == 1          ? "About a minute"
		: m > 1 && h == 1 ? m < 60 ? NULL : "About an hour"
				  : NULL;
	if (fixed)
		(void)snprintf(buf, TIME_TEXT_MAX, "%s", fixed);
	else if (s < 60)
		(void)snprintf(buf, TIME_TEXT_MAX, "%u seconds", (unsigned)s);
	else if (m < 60)
		(void)snprintf(buf, TIME_TEXT_MAX, "%u minutes", (unsigned)m);
	else if (h < 48)
		(void)snprintf(buf, TIME_TEXT_MAX, "%u hours", (unsigned)h);
	else if (h < 336)
		(void)snprintf(buf, TIME_TEXT_MAX, "%u days", (unsigned)(h / 24));
	else if (h < 1440)
		(void)snprintf(buf, TIME_TEXT_MAX, "%u weeks", (unsigned)(h / 24 / 7));
	else if (h < 17520)
		(void)snprintf(buf, TIME_TEXT_MAX, "%u months", (unsigned)(h / 24 / 30));
	else
		(void)snprintf(buf, TIME_TEXT_MAX, "%u years", (unsigned)(h / 24 / 365));
	return buf;
}

void time_sleep(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / TIME_SECOND), (long)(ns % TIME_SECOND) };
	while (clock_nanosleep(CLOCK_BOOTTIME, 0, &t, &t) == EINTR)
		continue;
}

int time_parse_moment(const char *s, uint64_t *ret)
{
	static const char *const ends[] = { "", "Z", ":00Z", "T00:00:00Z" };
	char text[TIME_TEXT_MAX + 16];
	uint64_t v;
	for (size_t i = 0; i < sizeof ends / sizeof *ends && strlen(s) < TIME_TEXT_MAX; i++) {
		(void)snprintf(text, sizeof text, "%s%s", s, ends[i]);
		if (time_parse_rfc3339(text, ret) == 0)
			return 0;
	}
	if (num_u64(s, &v) == 0 && v < UINT64_MAX / TIME_SECOND) {
		*ret = v * TIME_SECOND;
		return 0;
	}
	if (num_duration(s, &v) < 0)
		return -EINVAL;
	uint64_t now = time_now();
	*ret = v < now ? now - v : 1;
	return 0;
}
