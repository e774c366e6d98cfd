// SPDX-License-Identifier: GPL-2.0-only
/* The console: bytes from a port to standard output, a line at a time. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "minivm.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char buf[4096];
static size_t used;

static void flush_locked(void)
{
	size_t done = 0;
	ssize_t n;

	while (done < used) {
		n = write(STDOUT_FILENO, buf + done, used - done);
		if (n < 0 && errno == EINTR)
			continue;
		/* Nobody reads: the guest need not stop for that. */
		if (n < 0)
			break;
		done += n;
	}
	used = 0;
}

void dev_console_write(const uint8_t *data, size_t len)
{
	static bool spoke;

	pthread_mutex_lock(&lock);
	if (len && !spoke)
		boot_timer("first output");
	spoke |= len;
	while (len--) {
		buf[used++] = *data;
		if (*data++ == '\n' || used == sizeof(buf))
			flush_locked();
	}
	pthread_mutex_unlock(&lock);
}

void dev_console_flush(void)
{
	pthread_mutex_lock(&lock);
	flush_locked();
	pthread_mutex_unlock(&lock);
}
