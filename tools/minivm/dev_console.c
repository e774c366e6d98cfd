// SPDX-License-Identifier: GPL-2.0-only
/* The console: bytes from a port to standard output, a line at a time. */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "minivm.h"

static pthread_mutex_t lock;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char buf[4096];
static size_t used;

static void init(void)
{
	pi_mutex_init(&lock);
}

/* Whoever writes may wait for a reader as long as that takes. */
static void flush_locked(void)
{
	/* Nobody reads any more: the guest need not stop for that. */
	write_all(STDOUT_FILENO, buf, used, -1);
	used = 0;
}

void dev_console_write(const uint8_t *data, size_t len)
{
	static bool spoke;

	if (len && !__atomic_exchange_n(&spoke, true, __ATOMIC_RELAXED))
		boot_timer("first output");
	pthread_once(&once, init);
	pthread_mutex_lock(&lock);
	while (len--) {
		buf[used++] = *data;
		if (*data++ == '\n' || used == sizeof(buf))
			flush_locked();
	}
	pthread_mutex_unlock(&lock);
}

void dev_console_flush(void)
{
	pthread_once(&once, init);
	pthread_mutex_lock(&lock);
	flush_locked();
	pthread_mutex_unlock(&lock);
}

void dev_console_last_words(const uint8_t *data, size_t len)
{
	struct timespec until;

	pthread_once(&once, init);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += LAST_WORDS_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	/* Somebody may hold it in write(), of what nobody reads. */
	if (pthread_mutex_timedlock(&lock, &until))
		return;
	if (write_all(STDOUT_FILENO, buf, used, LAST_WORDS_MS))
		write_all(STDOUT_FILENO, data, len, LAST_WORDS_MS);
	used = 0;
	pthread_mutex_unlock(&lock);
}
