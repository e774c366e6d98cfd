/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A budget of CPU time over a sliding window: what is used comes back one
 * period after its use, so that no window of that length holds more than the
 * limit, wherever it begins.
 */
#ifndef __KVM_PV_SCHED_BUDGET_H
#define __KVM_PV_SCHED_BUDGET_H

#include <linux/types.h>

/* A use is remembered with the precision of one eighth of the period. */
#define PV_SCHED_BUDGET_PARTS	8
#define PV_SCHED_BUDGET_CHUNKS	(PV_SCHED_BUDGET_PARTS + 2)

struct pv_sched_chunk {
	u64 begin;
	u64 end;
	u64 used;
};

struct pv_sched_budget {
	u64 limit;
	u64 period;
	u64 used;
	bool empty;
	unsigned int head;
	unsigned int nr;
	struct pv_sched_chunk chunks[PV_SCHED_BUDGET_CHUNKS];
};

void pv_sched_budget_init(struct pv_sched_budget *b, u64 limit, u64 period);
bool pv_sched_budget_charge(struct pv_sched_budget *b, u64 now, u64 ns);
void pv_sched_budget_refill(struct pv_sched_budget *b, u64 now);
u64 pv_sched_budget_next(const struct pv_sched_budget *b);

static inline u64 pv_sched_budget_left(const struct pv_sched_budget *b)
{
	return b->used < b->limit ? b->limit - b->used : 0;
}

#endif /* __KVM_PV_SCHED_BUDGET_H */
