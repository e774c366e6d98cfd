// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: guests that lie are held by their budgets,
 * and guests that do not are never cut.
 *
 * Time above the own priority is what sched_switch says.  An emulated machine
 * may stand still while a thread is on the CPU, so one window may be too long;
 * half of them may not.
 */
#include "kselftest.h"
#include "pv_sched_script.h"
#include "test_util.h"

#define MS		1000000ULL
#define P_MIDDLE	20
#define P_HIGH		60
#define MAX_WINDOWS	4096
#define FLOODS		10000
#define HALTS		100
#define TRIES		8

/* What the scheduler and a tick may add to a budget. */
#define TOLERANCE_NS	(2 * MS)

#define EOI	OP(EOI, 0)
#define DONE	OP(DONE, KVM_PV_SCHED_IRQ)
#define SELF_A	OP(ICR, SCRIPT_SELF(SCRIPT_VECTOR_A))
#define SPIN	OP(POINT, 0)
#define BOOST	OP(POINT, SCRIPT_BOOST)
#define FIFO(n)	OP(SET, SCRIPT_PARAMS(SCHED_FIFO, n, 0))

static struct sched_trace *trace;
static struct sched_load middle, high, other;
static u64 floods = FLOODS;

/* Of a part of the trace. */
struct share {
	u64 begin;
	u64 end;
};

static struct kvm_pv_sched bounds(u64 boost, u64 boost_period,
				  u64 rt, u64 rt_period)
{
	struct kvm_pv_sched cfg = script_bounds();

	cfg.boost_budget_ns = boost * MS;
	cfg.boost_period_ns = boost_period * MS;
	cfg.rt_budget_ns = rt * MS;
	cfg.rt_period_ns = rt_period * MS;
	return cfg;
}

static void begin(struct script_vm *s, struct kvm_pv_sched *cfg,
		  unsigned int nr)
{
	script_vm_create(s, SCRIPT_IRQCHIP_KERNEL, nr, cfg);
	script_vm_start(s, trace);
}

/* Look at who runs for so long, with few samples. */
static struct share observe(u64 ms)
{
	u64 until = sched_load_now_ms() + ms;
	struct share s = { .begin = rdtsc() };

	while (sched_load_now_ms() < until)
		sched_load_sleep(4 * MS);
	s.end = rdtsc();
	return s;
}

/* Percent of the time that the thread had at a priority above that. */
static unsigned int percent(pid_t tid, const struct share *s, int below)
{
	return 100 * sched_trace_ran(trace, tid, s->begin, s->end, below) /
	       (s->end - s->begin);
}

/* Was the thread raised for the budget in each period, and not longer? */
static bool held(pid_t tid, const struct share *s, u64 budget,
		 u64 period)
{
	static u64 ran[MAX_WINDOWS];
	unsigned int allowed = 100 * budget / period;
	unsigned int total = percent(tid, s, SCRIPT_OWN);
	u64 half;
	size_t n;

	n = sched_trace_windows(trace, tid, s->begin, s->end, SCRIPT_OWN,
				script_ns_to_tsc(period * MS), ran,
				ARRAY_SIZE(ran));
	half = n ? script_tsc_to_us(ran[n / 2]) : 0;
	ksft_print_msg("raised: %u%% of the time, median %lu us, budget %lu ms in %lu\n",
		       total, half, budget, period);

	/* It comes back, too. */
	return half <= budget * 1000 + TOLERANCE_NS / 1000 &&
	       total <= allowed + allowed / 2 && total >= allowed / 2;
}

static bool finish(struct script_vcpu *v)
{
	script_release(v);
	return script_drive(v) && script_restored(v);
}

static void result(bool ok, const char *name)
{
	if (!ok)
		sched_trace_dump(trace, 32);
	ksft_test_result(ok, "%s\n", name);
}

static bool got_ready(struct script_vcpu *v)
{
	return SCHED_LOAD_POLL(READ_ONCE(v->st->ready), SCRIPT_TIMEOUT_MS);
}

