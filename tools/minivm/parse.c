// SPDX-License-Identifier: GPL-2.0-only
/* Numbers from the command line; who gives a wrong one learns the range. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "minivm.h"

bool parse_long(const char *s, long *val)
{
	char *end;

	errno = 0;
	*val = strtol(s, &end, 0);
	return *s && !*end && !errno;
}

bool parse_u64(const char *s, uint64_t *val)
{
	char *end;

	errno = 0;
	*val = strtoull(s, &end, 0);
	return *s >= '0' && *s <= '9' && !*end && !errno;
}

bool parse_u32(const char *s, uint32_t max, uint32_t *val)
{
	size_t len = strlen(s);
	uint64_t num;

	if (!len || len > 10 || strspn(s, "0123456789") != len)
		return false;
	num = strtoull(s, NULL, 10);
	*val = num;
	return num <= max;
}

long parse_range(const char *what, const char *s, long min, long max)
{
	long val;

	if (!parse_long(s, &val) || val < min || val > max)
		fail(EX_USAGE_, 0, NULL, "%s: '%s' is not a number from %ld to %ld",
		     what, s, min, max);
	return val;
}

/* A number and its unit; the units come largest first, 1 closes the list. */
struct unit {
	const char *name;
	uint64_t factor;
};

static bool parse_unit(const char *s, const struct unit *u, uint64_t *val)
{
	unsigned long long num;
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	num = strtoull(s, &end, 10);
	for (; u->name; u++)
		if (!strcmp(end, u->name))
			return !errno && !__builtin_mul_overflow(num, u->factor,
								 val);
	return false;
}

uint64_t parse_size(const char *what, const char *s, uint64_t min, uint64_t max)
{
	static const struct unit units[] = {
		{ "G", 1 << 30 }, { "M", 1 << 20 }, { "K", 1 << 10 },
		{ "", 1 }, { NULL, 0 }
	};
	uint64_t val;

	if (!parse_unit(s, units, &val) || val < min || val > max ||
	    val % 4096)
		fail(EX_USAGE_, 0, NULL,
		     "%s: '%s' is not a size from %lluM to %lluM in whole pages (16M, 1G)",
		     what, s, (unsigned long long)min >> 20,
		     (unsigned long long)max >> 20);
	return val;
}

uint64_t parse_duration(const char *what, const char *s)
{
	static const struct unit units[] = {
		{ "s", 1000000000 }, { "ms", 1000000 }, { "us", 1000 },
		{ "ns", 1 }, { NULL, 0 }
	};
	uint64_t val;

	if (!parse_unit(s, units, &val))
		fail(EX_USAGE_, 0, NULL,
		     "%s: '%s' is not a time with its unit (500us, 10ms, 1s, 800ns)",
		     what, s);
	return val;
}
