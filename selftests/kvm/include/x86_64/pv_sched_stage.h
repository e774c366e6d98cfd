/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stage for an interrupt: a vCPU in a state in which it may be met, a
 * thread of a middle priority that keeps the CPU from it, and an event.  The
 * scheduler's tracepoints say whether the vCPU's thread ran at p_max from the
 * event until the guest said done, and not after.
 */
#ifndef SELFTEST_KVM_PV_SCHED_STAGE_H
#define SELFTEST_KVM_PV_SCHED_STAGE_H

#include "kselftest.h"
#include "pv_sched_script.h"

/* Between an ordinary vCPU thread and p_max. */
#define STAGE_P_MIDDLE	20
/* The vCPU that sends IPIs gets the CPU from whom it boosts. */
#define STAGE_P_SENDER	60

enum stage_state {
	STAGE_RUNNING,		/* in the guest, nobody else wants the CPU */
	STAGE_PREEMPTED,	/* in the guest, but not on the CPU */
	STAGE_HALTED,
	STAGE_BLOCKED,		/* asleep in the host on a missing page */
	STAGE_USER,		/* in the VMM, preempted */
	STAGE_SELF,		/* in the VMM, and does it itself */
	STAGE_STATES,
};

extern const char * const stage_names[STAGE_STATES];

/* Not those that make sense for some only. */
#define STAGE_ALL	(BIT(STAGE_SELF) - 1)

enum stage_result {
	STAGE_PASS,
	STAGE_FAIL,
	STAGE_SKIP,
	STAGE_TOO_EARLY,	/* the timer came before the stage was set */
	STAGE_STALLED,		/* the whole machine did nothing for a while */
	STAGE_TOO_LATE,		/* the thread did not use its millisecond */
};

struct stage;

/* One way in which an interrupt reaches a vCPU. */
struct stage_path {
	const char *name;
	enum script_irqchip irqchip;
	unsigned int states;
	u64 vector;
	bool nmi;

	/* What the guest does first, and first in its handler. */
	u64 arm;
	u64 ack[4];
	/* The guest, or the host by @program, set a timer. */
	bool timer;

	/* Once, and before each try.  Return false if the host cannot. */
	bool (*prepare)(struct stage *st);
	void (*program)(struct stage *st);
	/* The event, unless it is a timer's. */
	void (*fire)(struct stage *st);
};

struct stage {
	const struct stage_path *path;
	struct script_vm vm;
	struct sched_trace *trace;
	struct sched_load middle;
	u64 delay_ns;
	u64 event;
	u64 filled;		/* when the missing page came */
	u64 middle_stopped;
	bool late;
	int fd;
};

void stage_create(struct stage *st);
void stage_destroy(struct stage *st);

bool stage_begin(struct stage *st, const struct stage_path *path);
void stage_end(struct stage *st);
enum stage_result stage_case(struct stage *st, enum stage_state state);

/* Each path in each of its states is one result. */
static inline unsigned int stage_results(const struct stage_path *paths,
					 unsigned int nr)
{
	unsigned int i, n = 0;

	for (i = 0; i < nr; i++)
		n += __builtin_popcount(paths[i].states);
	return n;
}

/* Inline, as each file that includes kselftest.h counts for itself. */
static inline void stage_run(struct stage *st, const struct stage_path *path)
{
	bool able = stage_begin(st, path);
	enum stage_result result;
	enum stage_state state;

	for (state = 0; state < STAGE_STATES; state++) {
		if (!(path->states & BIT(state)))
			continue;
		result = able ? stage_case(st, state) : STAGE_SKIP;
		if (result == STAGE_SKIP)
			ksft_test_result_skip("%s, %s: not on this host\n",
					      path->name, stage_names[state]);
		else
			ksft_test_result(result == STAGE_PASS, "%s, %s\n",
					 path->name, stage_names[state]);
	}
	stage_end(st);
}

static inline struct script_vcpu *stage_vcpu(struct stage *st)
{
	return &st->vm.vcpus[0];
}

/* Have the second vCPU do that, and wait until it did. */
void stage_send(struct stage *st, u64 op);

#endif /* SELFTEST_KVM_PV_SCHED_STAGE_H */