/* The guest spins at p_max for as long as it is allowed to. */
static void test_held(const char *name, struct kvm_pv_sched cfg, bool boost,
		      bool fifo, u64 budget, u64 period)
{
	struct script_vcpu *v;
	struct script_vm s;
	struct share share;
	bool ok;

	begin(&s, &cfg, 1);
	v = &s.vcpus[0];
	SCRIPT(v->st->main, fifo ? FIFO(99) : OP(CLI, 0),
	       boost ? SELF_A : OP(CLI, 0), OP(STI, 0), OP(READY, 0), SPIN);
	SCRIPT(v->st->a, EOI);

	sched_trace_start(trace);
	script_go(v);
	ok = got_ready(v);
	sched_load_start(&middle);
	share = observe(8 * period);
	sched_load_stop(&middle);
	sched_trace_stop(trace);

	ok &= held(v->tid, &share, budget, period);
	ksft_print_msg("the middle one ran %u%% of the time\n",
		       percent(middle.tid, &share, SCHED_TRACE_ANY));
	ok &= percent(middle.tid, &share, SCHED_TRACE_ANY) +
	      150 * budget / period >= 90;
	ok &= finish(v);
	result(ok, name);
	script_vm_destroy(&s);
}

/*
 * Boosts that end and begin again do not make a new budget.  What runs after
 * done needs the CPU to send the next interrupt, so compete with an ordinary
 * task, and measure what that one gets.
 */
static void test_loop(void)
{
	struct kvm_pv_sched cfg = bounds(10, 50, 90, 100);
	struct script_vcpu *v;
	struct script_vm s;
	struct share share;
	unsigned int got;
	bool ok;

	begin(&s, &cfg, 1);
	v = &s.vcpus[0];
	SCRIPT(v->st->main, OP(READY, 0), SELF_A, OP(STI, 0), OP(CLI, 0),
	       OP(REPEAT, 0));
	SCRIPT(v->st->a, EOI, OP(BUSY, 100000), DONE);

	sched_trace_start(trace);
	script_go(v);
	ok = got_ready(v);
	sched_load_start(&other);
	share = observe(600);
	ok &= finish(v);
	sched_load_stop(&other);
	sched_trace_stop(trace);

	got = percent(other.tid, &share, SCHED_TRACE_ANY);
	ksft_print_msg("%lu interrupts; the ordinary one ran %u%% of the time\n",
		       v->st->entries, got);
	/* Half of what is left, less what the emulator takes. */
	ok &= got >= 25 && v->st->entries > 10;
	result(ok, "interrupts and done in a loop");
	script_vm_destroy(&s);
}

/*
 * The defaults leave 5 ms in each 100 to an ordinary task.  An idle thread, for
 * which the guest is let in, does not compete for them.
 */
static void test_default(void)
{
	struct kvm_pv_sched cfg = pv_sched_defaults(SCRIPT_P_MAX);
	struct script_vcpu *v;
	struct script_vm s;
	struct share share;
	unsigned int got;
	bool ok;

	sched_load_cap("95000");
	script_vm_create(&s, SCRIPT_IRQCHIP_KERNEL, 1, &cfg);
	v = &s.vcpus[0];
	v->policy = SCHED_IDLE;
	script_vm_start(&s, trace);
	SCRIPT(v->st->main, FIFO(99), OP(READY, 0), SPIN);

	sched_trace_start(trace);
	script_go(v);
	ok = got_ready(v);
	sched_load_start(&other);
	share = observe(1000);
	ok &= finish(v);
	sched_load_stop(&other);
	sched_trace_stop(trace);

	got = percent(other.tid, &share, SCHED_TRACE_ANY);
	ksft_print_msg("an ordinary task ran %u%% of the time\n", got);
	ok &= got >= 5 && percent(v->tid, &share, SCRIPT_OWN) >= 40;
	result(ok, "FIFO 99 for ever leaves 5 ms in 100 by default");
	script_vm_destroy(&s);
	sched_load_cap("100000");
}

