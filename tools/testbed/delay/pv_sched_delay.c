// SPDX-License-Identifier: GPL-2.0
/*
 * Test bed only: wait at each step of raising and lowering a vCPU's thread.
 *
 * The windows in which an event can cross another one are a few instructions
 * wide.  Probes at the functions that make up the steps wait a pseudo-random
 * time in there, so that other CPUs, and interrupts where they are enabled,
 * get in between.  A step is the name of a function, for its entry, or
 * NAME%return, for its end.
 *
 * What the compiler inlined cannot be probed; the parameter report tells that,
 * and how often each of the others was met.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/sysfs.h>

#define DELAY_MAX_STEPS	64
#define DELAY_MAX_US	1000
#define DELAY_RETURN	"%return"

static char *steps[DELAY_MAX_STEPS] = {
	/* Events and what becomes of them. */
	"__kvm_pv_sched_event",
	"__kvm_x86_pv_sched_injected",
	"kvm_arch_pv_sched_pending",
	"kvm_arch_pv_sched_pending%return",
	"kvm_pv_sched_done",
	"kvm_pv_sched_set",
	"__kvm_pv_sched_lend",
	/* Where the thread is. */
	"__kvm_pv_sched_enter",
	"__kvm_pv_sched_leave",
	"__kvm_pv_sched_in",
	"__kvm_pv_sched_out",
	"__kvm_pv_sched_block",
	"__kvm_pv_sched_unblock",
	"__kvm_pv_sched_sync",
	"kvm_arch_pv_sched_preempted",
	/* What it wants, and having it. */
	"pv_sched_apply",
	"pv_sched_try_apply",
	"__pv_sched_apply",
	"pv_sched_learn",
	"pv_sched_want",
	"pv_sched_want%return",
	"pv_sched_set_attr",
	"pv_sched_set_attr%return",
	"sched_setattr_nocheck",
	"sched_setattr_nocheck%return",
	"pv_sched_acct_level",
	"pv_sched_acct_charge",
	"pv_sched_timer",
	/* Having somebody else do it. */
	"pv_sched_raise",
	"pv_sched_queue",
	"pv_sched_irq_work",
	"pv_sched_booster_add",
	"pv_sched_booster_fn",
	"pv_sched_booster_do",
	"pv_sched_booster_park",
	/* Threads come and go. */
	"pv_sched_attach",
	"pv_sched_detach",
	"pv_sched_task_get",
	"pv_sched_task_put",
};
static unsigned int nr_given;
module_param_array(steps, charp, &nr_given, 0444);
MODULE_PARM_DESC(steps, "where to wait, instead of the usual places");

static unsigned int max_us = 50;
module_param(max_us, uint, 0644);
MODULE_PARM_DESC(max_us, "longest wait, at most 1000; zero for none");

static unsigned int one_in = 2;
module_param(one_in, uint, 0644);
MODULE_PARM_DESC(one_in, "wait once in so many times, on average");

static unsigned long long seed = 1;
module_param(seed, ullong, 0444);
MODULE_PARM_DESC(seed, "of the pseudo-random times");

struct delay_step {
	char name[KSYM_NAME_LEN];
	struct kprobe kp;
	struct kretprobe rp;
	bool at_return;
	int error;
	unsigned long __percpu *met;
};

static struct delay_step *delay_steps;
static unsigned int delay_nr;
static DEFINE_PER_CPU(struct rnd_state, delay_rnd);

/*
 * Preemption is off here.  An interrupt that uses the CPU's random state at
 * the same time makes the numbers no worse.
 */
static void delay_wait(struct delay_step *s)
{
	struct rnd_state *rnd = this_cpu_ptr(&delay_rnd);
	unsigned int us = min(READ_ONCE(max_us), DELAY_MAX_US);
	unsigned int n = max(READ_ONCE(one_in), 1U);
	u64 until;

	this_cpu_inc(*s->met);
	if (!us || prandom_u32_state(rnd) % n)
		return;

	until = ktime_get_mono_fast_ns() +
		prandom_u32_state(rnd) % (us * NSEC_PER_USEC);
	while (ktime_get_mono_fast_ns() < until)
		cpu_relax();
}
NOKPROBE_SYMBOL(delay_wait);

