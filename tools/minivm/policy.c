// SPDX-License-Identifier: GPL-2.0-only
/* Scheduling attributes of a thread, spelt as chrt does: fifo:40, other:5. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "minivm.h"

/* glibc has no wrapper for the call yet; the layout is the kernel's. */
struct attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t prio;
	uint64_t runtime, deadline, period;
};

static const struct {
	const char *name;
	int policy;
} names[] = {
	{ "other", SCHED_OTHER }, { "normal", SCHED_OTHER },
	{ "fifo", SCHED_FIFO }, { "rr", SCHED_RR },
	{ "batch", SCHED_BATCH }, { "idle", SCHED_IDLE },
	{ "deadline", 6 },
};

#define NR_NAMES (sizeof(names) / sizeof(names[0]))

static bool is_rt(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

const char *policy_name(int policy)
{
	size_t i;

	for (i = 0; i < NR_NAMES; i++)
		if (names[i].policy == policy)
			return names[i].name;
	return "unknown";
}

int policy_number(const char *name)
{
	size_t i;

	for (i = 0; i < NR_NAMES; i++)
		if (!strcmp(names[i].name, name))
			return names[i].policy;
	return -1;
}

void policy_parse(const char *s, struct policy *p)
{
	const char *colon = strchr(s, ':');
	char name[16] = "";
	size_t len = colon ? (size_t)(colon - s) : strlen(s);

	if (len < sizeof(name))
		memcpy(name, s, len);
	memset(p, 0, sizeof(*p));
	p->policy = policy_number(name);
	if (p->policy < 0 || p->policy == 6)
		fail(EX_USAGE_, 0, NULL,
		     "scheduling '%s': the policy is one of fifo, rr, other, batch, idle (as in fifo:40)",
		     s);
	if (is_rt(p->policy)) {
		if (!colon)
			fail(EX_USAGE_, 0, NULL,
			     "scheduling '%s': give a priority, %s:1 to %s:99",
			     s, name, name);
		p->prio = parse_range("real-time priority", colon + 1, 1, 99);
	} else if (colon) {
		p->nice = parse_range("nice value", colon + 1, -20, 19);
	}
}

int policy_set(pid_t tid, const struct policy *p)
{
	struct attr attr = {
		.size = sizeof(attr), .policy = p->policy,
		.prio = p->prio, .nice = p->nice,
	};

	return syscall(SYS_sched_setattr, tid, &attr, 0);
}

int policy_get(pid_t tid, struct policy *p)
{
	struct attr attr = { .size = sizeof(attr) };

	if (syscall(SYS_sched_getattr, tid, &attr, sizeof(attr), 0))
		return -1;
	p->policy = attr.policy;
	p->prio = attr.prio;
	p->nice = attr.nice;
	return 0;
}

/* Real time is above all else, and idle below. */
static int rank(const struct policy *p)
{
	if (p->policy == SCHED_IDLE)
		return 0;
	return is_rt(p->policy) ? 100 + p->prio :
	       p->policy == SCHED_OTHER || p->policy == SCHED_BATCH ?
	       20 - p->nice : 1000;
}

bool policy_is_below(const struct policy *p, const struct policy *than)
{
	return p->policy == SCHED_IDLE || rank(p) < rank(than);
}

struct policy policy_below(const struct policy *p)
{
	struct policy below = { .policy = SCHED_OTHER, .nice = 5 };

	if (rank(p) > 20 - below.nice)
		return below;
	below.nice = p->nice + 5 > 19 ? 19 : p->nice + 5;
	if (!policy_is_below(&below, p))
		below = (struct policy) { .policy = SCHED_IDLE };
	return below;
}

const char *policy_remedy(const struct policy *p, int err)
{
	if (err == ESRCH)
		return "the VM has ended";
	if (err != EPERM)
		return NULL;
	if (is_rt(p->policy))
		return "run as root or with CAP_SYS_NICE, or raise RLIMIT_RTPRIO (ulimit -r PRIO); a kernel with RT_GROUP_SCHED also wants real-time runtime for the cgroup";
	return "run as root or with CAP_SYS_NICE, or raise RLIMIT_NICE (ulimit -e)";
}