static void signal_a(struct script_vm *s)
{
	struct kvm_msi msi = {
		.address_lo = APIC_DEFAULT_GPA,
		.data = SCRIPT_VECTOR_A,
	};

	TEST_ASSERT(__vm_ioctl(s->vm, KVM_SIGNAL_MSI, &msi) > 0,
		    "KVM_SIGNAL_MSI");
}

/* One interrupt, while the middle one has the CPU, until that has it again. */
static bool one_interrupt(struct script_vm *s, u64 busy_ns)
{
	struct script_vcpu *v = &s->vcpus[0];
	u64 count;
	bool ok;

	script_clear(v);
	SCRIPT(v->st->main, OP(READY, 0), OP(WAIT, 1));
	SCRIPT(v->st->a, EOI, OP(BUSY, busy_ns), DONE);

	sched_trace_start(trace);
	script_go(v);
	ok = got_ready(v);
	sched_load_start(&middle);
	signal_a(s);
	ok &= SCHED_LOAD_POLL(READ_ONCE(v->st->done), SCRIPT_TIMEOUT_MS);
	count = sched_load_count(&middle);
	ok &= SCHED_LOAD_POLL(sched_load_count(&middle) != count,
			      SCRIPT_TIMEOUT_MS);
	sched_load_stop(&middle);
	ok &= script_drive(v);
	sched_trace_stop(trace);
	return ok;
}

static void test_below(void)
{
	struct kvm_pv_sched cfg = bounds(20, 100, 90, 100);
	struct sched_trace_prios seen;
	struct script_vcpu *v;
	struct script_vm s;
	u64 from, to, us;
	int i, valid = 0;
	bool ok = true;

	begin(&s, &cfg, 1);
	v = &s.vcpus[0];
	for (i = 0; i < TRIES && ok; i++) {
		ok &= one_interrupt(&s, 2 * MS);
		from = v->st->entry;
		to = v->st->done;
		us = script_tsc_to_us(to - from);
		/* The machine stood still: that is no guest below its budget. */
		if (us > 8000) {
			sched_load_sleep(200 * MS);
			continue;
		}
		valid++;
		seen = sched_trace_prios(trace, v->tid, from, to);
		ok &= !sched_trace_ran(trace, middle.tid, from, to,
				       SCHED_TRACE_ANY) &&
		      (!seen.samples || seen.lowest == SCRIPT_BOOST);
	}
	ksft_print_msg("%d of %d interrupts were short enough\n", valid, i);
	ok &= valid > 0 && script_restored(v);
	result(ok, "below its budget a guest is not cut");
	script_vm_destroy(&s);
}

static void test_above(void)
{
	struct kvm_pv_sched cfg = bounds(10, 100, 90, 100);
	struct script_vcpu *v;
	struct script_vm s;
	u64 us;
	bool ok;

	begin(&s, &cfg, 1);
	v = &s.vcpus[0];
	ok = one_interrupt(&s, 150 * MS);
	us = script_tsc_to_us(sched_trace_ran(trace, middle.tid, v->st->entry,
					      v->st->done, SCHED_TRACE_ANY));
	ksft_print_msg("cut for %lu us of %lu\n", us,
		       script_tsc_to_us(v->st->done - v->st->entry));
	/* The end of a window of ten times the budget, at least. */
	ok &= us >= 50000 && script_restored(v);
	result(ok, "above its budget a guest is cut, and goes on later");
	script_vm_destroy(&s);
}