static int delay_entry(struct kprobe *kp, struct pt_regs *regs)
{
	delay_wait(container_of(kp, struct delay_step, kp));
	return 0;
}
NOKPROBE_SYMBOL(delay_entry);

static int delay_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct kretprobe *rp = get_kretprobe(ri);

	if (rp)
		delay_wait(container_of(rp, struct delay_step, rp));
	return 0;
}
NOKPROBE_SYMBOL(delay_return);

static void delay_place(struct delay_step *s, const char *step)
{
	char *end;

	strscpy(s->name, step);
	end = strstr(s->name, DELAY_RETURN);
	if (end) {
		*end = '\0';
		s->at_return = true;
		s->rp.kp.symbol_name = s->name;
		s->rp.handler = delay_return;
		s->rp.maxactive = 64;
		s->error = register_kretprobe(&s->rp);
	} else {
		s->kp.symbol_name = s->name;
		s->kp.pre_handler = delay_entry;
		s->error = register_kprobe(&s->kp);
	}
	if (s->error)
		pr_warn("no function %s to wait in (inlined?): %d\n", s->name,
			s->error);
}

static void delay_remove(struct delay_step *s)
{
	if (!s->met)
		return;
	if (!s->error && s->at_return)
		unregister_kretprobe(&s->rp);
	else if (!s->error)
		unregister_kprobe(&s->kp);
	free_percpu(s->met);
}

static unsigned long delay_met(struct delay_step *s)
{
	unsigned long n = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		n += *per_cpu_ptr(s->met, cpu);
	return n;
}

static int delay_report(char *buffer, const struct kernel_param *kp)
{
	struct delay_step *s;
	unsigned int i;
	int len = 0;

	for (i = 0; i < delay_nr; i++) {
		s = &delay_steps[i];
		if (s->error)
			len += sysfs_emit_at(buffer, len, "%s%s: none (%d)\n",
					     s->name,
					     s->at_return ? DELAY_RETURN : "",
					     s->error);
		else
			len += sysfs_emit_at(buffer, len, "%s%s: %lu\n",
					     s->name,
					     s->at_return ? DELAY_RETURN : "",
					     delay_met(s));
	}
	return len;
}

static const struct kernel_param_ops delay_report_ops = {
	.get = delay_report,
};
module_param_cb(report, &delay_report_ops, NULL, 0444);
MODULE_PARM_DESC(report, "each step, and how often it was met");

static void delay_remove_all(void)
{
	unsigned int i;

	for (i = 0; i < delay_nr; i++)
		delay_remove(&delay_steps[i]);
	kfree(delay_steps);
}

static int __init delay_init(void)
{
	unsigned int i, placed = 0, nr = nr_given ?: DELAY_MAX_STEPS;
	struct delay_step *s;
	int cpu;

	for_each_possible_cpu(cpu)
		prandom_seed_state(per_cpu_ptr(&delay_rnd, cpu), seed + cpu);

	delay_steps = kcalloc(DELAY_MAX_STEPS, sizeof(*delay_steps),
			      GFP_KERNEL);
	if (!delay_steps)
		return -ENOMEM;

	for (i = 0; i < nr && steps[i]; i++) {
		s = &delay_steps[i];
		s->met = alloc_percpu(unsigned long);
		if (!s->met) {
			delay_remove_all();
			return -ENOMEM;
		}
		delay_nr = i + 1;
		delay_place(s, steps[i]);
		placed += !s->error;
	}
	if (!placed) {
		pr_err("no step to wait at; load kvm first\n");
		delay_remove_all();
		return -ENOENT;
	}
	return 0;
}

static void __exit delay_exit(void)
{
	delay_remove_all();
}

module_init(delay_init);
module_exit(delay_exit);
MODULE_DESCRIPTION("Waits in the steps of paravirtualized vCPU scheduling");
MODULE_LICENSE("GPL");
