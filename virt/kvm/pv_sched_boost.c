// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: boosters.
 *
 * The scheduler changes a task's attributes only in task context.  Where an
 * event comes in hard interrupt context, or under the run queue's lock, a
 * thread of the host CPU on which the vCPU's thread is queued does it.
 *
 * A booster is above every thread that it raises, by one: host tasks above all
 * VMs' p_max do not pay for guests that they outrank.  It does not go lower for
 * a VM with a lower p_max, or a host task between the two would hold up what is
 * queued behind for another VM.  Its time is on the account of the host CPU.
 */
#include <linux/cpu.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/smpboot.h>
#include <uapi/linux/sched/types.h>

#include "pv_sched.h"

/* What one run does before it lets others of the same priority go first. */
#define PV_SCHED_BATCH	8

struct pv_sched_booster {
	struct llist_head work;
	/* Taken off work, in order; only the thread looks here. */
	struct llist_node *todo;
	bool parked;
};

static DEFINE_PER_CPU(struct pv_sched_booster, pv_sched_boosters);
static DEFINE_PER_CPU(struct task_struct *, pv_sched_booster_task);

/* Who uses the boosters, by p_max; under pv_sched_booster_lock. */
static DEFINE_MUTEX(pv_sched_booster_lock);
static unsigned int pv_sched_users[MAX_RT_PRIO];
static bool pv_sched_booster_registered;

/* The priority of the boosters: one above the highest p_max in use. */
static u32 pv_sched_priority = 1;

static void pv_sched_booster_set(struct task_struct *task, u32 priority)
{
	struct sched_attr attr = {
		.size		= sizeof(attr),
		.sched_policy	= SCHED_FIFO,
		.sched_priority	= priority,
	};

	if (READ_ONCE(task->rt_priority) != priority)
		sched_setattr_nocheck(task, &attr);
}

/* The booster of @cpu, or another CPU's if it is parked. */
static struct pv_sched_booster *pv_sched_booster_of(int *cpu)
{
	struct pv_sched_booster *b = per_cpu_ptr(&pv_sched_boosters, *cpu);
	int other;

	if (!READ_ONCE(b->parked))
		return b;

	for_each_online_cpu(other) {
		b = per_cpu_ptr(&pv_sched_boosters, other);
		if (READ_ONCE(b->parked))
			continue;
		*cpu = other;
		return b;
	}
	return per_cpu_ptr(&pv_sched_boosters, *cpu);
}

/* Hand a list of nodes to the booster of @cpu, or to one that is there. */
static void pv_sched_booster_add(struct llist_node *list, int cpu)
{
	struct pv_sched_booster *b;
	struct llist_node *last;

	while (list) {
		for (last = list; last->next; last = last->next)
			;

		b = pv_sched_booster_of(&cpu);
		llist_add_batch(list, last, &b->work);
		/*
		 * Look again after adding: the CPU may go down, and its thread
		 * park, in between.  Pairs with the barrier in
		 * pv_sched_booster_park().
		 */
		smp_mb();
		if (likely(!READ_ONCE(b->parked))) {
			wake_up_process(per_cpu(pv_sched_booster_task, cpu));
			return;
		}
		/* All are parked only until the first one is set up. */
		if (pv_sched_booster_of(&cpu) == b)
			return;
		list = llist_del_all(&b->work);
	}
}

/*
 * Have the thread's attributes looked at, soon and whatever the context is.
 * Coalesced: once is enough for all changes until the booster looks.
 */
void pv_sched_queue(struct pv_sched_task *ts)
{
	if (test_and_set_bit(0, &ts->queued))
		return;
	if (!refcount_inc_not_zero(&ts->refs))
		return;

	ts->node.next = NULL;
	pv_sched_booster_add(&ts->node, task_cpu(ts->task));
}

static void pv_sched_booster_do(struct llist_node *node)
{
	struct pv_sched_task *ts = llist_entry(node, struct pv_sched_task,
					       node);
	u64 begin = ktime_get_mono_fast_ns();

	clear_bit(0, &ts->queued);
	/* What comes from here on is queued anew; see what came before. */
	smp_mb__after_atomic();
	pv_sched_apply(ts);
	if (READ_ONCE(ts->held))
		pv_sched_release(ts);
	pv_sched_task_put(ts);
	/* Whoever makes events at a high rate makes work here. */
	pv_sched_acct_cpu(begin);
}

static int pv_sched_booster_should_run(unsigned int cpu)
{
	struct pv_sched_booster *b = this_cpu_ptr(&pv_sched_boosters);

	return b->todo || !llist_empty(&b->work);
}

static void pv_sched_booster_fn(unsigned int cpu)
{
	struct pv_sched_booster *b = this_cpu_ptr(&pv_sched_boosters);
	struct llist_node *node;
	int n;

	if (!b->todo)
		b->todo = llist_reverse_order(llist_del_all(&b->work));

	for (n = 0; b->todo && n < PV_SCHED_BATCH; n++) {
		node = b->todo;
		b->todo = node->next;
		pv_sched_booster_do(node);
	}

	if (pv_sched_booster_should_run(cpu))
		yield();
}

