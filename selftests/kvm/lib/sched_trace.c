// SPDX-License-Identifier: GPL-2.0-only
/*
 * A witness for tests of what the scheduler did, see sched_trace.h.
 *
 * The trace is read as text after it was stopped: text is the ABI that needs
 * no knowledge of the ring buffer, and tests record a second at most.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest.h"
#include "kvm_util.h"
#include "processor.h"
#include "sched_trace.h"
#include "test_util.h"

#define TRACE_MAX_WATCHED	16
#define TRACE_BUFFER_KB		"8192"

struct sched_trace {
	char dir[PATH_MAX];
	pid_t watched[TRACE_MAX_WATCHED];
	unsigned int nr_watched;
	u64 begin;
	u64 end;
	struct sched_trace_event *events;
	size_t nr;
	size_t room;
};

/* For the exit handler: a failed assertion must not leave a directory. */
static struct sched_trace *trace_opened;

static const char *trace_root(void)
{
	static const char * const roots[] = {
		"/sys/kernel/tracing",
		"/sys/kernel/debug/tracing",
	};
	char path[PATH_MAX];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(roots); i++) {
		snprintf(path, sizeof(path), "%s/instances", roots[i]);
		if (!access(path, W_OK))
			return roots[i];
	}
	return NULL;
}

