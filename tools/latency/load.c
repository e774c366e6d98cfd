// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's side of a measurement: a periodic task of a middle real-time
 * priority and one above p_max, each measuring its own wake-up latency, and
 * ordinary load; all on one CPU with the VM.  Starts the VM (the command after
 * --) and takes the guest's samples from its output; or, with --native, does
 * the guest's work in a host thread instead.
 *
 * An event is a time at which a task was to wake up.  One that comes due while
 * the task is late counts with its own latency, so that long delays are not
 * hidden by the wake-ups that they swallowed.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

#define MAX_EVENTS	131072
#define WINDOW_NS	100000000ULL
#define SETTLE_NS	5000000ULL

struct task {
	const char *name;
	int prio;
	struct range period, work;
	uint64_t seed;
	bool on;
	uint32_t samples[MAX_EVENTS];
	unsigned int nr;
};

static struct task host = { .name = "host" }, above = { .name = "host_above" },
		   native = { .name = "guest" };
/*
 * With --share: the CPU time of everything in this process, that is outside
 * the VM, at each event of the task that the VM cannot delay.
 */
static struct {
	uint64_t time, cpu;
} shares[MAX_EVENTS];
static bool share;

static struct range burst = { 1000000, 1000000 };
static uint64_t burst_every = 8, duration = 1000000000;
static int nr_hogs = 2, reader_prio = 97;
static const char *out;

/* The window in which events count; zero: not yet known. */
static volatile uint64_t win_start, win_end;
static volatile bool stop;
static pthread_barrier_t go;
static uint64_t burst_work;
static sem_t burst_ready;

static void die(const char *what, int err)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(err));
	exit(1);
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static uint64_t now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

static void set_fifo(const char *who, int prio)
{
	struct sched_param param = { .sched_priority = prio };

	if (prio && sched_setscheduler(0, SCHED_FIFO, &param))
		die(who, errno);
}

static void record(struct task *t, uint64_t due, uint64_t now)
{
	uint64_t late = now > due ? now - due : 0;

	if (!win_end || due < win_start || due >= win_end)
		return;
	if (t->nr == MAX_EVENTS)
		die("more events than there is room for", ENOSPC);
	if (share && t == &above) {
		shares[t->nr].time = now;
		shares[t->nr].cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
	}
	t->samples[t->nr++] = late > UINT32_MAX ? UINT32_MAX : late;
}

