// SPDX-License-Identifier: GPL-2.0-only
/*
 * Competing load for tests of priorities, see sched_load.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kvm_util.h"
#include "sched_load.h"
#include "test_util.h"

#define LOAD_YIELD_NS		300000
#define LOAD_TIMEOUT_MS		10000
#define LOAD_SPIN_MS		15000
#define LOAD_FAIR_SERVER	\
	"/sys/kernel/debug/sched/fair_server/cpu%d/runtime"
#define LOAD_CAP		\
	"/sys/module/kvm/parameters/pv_sched_cpu_budget_us"
#define LOAD_SETTINGS		4

/* What the test changed of the host, to be undone at its end. */
static struct {
	char path[128];
	char text[32];
} load_settings[LOAD_SETTINGS];
static unsigned int load_nr_settings;

static int load_file(const char *path, char *text, size_t size, int flags)
{
	int fd = open(path, flags);
	ssize_t r;

	if (fd < 0)
		return -errno;
	r = flags == O_RDONLY ? read(fd, text, size - 1) :
				write(fd, text, strlen(text));
	close(fd);
	if (r < 0)
		return -errno;
	if (flags == O_RDONLY)
		text[r] = '\0';
	return 0;
}

static void load_restore(void)
{
	unsigned int i;

	for (i = 0; i < load_nr_settings; i++)
		load_file(load_settings[i].path, load_settings[i].text, 0,
			  O_WRONLY);
}

bool sched_load_setting(const char *path, const char *value)
{
	char text[32];
	unsigned int i;

	snprintf(text, sizeof(text), "%s", value);
	for (i = 0; i < load_nr_settings; i++) {
		if (!strcmp(load_settings[i].path, path))
			return !load_file(path, text, 0, O_WRONLY);
	}

	TEST_ASSERT(i < LOAD_SETTINGS, "Too many settings");
	if (load_file(path, load_settings[i].text,
		      sizeof(load_settings[i].text), O_RDONLY) ||
	    load_file(path, text, 0, O_WRONLY))
		return false;

	snprintf(load_settings[i].path, sizeof(load_settings[i].path), "%s",
		 path);
	if (!load_nr_settings++)
		atexit(load_restore);
	return true;
}

bool sched_load_cap(const char *us)
{
	return sched_load_setting(LOAD_CAP, us);
}

/*
 * The kernel gives ordinary tasks a share after a second behind real-time
 * ones.  Where that can be had without it, have no more than one hand in play.
 */
static void load_fair_server_off(int cpu)
{
	char path[128];

	snprintf(path, sizeof(path), LOAD_FAIR_SERVER, cpu);
	sched_load_setting(path, "0");
}

void sched_load_watcher(void)
{
	struct sched_param p = { .sched_priority = 99 };
	cpu_set_t set;
	int cpu, r;

	r = sched_getaffinity(0, sizeof(set), &set);
	TEST_ASSERT(!r, "sched_getaffinity: %s", strerror(errno));
	for (cpu = 0; !CPU_ISSET(cpu, &set); cpu++)
		;
	kvm_pin_this_task_to_pcpu(cpu);

	r = sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p);
	__TEST_REQUIRE(!r, "the right to use SCHED_FIFO 99 is needed: %s",
		       strerror(errno));
	load_fair_server_off(cpu);
}

void sched_load_sleep(u64 ns)
{
	struct timespec ts = { .tv_nsec = ns };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

void sched_load_yield(void)
{
	sched_load_sleep(LOAD_YIELD_NS);
}

u64 sched_load_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

char sched_load_state(pid_t tid)
{
	char path[64], text[512], *p;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	if (load_file(path, text, sizeof(text), O_RDONLY))
		return 'X';
	p = strrchr(text, ')');
	return p ? p[2] : 'X';
}

/*
 * Spin until told to stop.  A test that dies cannot do that, and to die it needs
 * the CPU for ordinary tasks: end after a while in any case.
 */
static void load_spin(struct sched_load *l)
{
	u64 end = sched_load_now_ms() + LOAD_SPIN_MS;

	while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
		if (__atomic_add_fetch(&l->count, 1, __ATOMIC_RELEASE) % 4096)
			continue;
		if (sched_load_now_ms() >= end)
			return;
	}
}

static void *load_thread(void *arg)
{
	struct sched_load *l = arg;
	struct sched_param p = { .sched_priority = l->priority };
	int r;

	r = sched_setscheduler(0, l->policy, &p);
	TEST_ASSERT(!r, "sched_setscheduler: %s", strerror(errno));
	__atomic_store_n(&l->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);

	for (;;) {
		__atomic_store_n(&l->idle, true, __ATOMIC_RELEASE);
		while (sem_wait(&l->go))
			;
		if (__atomic_load_n(&l->quit, __ATOMIC_ACQUIRE))
			return NULL;
		load_spin(l);
	}
}

void sched_load_create(struct sched_load *l, int policy, int priority)
{
	int r;

	memset(l, 0, sizeof(*l));
	l->policy = policy;
	l->priority = priority;
	sem_init(&l->go, 0, 0);
	r = pthread_create(&l->thread, NULL, load_thread, l);
	TEST_ASSERT(!r, "pthread_create: %s", strerror(r));
	TEST_ASSERT(SCHED_LOAD_POLL(__atomic_load_n(&l->idle, __ATOMIC_ACQUIRE),
				    LOAD_TIMEOUT_MS),
		    "A load thread does not start");
	pthread_setname_np(l->thread, "load");
}

void sched_load_destroy(struct sched_load *l)
{
	__atomic_store_n(&l->quit, true, __ATOMIC_RELEASE);
	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	sem_post(&l->go);
	pthread_join(l->thread, NULL);
	sem_destroy(&l->go);
}

void sched_load_start(struct sched_load *l)
{
	u64 count = sched_load_count(l);

	__atomic_store_n(&l->idle, false, __ATOMIC_RELEASE);
	__atomic_store_n(&l->stop, false, __ATOMIC_RELEASE);
	sem_post(&l->go);
	TEST_ASSERT(SCHED_LOAD_POLL(sched_load_count(l) != count,
				    LOAD_TIMEOUT_MS),
		    "A load thread of priority %d does not get the CPU",
		    l->priority);
}

/* It takes note as soon as it runs again. */
void sched_load_stop(struct sched_load *l)
{
	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	TEST_ASSERT(SCHED_LOAD_POLL(__atomic_load_n(&l->idle, __ATOMIC_ACQUIRE),
				    LOAD_TIMEOUT_MS),
		    "A load thread of priority %d does not stop", l->priority);
}
