// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: budgets.
 *
 * Pure arithmetic, O(1) in each call but for the chunks of one period, so that
 * it may run under a raw lock with interrupts off.  Times are in nanoseconds
 * of one monotonic clock.  The caller serializes.
 */
#include <linux/minmax.h>
#include <linux/string.h>

#include "pv_sched_budget.h"

void pv_sched_budget_init(struct pv_sched_budget *b, u64 limit, u64 period)
{
	memset(b, 0, sizeof(*b));
	b->limit = limit;
	b->period = period;
}

static struct pv_sched_chunk *pv_sched_budget_newest(struct pv_sched_budget *b)
{
	return &b->chunks[(b->head + b->nr - 1) % PV_SCHED_BUDGET_CHUNKS];
}

/*
 * Give back what was used a period ago.  An empty budget can be used again
 * only when a quarter of it is there, lest a vCPU is raised and cut in turn
 * for crumbs.
 */
void pv_sched_budget_refill(struct pv_sched_budget *b, u64 now)
{
	while (b->nr && b->chunks[b->head].end + b->period <= now) {
		b->used -= b->chunks[b->head].used;
		b->head = (b->head + 1) % PV_SCHED_BUDGET_CHUNKS;
		b->nr--;
	}

	if (b->empty && pv_sched_budget_left(b) >= b->limit / 4)
		b->empty = false;
}

/*
 * Charge @ns of use that ended at @now.  Return true if that emptied the
 * budget.  A chunk comes back as a whole, when its last part is due: adding to
 * the newest one errs on the side of the host.
 */
bool pv_sched_budget_charge(struct pv_sched_budget *b, u64 now, u64 ns)
{
	struct pv_sched_chunk *c = NULL;

	pv_sched_budget_refill(b, now);
	if (!ns)
		return false;

	if (b->nr) {
		c = pv_sched_budget_newest(b);
		if (now - c->begin >= b->period / PV_SCHED_BUDGET_PARTS &&
		    b->nr < PV_SCHED_BUDGET_CHUNKS)
			c = NULL;
	}

	if (!c) {
		b->nr++;
		c = pv_sched_budget_newest(b);
		c->begin = now - min(ns, now);
		c->used = 0;
	}

	c->end = now;
	c->used += ns;
	b->used += ns;

	if (b->empty || pv_sched_budget_left(b))
		return false;

	b->empty = true;
	return true;
}

/* When does the next part come back?  All ones if nothing was used. */
u64 pv_sched_budget_next(const struct pv_sched_budget *b)
{
	return b->nr ? b->chunks[b->head].end + b->period : ~0ULL;
}