/* Only time on the CPU counts. */
static void test_waiting(void)
{
	struct kvm_pv_sched cfg = bounds(20, 1000, 90, 100);
	struct script_vcpu *v;
	struct script_vm s;
	bool ok = false;
	u64 us = 0;
	int i;

	for (i = 0; i < TRIES && !ok; i++) {
		begin(&s, &cfg, 1);
		v = &s.vcpus[0];
		SCRIPT(v->st->main, OP(READY, 0), OP(WAIT, 1));
		SCRIPT(v->st->a, EOI, BOOST, DONE);

		sched_trace_start(trace);
		script_go(v);
		ok = got_ready(v);
		signal_a(&s);
		ok &= SCHED_LOAD_POLL(READ_ONCE(v->st->point) == 1,
				      SCRIPT_TIMEOUT_MS);
		sched_load_start(&high);
		observe(60);
		sched_load_stop(&high);
		ok &= script_drive(v);
		sched_trace_stop(trace);

		us = script_tsc_to_us(sched_trace_ran(trace, v->tid,
						      v->st->entry,
						      v->st->done,
						      SCRIPT_OWN));
		ok &= script_check(v, trace, 1) && script_restored(v);
		script_vm_destroy(&s);
		/* It used up its budget on the CPU: tell nothing from that. */
		if (us < 15000)
			break;
	}
	ksft_print_msg("%lu us on the CPU, 60 ms behind another one\n", us);
	result(ok && us < 15000, "waiting for the CPU is not charged");
}

/* Each of two VMs may have 40 % of a host CPU, both together 50 %. */
static void test_cap(void)
{
	struct kvm_pv_sched cfg = bounds(5, 100, 40, 100);
	struct share share;
	struct script_vm s[2];
	unsigned int got[2];
	bool ok;
	int i;

	if (!sched_load_cap("50000")) {
		ksft_test_result_skip("no limit for a host CPU to set\n");
		return;
	}

	sched_trace_start(trace);
	for (ok = true, i = 0; i < 2; i++) {
		begin(&s[i], &cfg, 1);
		SCRIPT(s[i].vcpus[0].st->main, FIFO(99), OP(READY, 0), SPIN);
	}
	script_go(&s[0].vcpus[0]);
	script_go(&s[1].vcpus[0]);
	ok &= got_ready(&s[0].vcpus[0]) && got_ready(&s[1].vcpus[0]);
	sched_load_start(&middle);
	share = observe(1000);
	sched_load_stop(&middle);
	sched_trace_stop(trace);

	for (i = 0; i < 2; i++)
		got[i] = percent(s[i].vcpus[0].tid, &share, SCRIPT_OWN);
	ksft_print_msg("raised: %u%% and %u%% of the time, at most 50%% allowed\n",
		       got[0], got[1]);
	ok &= got[0] + got[1] <= 60 && got[0] + got[1] >= 20 && got[0] &&
	      got[1];

	for (i = 0; i < 2; i++) {
		ok &= finish(&s[i].vcpus[0]);
		script_vm_destroy(&s[i]);
	}
	sched_load_cap("100000");
	result(ok, "two VMs share what a host CPU gives");
}

/*
 * One vCPU changes another one's parameters all the time.  Ordinary tasks of
 * the host get their share, and the last change counts.
 */
static void test_flood(void)
{
	struct kvm_pv_sched cfg = bounds(10, 100, 20, 100);
	struct script_vcpu *v, *flooder;
	struct sched_attr attr;
	struct script_vm s;
	struct share share;
	unsigned int got;
	bool ok;

	begin(&s, &cfg, 2);
	v = &s.vcpus[0];
	flooder = &s.vcpus[1];
	SCRIPT(v->st->main, OP(READY, 0), SPIN);
	SCRIPT(flooder->st->main, OP(READY, 0), OP(FLOOD, 0));

	sched_trace_start(trace);
	script_go(v);
	ok = got_ready(v);
	script_go(flooder);
	ok &= got_ready(flooder);
	sched_load_start(&other);
	share = observe(1000);
	sched_load_stop(&other);
	sched_trace_stop(trace);
	while (READ_ONCE(flooder->st->floods) < floods && !script_idle(flooder))
		sched_load_sleep(4 * MS);
	script_release(flooder);
	ok &= SCHED_LOAD_POLL(script_idle(flooder), SCRIPT_TIMEOUT_MS);

	got = percent(other.tid, &share, SCHED_TRACE_ANY);
	ksft_print_msg("%lu changes; an ordinary task ran %u%% of the time\n",
		       flooder->st->floods, got);
	ok &= got >= 15 && flooder->st->floods >= floods && !flooder->st->error;
	result(ok, "a flood of parameters for another vCPU");

	/* An odd number of changes ended with 1, an even one with 99. */
	ok = SCHED_LOAD_POLL((attr = pv_sched_getattr(v->tid),
			      attr.sched_policy == SCHED_FIFO &&
			      attr.sched_priority ==
			      (flooder->st->floods & 1 ? 1 : SCRIPT_P_MAX)),
			     1000);
	ok &= finish(v);
	result(ok, "the last one of a flood is in force");
	script_vm_destroy(&s);
}

