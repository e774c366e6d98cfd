/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Competing load for tests of priorities: threads that want the CPU all the
 * time, and the watcher above them, which alone decides when they do.
 *
 * Everything runs on one CPU.  Each time the watcher wakes up it preempts
 * somebody, and sched_switch says with which priority that one ran.
 */
#ifndef SELFTEST_KVM_SCHED_LOAD_H
#define SELFTEST_KVM_SCHED_LOAD_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <linux/types.h>
#include <sys/types.h>

struct sched_load {
	pthread_t thread;
	sem_t go;
	pid_t tid;
	int policy;
	int priority;
	u64 count;
	bool stop;
	bool idle;
	bool quit;
};

/* The caller watches from now on; SKIPs without the right to do that. */
void sched_load_watcher(void);

/* A thread with a real-time priority, or an ordinary one if that is zero. */
void sched_load_create(struct sched_load *l, int policy, int priority);
void sched_load_destroy(struct sched_load *l);

/* Start to spin, and return when it does. */
void sched_load_start(struct sched_load *l);
void sched_load_stop(struct sched_load *l);

static inline u64 sched_load_count(struct sched_load *l)
{
	return __atomic_load_n(&l->count, __ATOMIC_ACQUIRE);
}

/* Give up the CPU for some tenths of a millisecond. */
void sched_load_yield(void);

void sched_load_sleep(u64 ns);

/* Until the test ends; false where there is no such file. */
bool sched_load_setting(const char *path, const char *value);
/* What raised threads together may have of 100 ms of a host CPU. */
bool sched_load_cap(const char *us);

/* Of a thread of this process: R, S, D, ... */
char sched_load_state(pid_t tid);

u64 sched_load_now_ms(void);

/* Let others run until @cond holds; false after @ms milliseconds. */
#define SCHED_LOAD_POLL(cond, ms)					\
({									\
	u64 __end = sched_load_now_ms() + (ms);				\
	bool __late, __ok;						\
									\
	for (;;) {							\
		__late = sched_load_now_ms() >= __end;			\
		__ok = (cond);						\
		if (__ok || __late)					\
			break;						\
		sched_load_yield();					\
	}								\
	__ok;								\
})

#endif /* SELFTEST_KVM_SCHED_LOAD_H */