static int __trace_write(struct sched_trace *t, const char *file,
			 const char *text)
{
	char path[PATH_MAX + 64];
	int fd, r = 0;

	snprintf(path, sizeof(path), "%s/%s", t->dir, file);
	fd = open(path, O_WRONLY | O_TRUNC);
	if (fd < 0)
		return -errno;
	if (*text && write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

static void trace_write(struct sched_trace *t, const char *file,
			const char *text)
{
	int r = __trace_write(t, file, text);

	TEST_ASSERT(!r, "Writing '%s' to %s/%s: %s", text, t->dir, file,
		    strerror(-r));
}

static void trace_remove(void)
{
	if (!trace_opened)
		return;

	__trace_write(trace_opened, "tracing_on", "0");
	rmdir(trace_opened->dir);
	trace_opened = NULL;
}

struct sched_trace *sched_trace_open(void)
{
	const char *root = trace_root();
	struct sched_trace *t;

	__TEST_REQUIRE(root, "tracefs, and the right to use it, are needed");
	TEST_ASSERT(!trace_opened, "One trace at a time");

	t = calloc(1, sizeof(*t));
	TEST_ASSERT(t, "No memory");
	snprintf(t->dir, sizeof(t->dir), "%s/instances/kvm-selftest-%d", root,
		 getpid());
	__TEST_REQUIRE(!mkdir(t->dir, 0700), "cannot make %s: %s", t->dir,
		       strerror(errno));
	trace_opened = t;
	atexit(trace_remove);

	trace_write(t, "tracing_on", "0");
	trace_write(t, "trace_clock", "x86-tsc");
	trace_write(t, "buffer_size_kb", TRACE_BUFFER_KB);
	trace_write(t, "events/sched/sched_switch/enable", "1");
	trace_write(t, "events/sched/sched_waking/enable", "1");
	return t;
}

void sched_trace_close(struct sched_trace *t)
{
	trace_remove();
	free(t->events);
	free(t);
}

/* "a=1 || b=1 || a=2 ...", for each field and each watched thread. */
static void trace_filter(struct sched_trace *t, const char *event,
			 const char * const *fields)
{
	char file[64], text[2048];
	unsigned int i, n = 0;

	text[0] = '\0';
	for (; *fields; fields++) {
		for (i = 0; i < t->nr_watched; i++)
			n += snprintf(text + n, sizeof(text) - n, "%s%s==%d",
				      n ? "||" : "", *fields, t->watched[i]);
	}
	/* "0" means none. */
	snprintf(file, sizeof(file), "events/sched/%s/filter", event);
	trace_write(t, file, n ? text : "0");
}

static void trace_set_filters(struct sched_trace *t)
{
	static const char * const sw[] = { "prev_pid", "next_pid", NULL };
	static const char * const waking[] = { "pid", NULL };

	trace_filter(t, "sched_switch", sw);
	trace_filter(t, "sched_waking", waking);
}

void sched_trace_watch(struct sched_trace *t, pid_t tid)
{
	TEST_ASSERT(t->nr_watched < TRACE_MAX_WATCHED, "Too many threads");
	t->watched[t->nr_watched++] = tid;
	trace_set_filters(t);
}

void sched_trace_unwatch(struct sched_trace *t, pid_t tid)
{
	unsigned int i, n = 0;

	for (i = 0; i < t->nr_watched; i++) {
		if (t->watched[i] != tid)
			t->watched[n++] = t->watched[i];
	}
	t->nr_watched = n;
	trace_set_filters(t);
}

void sched_trace_start(struct sched_trace *t)
{
	/* Opening it with O_TRUNC empties the buffer. */
	trace_write(t, "trace", "");
	t->nr = 0;
	t->begin = rdtsc();
	t->end = UINT64_MAX;
	trace_write(t, "tracing_on", "1");
}

/* The number after " name=", or @missing. */
static long trace_field(const char *line, const char *name, long missing)
{
	const char *p = strstr(line, name);

	return p ? strtol(p + strlen(name), NULL, 10) : missing;
}

static void trace_name(const char *line, const char *name, char *comm)
{
	const char *p = strstr(line, name);

	if (p)
		sscanf(p + strlen(name), "%15[^=]", comm);
	p = strrchr(comm, ' ');
	if (p)
		comm[p - comm] = '\0';
}

/*
 * comm-pid [cpu] flags timestamp: event: fields.  Names of threads may hold
 * anything, so look for what cannot be in 15 characters.
 */
static bool trace_parse(const char *line, struct sched_trace_event *e)
{
	const char *sw = strstr(line, ": sched_switch: prev_comm=");
	const char *wk = strstr(line, ": sched_waking: comm=");
	const char *p = sw ?: wk;
	const char *cpu, *state;

	if (!p)
		return false;

	memset(e, 0, sizeof(*e));
	for (cpu = p; cpu > line && *cpu != '['; cpu--)
		;
	e->cpu = atoi(cpu + 1);
	while (p > line && p[-1] >= '0' && p[-1] <= '9')
		p--;
	e->ts = strtoull(p, NULL, 10);

	if (wk) {
		e->kind = SCHED_TRACE_WAKING;
		e->next = trace_field(wk, " pid=", -1);
		e->next_prio = trace_field(wk, " prio=", -1);
		return true;
	}

	e->kind = SCHED_TRACE_SWITCH;
	e->prev = trace_field(sw, " prev_pid=", -1);
	e->prev_prio = trace_field(sw, " prev_prio=", -1);
	e->next = trace_field(sw, " next_pid=", -1);
	e->next_prio = trace_field(sw, " next_prio=", -1);
	trace_name(sw, " next_comm=", e->next_comm);
	trace_name(sw, " prev_comm=", e->prev_comm);
	state = strstr(sw, " prev_state=");
	e->prev_state = state ? state[strlen(" prev_state=")] : '?';
	return true;
}

static void trace_add(struct sched_trace *t, const struct sched_trace_event *e)
{
	if (t->nr == t->room) {
		t->room = t->room ? 2 * t->room : 1024;
		t->events = realloc(t->events, t->room * sizeof(*e));
		TEST_ASSERT(t->events, "No memory for the trace");
	}
	t->events[t->nr++] = *e;
}

void sched_trace_stop(struct sched_trace *t)
{
	struct sched_trace_event e;
	char path[PATH_MAX + 64];
	char line[1024];
	FILE *f;

	trace_write(t, "tracing_on", "0");
	t->end = rdtsc();

	snprintf(path, sizeof(path), "%s/trace", t->dir);
	f = fopen(path, "r");
	TEST_ASSERT(f, "Opening %s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		TEST_ASSERT(!strstr(line, "LOST"), "The trace lost events");
		if (line[0] != '#' && trace_parse(line, &e))
			trace_add(t, &e);
	}
	fclose(f);
}

size_t sched_trace_count(const struct sched_trace *t)
{
	return t->nr;
}

void sched_trace_dump(const struct sched_trace *t, size_t max)
{
	const struct sched_trace_event *e;
	size_t i;

	for (i = t->nr > max ? t->nr - max : 0; i < t->nr; i++) {
		e = &t->events[i];
		if (e->kind == SCHED_TRACE_WAKING)
			ksft_print_msg("%lu waking %d prio %d\n",
				       e->ts - t->begin, e->next, e->next_prio);
		else
			ksft_print_msg("%lu %s %d prio %d (%c) -> %s %d prio %d\n",
				       e->ts - t->begin, e->prev_comm, e->prev,
				       e->prev_prio, e->prev_state,
				       e->next_comm, e->next, e->next_prio);
	}
}

static const struct sched_trace_event *
trace_find(const struct sched_trace *t, enum sched_trace_kind kind, pid_t prev,
	   pid_t next, u64 from, u64 to)
{
	const struct sched_trace_event *e;
	size_t i;

	for (i = 0; i < t->nr; i++) {
		e = &t->events[i];
		if (e->kind != kind || e->ts < from || e->ts > to)
			continue;
		if ((prev && e->prev == prev) || (next && e->next == next))
			return e;
	}
	return NULL;
}

const struct sched_trace_event *
sched_trace_in(const struct sched_trace *t, pid_t tid, u64 from,
	       u64 to)
{
	return trace_find(t, SCHED_TRACE_SWITCH, 0, tid, from, to);
}

const struct sched_trace_event *
sched_trace_out(const struct sched_trace *t, pid_t tid, u64 from,
		u64 to)
{
	return trace_find(t, SCHED_TRACE_SWITCH, tid, 0, from, to);
}

const struct sched_trace_event *
sched_trace_waking(const struct sched_trace *t, pid_t tid, u64 from,
		   u64 to)
{
	return trace_find(t, SCHED_TRACE_WAKING, 0, tid, from, to);
}

static void trace_see(struct sched_trace_prios *p, int prio)
{
	if (!p->samples++) {
		p->highest = prio;
		p->lowest = prio;
	}
	if (prio < p->highest)
		p->highest = prio;
	if (prio > p->lowest)
		p->lowest = prio;
}

struct sched_trace_prios
sched_trace_prios(const struct sched_trace *t, pid_t tid, u64 from,
		  u64 to)
{
	struct sched_trace_prios p = {};
	const struct sched_trace_event *e;
	size_t i;

	for (i = 0; i < t->nr; i++) {
		e = &t->events[i];
		if (e->kind != SCHED_TRACE_SWITCH || e->ts < from || e->ts > to)
			continue;
		if (e->prev == tid)
			trace_see(&p, e->prev_prio);
		if (e->next == tid)
			trace_see(&p, e->next_prio);
	}
	return p;
}

/* A stretch that the thread spent on a CPU. */
struct trace_stretch {
	u64 begin;
	u64 end;
	int prio;
};

/*
 * The next stretch that ends after event *@pos.  The first one may have begun
 * before the trace, the last one may end after it.
 */
static bool trace_stretch(const struct sched_trace *t, pid_t tid, size_t *pos,
			  struct trace_stretch *s)
{
	const struct sched_trace_event *e;
	bool in = *pos == 0;

	s->begin = t->begin;
	s->prio = INT_MAX;
	for (; *pos < t->nr; ++*pos) {
		e = &t->events[*pos];
		if (e->kind != SCHED_TRACE_SWITCH)
			continue;
		if (e->prev == tid && in) {
			s->end = e->ts;
			s->prio = min(s->prio, e->prev_prio);
			++*pos;
			return true;
		}
		if (e->next == tid) {
			in = true;
			s->begin = e->ts;
			s->prio = e->next_prio;
		}
	}
	s->end = t->end;
	return in && s->prio != INT_MAX;
}

u64 sched_trace_ran(const struct sched_trace *t, pid_t tid, u64 from, u64 to,
		    int below)
{
	struct trace_stretch s;
	u64 sum = 0;
	size_t pos = 0;
	bool more;

	do {
		more = trace_stretch(t, tid, &pos, &s);
		if (!more || s.prio >= below || s.end <= from || s.begin >= to)
			continue;
		sum += min(s.end, to) - max(s.begin, from);
	} while (more && pos < t->nr);

	return sum;
}

static int trace_compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

size_t sched_trace_windows(const struct sched_trace *t, pid_t tid, u64 from,
			   u64 to, int below, u64 window, u64 *ran, size_t max)
{
	struct trace_stretch s;
	size_t pos = 0, n = 0;

	while (n < max && pos < t->nr && trace_stretch(t, tid, &pos, &s)) {
		if (s.end < from + window || s.end > to || s.prio >= below)
			continue;
		ran[n++] = sched_trace_ran(t, tid, s.end - window, s.end,
					   below);
	}
	qsort(ran, n, sizeof(*ran), trace_compare);
	return n;
}
