// SPDX-License-Identifier: GPL-2.0-only
/* Bytes to a pipe or a terminal that nobody may read. */
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "minivm.h"

/* A terminal with room for one byte takes no more without waiting. */
#define PIECE	64

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Until there is room; false: it is too late.  A negative limit: for ever. */
static bool wait_for_room(int fd, long long until)
{
	struct pollfd out = { .fd = fd, .events = POLLOUT };
	long long left = -1;
	int n;

	do {
		if (until >= 0)
			left = until - now_ms();
		if (until >= 0 && left < 0)
			return false;
		n = poll(&out, 1, left);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

bool write_all(int fd, const void *data, size_t len, int timeout_ms)
{
	long long until = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	const char *p = data;
	ssize_t n;

	while (len) {
		if (until >= 0 && !wait_for_room(fd, until))
			return false;
		n = write(fd, p, until >= 0 && len > PIECE ? PIECE : len);
		if (n < 0 && errno == EINTR)
			continue;
		/* Whoever has the same file may have made it so. */
		if (n < 0 && errno == EAGAIN && wait_for_room(fd, until))
			continue;
		if (n < 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}
