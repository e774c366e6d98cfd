/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A witness for tests of what the scheduler did: reads sched_switch and
 * sched_waking, and nothing of what is under test, from a tracefs instance of
 * its own.
 *
 * Time is the TSC, so that a guest whose TSC has no offset can say with RDTSC
 * when something happened.  Priorities are the kernel's: 120 for an ordinary
 * task of nice 0, 99 - n for SCHED_FIFO n.
 */
#ifndef SELFTEST_KVM_SCHED_TRACE_H
#define SELFTEST_KVM_SCHED_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <sys/types.h>

#define SCHED_TRACE_FIFO(n)	(99 - (n))
#define SCHED_TRACE_OTHER	120
#define SCHED_TRACE_ANY		1000

enum sched_trace_kind {
	SCHED_TRACE_SWITCH,
	SCHED_TRACE_WAKING,
};

/* A switch from @prev to @next, or the wake-up of @next. */
struct sched_trace_event {
	enum sched_trace_kind kind;
	u64 ts;
	int cpu;
	pid_t prev;
	int prev_prio;
	char prev_state;
	pid_t next;
	int next_prio;
	char prev_comm[16];
	char next_comm[16];
};

struct sched_trace;

/* What was seen of a thread's priority at switches and wake-ups. */
struct sched_trace_prios {
	unsigned int samples;
	int highest;
	int lowest;
};

/* SKIPs the test where tracefs or the right to use it is missing. */
struct sched_trace *sched_trace_open(void);
void sched_trace_close(struct sched_trace *t);

/* Record only threads that were named before; everything if none was. */
void sched_trace_watch(struct sched_trace *t, pid_t tid);
void sched_trace_unwatch(struct sched_trace *t, pid_t tid);

void sched_trace_start(struct sched_trace *t);
void sched_trace_stop(struct sched_trace *t);
size_t sched_trace_count(const struct sched_trace *t);
void sched_trace_dump(const struct sched_trace *t, size_t max);

/* The first time in [from, to] that the thread gets or loses a CPU, or wakes. */
const struct sched_trace_event *
sched_trace_in(const struct sched_trace *t, pid_t tid, u64 from,
	       u64 to);
const struct sched_trace_event *
sched_trace_out(const struct sched_trace *t, pid_t tid, u64 from,
		u64 to);
const struct sched_trace_event *
sched_trace_waking(const struct sched_trace *t, pid_t tid, u64 from,
		   u64 to);

/* The priorities that the thread was seen with, on a CPU, in [from, to]. */
struct sched_trace_prios
sched_trace_prios(const struct sched_trace *t, pid_t tid, u64 from,
		  u64 to);

/*
 * Time on a CPU in [from, to].  Only stretches count whose begin or end was
 * seen at a priority higher (a smaller number) than @below.
 */
u64 sched_trace_ran(const struct sched_trace *t, pid_t tid, u64 from, u64 to,
		    int below);

/*
 * The same for each window of that length that ends with such a stretch,
 * sorted.  Return how many there are.
 */
size_t sched_trace_windows(const struct sched_trace *t, pid_t tid, u64 from,
			   u64 to, int below, u64 window, u64 *ran, size_t max);

#endif /* SELFTEST_KVM_SCHED_TRACE_H */