static void pv_sched_booster_unpark(unsigned int cpu)
{
	struct pv_sched_booster *b = per_cpu_ptr(&pv_sched_boosters, cpu);
	u32 priority;

	/* A VM may come or go meanwhile, and has set the ones it saw. */
	do {
		priority = READ_ONCE(pv_sched_priority);
		pv_sched_booster_set(current, priority);
	} while (priority != READ_ONCE(pv_sched_priority));

	WRITE_ONCE(b->parked, false);
}

/* The CPU goes down: another one's thread does what is left. */
static void pv_sched_booster_park(unsigned int cpu)
{
	struct pv_sched_booster *b = per_cpu_ptr(&pv_sched_boosters, cpu);
	struct llist_node *todo = b->todo;

	WRITE_ONCE(b->parked, true);
	/* Pairs with the barrier in pv_sched_booster_add(). */
	smp_mb();

	b->todo = NULL;
	pv_sched_booster_add(todo, cpu);
	pv_sched_booster_add(llist_del_all(&b->work), cpu);
}

static void pv_sched_booster_do_all(struct llist_node *node)
{
	struct llist_node *next;

	for (; node; node = next) {
		next = node->next;
		pv_sched_booster_do(node);
	}
}

/* The module goes: no VM is left, and nothing comes after this. */
static void pv_sched_booster_cleanup(unsigned int cpu, bool online)
{
	struct pv_sched_booster *b = per_cpu_ptr(&pv_sched_boosters, cpu);

	WRITE_ONCE(b->parked, true);
	pv_sched_booster_do_all(b->todo);
	b->todo = NULL;
	pv_sched_booster_do_all(llist_del_all(&b->work));
}

static struct smp_hotplug_thread pv_sched_threads = {
	.store			= &pv_sched_booster_task,
	.thread_should_run	= pv_sched_booster_should_run,
	.thread_fn		= pv_sched_booster_fn,
	.setup			= pv_sched_booster_unpark,
	.cleanup		= pv_sched_booster_cleanup,
	.park			= pv_sched_booster_park,
	.unpark			= pv_sched_booster_unpark,
	.thread_comm		= "kvm-pvsched/%u",
};

static int pv_sched_booster_register(void)
{
	int cpu, r;

	lockdep_assert_held(&pv_sched_booster_lock);

	if (pv_sched_booster_registered)
		return 0;

	for_each_possible_cpu(cpu)
		per_cpu_ptr(&pv_sched_boosters, cpu)->parked = true;

	r = smpboot_register_percpu_thread(&pv_sched_threads);
	pv_sched_booster_registered = !r;
	return r;
}

/* Have all boosters run at one above the highest p_max in use. */
static void pv_sched_booster_update(void)
{
	struct task_struct *task;
	u32 priority;
	int cpu;

	lockdep_assert_held(&pv_sched_booster_lock);

	for (priority = MAX_RT_PRIO - 1; priority > 1; priority--) {
		if (pv_sched_users[priority - 1])
			break;
	}
	/* What was lent for a VM may have to be taken back after it is gone. */
	if (pv_sched_tasks_left())
		priority = max(priority, pv_sched_priority);
	WRITE_ONCE(pv_sched_priority, priority);

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		task = per_cpu(pv_sched_booster_task, cpu);
		if (task)
			pv_sched_booster_set(task, priority);
	}
	cpus_read_unlock();
}

int pv_sched_booster_get(u32 p_max)
{
	int r;

	mutex_lock(&pv_sched_booster_lock);
	r = pv_sched_booster_register();
	if (!r) {
		pv_sched_users[p_max]++;
		pv_sched_booster_update();
	}
	mutex_unlock(&pv_sched_booster_lock);

	return r;
}

void pv_sched_booster_put(u32 p_max)
{
	mutex_lock(&pv_sched_booster_lock);
	pv_sched_users[p_max]--;
	pv_sched_booster_update();
	mutex_unlock(&pv_sched_booster_lock);
}

static void pv_sched_booster_relax_fn(struct work_struct *work)
{
	mutex_lock(&pv_sched_booster_lock);
	if (pv_sched_booster_registered)
		pv_sched_booster_update();
	mutex_unlock(&pv_sched_booster_lock);
}

static DECLARE_WORK(pv_sched_booster_work, pv_sched_booster_relax_fn);

/* No thread is watched any more. */
void pv_sched_booster_relax(void)
{
	schedule_work(&pv_sched_booster_work);
}

void pv_sched_booster_exit(void)
{
	cancel_work_sync(&pv_sched_booster_work);
	if (!pv_sched_booster_registered)
		return;

	smpboot_unregister_percpu_thread(&pv_sched_threads);
	/* The vendor module may come back. */
	pv_sched_booster_registered = false;
}