static void sleep_until(uint64_t due)
{
	struct timespec ts = { due / 1000000000, due % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void start_task(const struct task *t)
{
	prctl(PR_SET_NAME, t->name);
	set_fifo(t->name, t->prio);
	pthread_barrier_wait(&go);
}

/*
 * All that came due while the task was late is recorded, with one turn of work
 * for it: to catch up would take the CPU from ordinary tasks for long, and call
 * the fair server, which is above everything.
 */
static void *periodic(void *arg)
{
	struct task *t = arg;
	uint64_t state = first_random(t->seed), due, now;

	start_task(t);
	due = now_ns() + random_in(&state, &t->period);
	while (!stop) {
		sleep_until(due);
		now = now_ns();
		do {
			record(t, due, now);
			due += random_in(&state, &t->period);
		} while (due <= now);
		work(random_in(&state, &t->work));
	}
	return NULL;
}

/* What the guest does, event by event, with random numbers in its order. */
static void *twin(void *arg)
{
	struct task *t = arg;
	uint64_t state = first_random(t->seed), due, events = 0;

	start_task(t);
	due = now_ns() + 2000000;
	while (!stop) {
		sleep_until(due);
		record(t, due, now_ns());
		work(t->work.min);
		if (++events % burst_every == 0) {
			burst_work = random_in(&state, &burst);
			sem_post(&burst_ready);
		}
		due += random_in(&state, &t->period);
	}
	return NULL;
}

/* Ordinary load that never ends. */
static void *hog(void *arg)
{
	prctl(PR_SET_NAME, "hog");
	pthread_barrier_wait(&go);
	while (!stop)
		work(100000);
	return NULL;
}

/* The native twin of the guest's low task. */
static void *low(void *arg)
{
	for (;;) {
		sem_wait(&burst_ready);
		work(burst_work);
	}
	return NULL;
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	/* All memory is locked: large stacks would cost time to fill. */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	err = pthread_create(&thread, &attr, fn, arg);
	if (err)
		die("cannot start a thread", err);
	return thread;
}

/* Let the load go, and count what comes due after it has settled. */
static void open_window(void)
{
	pthread_barrier_wait(&go);
	win_start = now_ns() + SETTLE_NS;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	win_end = win_start + duration;
}

/* One line of the guest: "s" and samples, "ready", or something to show. */
static void guest_line(char *line)
{
	char *word, *save = NULL;

	if (!strcmp(line, "ready\n")) {
		open_window();
		return;
	}
	if (strncmp(line, "s ", 2)) {
		fputs(line, stdout);
		return;
	}
	/* The guest has measured all: it need not report under load. */
	stop = true;
	strtok_r(line, " \n", &save);
	while ((word = strtok_r(NULL, " \n", &save))) {
		if (native.nr == MAX_EVENTS)
			die("more events than there is room for", ENOSPC);
		native.samples[native.nr++] = strtoul(word, NULL, 10);
	}
}

static int run_vm(char **argv)
{
	static char line[65536];
	int fds[2], status;
	pid_t pid;
	FILE *f;

	if (pipe(fds))
		die("pipe", errno);
	pid = fork();
	if (pid < 0)
		die("fork", errno);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execvp(argv[0], argv);
		die(argv[0], errno);
	}
	close(fds[1]);
	/* Above the VM, or "ready" would wait for it; it rarely runs. */
	set_fifo("reader", reader_prio);
	f = fdopen(fds[0], "r");
	while (f && fgets(line, sizeof(line), f))
		guest_line(line);
	if (waitpid(pid, &status, 0) < 0)
		die("waitpid", errno);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void run_native(void)
{
	open_window();
	/* As in the guest, events go on a little beyond the window. */
	set_fifo("reader", reader_prio);
	sleep_until(win_end + SETTLE_NS);
}

static void save(const struct task *t)
{
	char path[512];
	unsigned int i;
	FILE *f;

	if (!t->nr || !out)
		return;
	snprintf(path, sizeof(path), "%s.%s", out, t->name);
	f = fopen(path, "w");
	if (!f)
		die(path, errno);
	for (i = 0; i < t->nr; i++)
		fprintf(f, "%u\n", t->samples[i]);
	if (fclose(f))
		die(path, errno);
}

/* The least that was left to others in any 100 ms, from one event on. */
static void print_share(void)
{
	uint64_t least = UINT64_MAX;
	unsigned int i, j = 0;

	for (i = 0; i < above.nr; i++) {
		while (j < above.nr && shares[j].time < shares[i].time + WINDOW_NS)
			j++;
		if (j < above.nr && shares[j].cpu - shares[i].cpu < least)
			least = shares[j].cpu - shares[i].cpu;
	}
	if (least != UINT64_MAX)
		printf("share %" PRIu64 "\n", least);
}

static void usage(void)
{
	fputs("usage: load --host PRIO:PERIOD:WORK:SEED [--above ...] [--native PRIO:...]\n"
	      "            [--burst MIN-MAX:EVERY] [--hogs N] [--for NS] [--share] [--out FILE] [-- VM...]\n"
	      "PERIOD and WORK are MIN-MAX, in ns and instructions.\n", stderr);
	exit(2);
}

static void parse_range(char **s, struct range *r, char end)
{
	r->min = r->max = strtoull(*s, s, 10);
	if (**s == '-')
		r->max = strtoull(*s + 1, s, 10);
	if (r->max < r->min || **s != end)
		usage();
	if (end)
		(*s)++;
}

static void parse_task(char *s, struct task *t)
{
	struct range num;

	parse_range(&s, &num, ':');
	t->prio = num.min;
	parse_range(&s, &t->period, ':');
	parse_range(&s, &t->work, ':');
	parse_range(&s, &num, 0);
	t->seed = num.min;
	t->on = true;
	if (t->prio < 1 || t->prio > 99 || !t->period.min)
		usage();
}

static char **parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "host", required_argument, NULL, 'm' },
		{ "above", required_argument, NULL, 'a' },
		{ "native", required_argument, NULL, 'n' },
		{ "burst", required_argument, NULL, 'b' },
		{ "hogs", required_argument, NULL, 'g' },
		{ "for", required_argument, NULL, 'f' },
		{ "share", no_argument, NULL, 's' },
		{ "out", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 }
	};
	struct range num;
	int opt;

	while ((opt = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (opt) {
		case 'm':
			parse_task(optarg, &host);
			break;
		case 'a':
			parse_task(optarg, &above);
			break;
		case 'n':
			parse_task(optarg, &native);
			break;
		case 'b':
			parse_range(&optarg, &burst, ':');
			parse_range(&optarg, &num, 0);
			burst_every = num.min ? num.min : 1;
			break;
		case 'g':
			nr_hogs = atoi(optarg);
			if (nr_hogs < 0)
				usage();
			break;
		case 'f':
			duration = strtoull(optarg, NULL, 10);
			break;
		case 's':
			share = true;
			break;
		case 'o':
			out = optarg;
			break;
		default:
			usage();
		}
	}
	if (native.on == !!argv[optind])
		usage();
	return argv + optind;
}

int main(int argc, char **argv)
{
	char **vm = parse(argc, argv);
	pthread_t threads[3];
	unsigned int i, n = 0;
	int ret = 0;

	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		die("mlockall", errno);
	pthread_barrier_init(&go, NULL, 1 + host.on + above.on + native.on +
			     nr_hogs);
	if (host.on)
		threads[n++] = start(periodic, &host);
	if (above.on)
		threads[n++] = start(periodic, &above);
	for (i = 0; i < (unsigned int)nr_hogs; i++)
		start(hog, NULL);
	if (native.on) {
		sem_init(&burst_ready, 0, 0);
		start(low, NULL);
		threads[n++] = start(twin, &native);
		run_native();
	} else {
		ret = run_vm(vm);
	}
	if (now_ns() < win_end) {
		fprintf(stderr, "load: the VM ended before the measurement\n");
		ret = ret ? ret : 1;
	}
	stop = true;
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	save(&host);
	save(&above);
	save(&native);
	if (share)
		print_share();
	return ret;
}