/* How often the booster of the first CPU went to sleep. */
static u64 booster_sleeps(void)
{
	static const char command[] =
		"cat $(grep -lx kvm-pvsched/0 /proc/[0-9]*/comm | sed 's/comm$/status/')";
	char line[128];
	u64 sleeps = 0;
	FILE *f;

	f = popen(command, "r");
	TEST_ASSERT(f, "popen: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		sscanf(line, "voluntary_ctxt_switches: %lu", &sleeps);
	pclose(f);
	TEST_ASSERT(sleeps, "There is no booster");
	return sleeps;
}

/* Whoever gave the feature up has nobody woken above p_max when it halts. */
static void test_disabled(void)
{
	struct kvm_pv_sched cfg = script_bounds();
	struct script_vcpu *v;
	struct script_vm s;
	u64 sleeps;
	bool ok;

	begin(&s, &cfg, 1);
	v = &s.vcpus[0];
	SCRIPT(v->st->main, OP(ARM, SCRIPT_PERIODIC), OP(HLT, HALTS),
	       OP(DISARM, 0));
	SCRIPT(v->st->a, EOI);
	v->st->delay_ns = 2 * MS;
	v->st->vector = SCRIPT_VECTOR_A;
	pv_sched_disable(s.vm);

	sleeps = booster_sleeps();
	script_go(v);
	ok = script_drive(v);
	sleeps = booster_sleeps() - sleeps;
	ksft_print_msg("%d times halted, %lu times the booster ran\n", HALTS,
		       sleeps);
	result(ok && sleeps < HALTS / 4, "disabled, nobody is woken by halting");
	script_vm_destroy(&s);
}

/* The argument is how many changes a flood has. */
int main(int argc, char *argv[])
{
	if (argc > 1)
		floods = strtoull(argv[1], NULL, 0);

	pv_sched_require();
	sched_load_watcher();
	sched_load_cap("100000");
	trace = sched_trace_open();
	sched_load_create(&middle, SCHED_FIFO, P_MIDDLE);
	sched_load_create(&high, SCHED_FIFO, P_HIGH);
	sched_load_create(&other, SCHED_OTHER, 0);
	sched_trace_watch(trace, middle.tid);
	sched_trace_watch(trace, high.tid);
	sched_trace_watch(trace, other.tid);

	ksft_print_header();
	ksft_set_plan(12);
	test_held("a boost without an end", bounds(10, 50, 90, 100), true,
		  false, 10, 50);
	test_held("FIFO 99 for ever", bounds(10, 50, 20, 100), false, true, 20,
		  100);
	test_held("FIFO 99 for ever, and a boost without an end",
		  bounds(10, 50, 30, 100), true, true, 30, 100);
	test_loop();
	test_default();
	test_below();
	test_above();
	test_waiting();
	test_cap();
	test_flood();
	test_disabled();

	sched_load_destroy(&other);
	sched_load_destroy(&high);
	sched_load_destroy(&middle);
	sched_trace_close(trace);
	ksft_finished();
}
