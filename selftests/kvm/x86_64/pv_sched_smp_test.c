// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: several vCPUs, threads and CPUs.
 */
#include "kselftest.h"
#include "pv_sched_script.h"
#include "test_util.h"

#define MS		1000000ULL
#define P_MIDDLE	20
#define STORM_NS	2000000
#define STRESS_MS	2000
#define STRESS_ENTRIES	4
#define STRESS_CAP_US	"80000"
#define NO_CAP_US	"100000"
#define HOTPLUG_ROUNDS	3
#define TIMEOUT_MS	SCRIPT_TIMEOUT_MS

#define EOI	OP(EOI, 0)
#define DONE	OP(DONE, KVM_PV_SCHED_IRQ)
#define READY	OP(READY, 0)
#define SELF_A	OP(ICR, SCRIPT_SELF(SCRIPT_VECTOR_A))
#define BOOST	OP(POINT, SCRIPT_BOOST)
#define OWN	OP(POINT, SCRIPT_OWN)

static struct sched_trace *trace;
static struct sched_load middle;

static void result(bool ok, const char *name)
{
	if (!ok)
		sched_trace_dump(trace, 40);
	ksft_test_result(ok, "%s\n", name);
}

static void begin(struct script_vm *s, unsigned int nr,
		  struct kvm_pv_sched *cfg)
{
	script_vm_create(s, SCRIPT_IRQCHIP_KERNEL, nr, cfg);
	script_vm_start(s, trace);
}

static bool got_ready(struct script_vcpu *v)
{
	return SCHED_LOAD_POLL(READ_ONCE(v->st->ready), TIMEOUT_MS);
}

static void signal_vcpu(struct script_vm *s, unsigned int i)
{
	struct kvm_msi msi = {
		.address_lo = APIC_DEFAULT_GPA | i << 12,
		.data = SCRIPT_VECTOR_A,
	};

	TEST_ASSERT(__vm_ioctl(s->vm, KVM_SIGNAL_MSI, &msi) >= 0,
		    "KVM_SIGNAL_MSI");
}

/* While one vCPU is boosted, its sibling on the same CPU does not run. */
static void test_alone(void)
{
	struct kvm_pv_sched cfg = script_bounds();
	struct script_vcpu *v, *sibling;
	struct script_vm s;
	u64 before, during, after;
	bool ok;
	int i;

	begin(&s, 2, &cfg);
	v = &s.vcpus[0];
	sibling = &s.vcpus[1];
	SCRIPT(v->st->main, READY, OP(WAIT, 1), OP(BUSY, 100 * MS));
	SCRIPT(v->st->a, EOI, BOOST, BOOST, DONE);
	SCRIPT(sibling->st->main, READY, OP(POINT, 0));

	sched_trace_start(trace);
	script_go(sibling);
	script_go(v);
	ok = got_ready(v) && got_ready(sibling);
	for (i = 0; i < 8; i++)
		sched_load_sleep(5 * MS);
	signal_vcpu(&s, 0);
	ok &= script_drive(v);
	sched_trace_stop(trace);

	before = sched_trace_ran(trace, sibling->tid, 0, v->st->entry,
				 SCHED_TRACE_ANY);
	during = sched_trace_ran(trace, sibling->tid, v->st->entry, v->st->done,
				 SCHED_TRACE_ANY);
	after = sched_trace_ran(trace, sibling->tid, v->st->done, ~0ULL,
				SCHED_TRACE_ANY);
	ksft_print_msg("the sibling ran %lu us before, %lu of %lu us boosted, %lu after\n",
		       script_tsc_to_us(before), script_tsc_to_us(during),
		       script_tsc_to_us(v->st->done - v->st->entry),
		       script_tsc_to_us(after));
	ok &= before && !during && after && script_check(v, trace, 2) &&
	      script_restored(v);

	script_release(sibling);
	ok &= script_drive(sibling);
	result(ok, "a boosted vCPU keeps the CPU from its sibling");
	script_vm_destroy(&s);
}

/*
 * A handler needs a spinlock that a preempted sibling holds.  If it says for
 * whom it spins, that one gets there; else the budget sees to it.
 */
static void test_lock(bool yield)
{
	struct kvm_pv_sched cfg = script_bounds();
	struct script_vcpu *v, *holder;
	struct script_vm s;
	u64 us;
	bool ok;

	if (!yield) {
		cfg.boost_budget_ns = 10 * MS;
		cfg.boost_period_ns = 100 * MS;
	}
	begin(&s, 2, &cfg);
	v = &s.vcpus[0];
	holder = &s.vcpus[1];
	SCRIPT(holder->st->main, OP(LOCK, 0), READY, OP(WAIT, 1),
	       OP(BUSY, 4 * MS), OP(UNLOCK, 0));
	SCRIPT(v->st->main, READY, OP(WAIT, 1));
	SCRIPT(v->st->a, EOI, OP(LOCK, yield), OP(UNLOCK, 0), DONE);

	sched_trace_start(trace);
	script_go(holder);
	ok = got_ready(holder);
	script_go(v);
	ok &= got_ready(v);
	signal_vcpu(&s, 0);
	ok &= SCHED_LOAD_POLL(READ_ONCE(v->st->entries), TIMEOUT_MS);
	/* It has the lock, and waits for this. */
	signal_vcpu(&s, 1);
	ok &= SCHED_LOAD_POLL(script_idle(v) && script_idle(holder),
			      TIMEOUT_MS);
	sched_trace_stop(trace);

	us = script_tsc_to_us(v->st->done - v->st->entry);
	ksft_print_msg("got the lock after %lu us\n", us);
	/* Without help the whole budget of 950 ms is spun away. */
	ok &= us < 600000 && script_restored(v) && script_restored(holder);
	result(ok, yield ? "spinlock of a preempted vCPU, KVM_HC_SCHED_YIELD" :
			   "spinlock of a preempted vCPU, bounded by the budget");
	TEST_ASSERT(script_idle(v) && script_idle(holder), "The guest hangs");
	script_vm_destroy(&s);
}

static bool try_interrupt(struct script_vm *s, struct script_vcpu *v)
{
	bool ok, ended;

	/* Take what is still pending first. */
	script_clear(v);
	SCRIPT(v->st->main, OP(STI, 0), OP(BUSY, MS), OP(CLI, 0), DONE,
	       OP(DONE, KVM_PV_SCHED_NMI),
	       OP(SET, SCRIPT_PARAMS(SCHED_OTHER, 0, 0)));
	SCRIPT(v->st->a, EOI);
	script_go(v);
	TEST_ASSERT(script_drive(v), "The guest hangs");

	script_clear(v);
	SCRIPT(v->st->main, READY, OP(WAIT, 1), OWN);
	SCRIPT(v->st->a, EOI, BOOST, DONE);

	sched_trace_start(trace);
	script_go(v);
	ok = got_ready(v);
	sched_load_start(&middle);
	signal_vcpu(s, v - s->vcpus);
	ok &= SCHED_LOAD_POLL((script_step(v), READ_ONCE(v->st->passed)),
			      TIMEOUT_MS);
	sched_load_stop(&middle);
	ended = script_drive(v);
	sched_trace_stop(trace);
	TEST_ASSERT(ended, "The guest hangs");
	return ok && script_check(v, trace, 2) && script_restored(v);
}

/* A vCPU that was stressed is as good as new, once its budgets came back. */
static bool responds(struct script_vm *s, struct script_vcpu *v)
{
	bool ok;
	int i;

	for (i = 0; i < SCRIPT_TRIES; i++) {
		sched_load_sleep(200 * MS);
		ok = try_interrupt(s, v);
		if (ok || !script_stalled(v))
			break;
	}
	return ok;
}

/* What is set, not what waiters for a lock lend on top of it. */
static bool above_p_max(struct script_vcpu *v)
{
	struct sched_attr attr = pv_sched_getattr(v->tid);

	if (attr.sched_priority <= SCRIPT_P_MAX)
		return false;
	ksft_print_msg("a thread at priority %u\n", attr.sched_priority);
	return true;
}

/* Each vCPU sets the parameters of the others, and sends them interrupts. */
static void stress_script(struct script_vcpu *v, unsigned int i)
{
	unsigned int next = (i + 1) % 4, across = (i + 2) % 4, prev = (i + 3) % 4;

	SCRIPT(v->st->main, READY,
	       OP(SET, SCRIPT_PARAMS_OF(next, SCHED_FIFO, 99)),
	       OP(ICR, SCRIPT_IPI(across, SCRIPT_VECTOR_A)),
	       OP(SET, SCRIPT_PARAMS_OF(prev, SCHED_OTHER, 5)),
	       OP(STI, 0), OP(CLI, 0),
	       OP(SET, SCRIPT_PARAMS_OF(across, SCHED_RR, 30)),
	       OP(ICR, SCRIPT_IPI(next, APIC_DM_NMI)),
	       OP(SET, SCRIPT_PARAMS_OF(next, SCHED_BATCH, 0)),
	       OP(STI, 0), OP(CLI, 0), OP(REPEAT, 0));
	SCRIPT(v->st->a, EOI, DONE);
	SCRIPT(v->st->nmi, OP(DONE, KVM_PV_SCHED_NMI));
}

/* On a slow machine, go on until each of them has had a few. */
static bool stress_over(struct script_vm *s, u64 end)
{
	u64 now = sched_load_now_ms();
	bool few = false;
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		few |= READ_ONCE(s->vcpus[i].st->entries) <= STRESS_ENTRIES;
	return now >= end + 5 * TIMEOUT_MS || (now >= end && !few);
}

static void test_stress(void)
{
	struct kvm_pv_sched cfg = pv_sched_defaults(SCRIPT_P_MAX);
	struct sched_trace_prios seen;
	struct script_vcpu *v;
	struct script_vm s;
	bool ok = true;
	u64 end;
	int i, n;

	/* Room for the samples of responds(). */
	cfg.boost_budget_ns = 80 * MS;
	cfg.boost_period_ns = 100 * MS;
	/* But the four together leave some time to others. */
	sched_load_cap(STRESS_CAP_US);
	begin(&s, 4, &cfg);
	for (i = 0; i < 4; i++)
		stress_script(&s.vcpus[i], i);

	sched_trace_start(trace);
	for (i = 0; i < 4; i++)
		script_go(&s.vcpus[i]);
	for (i = 0; i < 4; i++)
		ok &= got_ready(&s.vcpus[i]);

	end = sched_load_now_ms() + STRESS_MS;
	for (n = 0; !stress_over(&s, end); n++) {
		if (n % 32 == 0)
			sched_load_start(&middle);
		if (n % 32 == 16)
			sched_load_stop(&middle);
		signal_vcpu(&s, n % 4);
		sched_load_yield();
		ok &= !above_p_max(&s.vcpus[n / 4 % 4]);
	}
	sched_load_stop(&middle);
	sched_load_cap(NO_CAP_US);
	for (i = 0; i < 4; i++)
		script_release(&s.vcpus[i]);
	for (i = 0; i < 4; i++)
		ok &= script_drive(&s.vcpus[i]);
	sched_trace_stop(trace);

	for (i = 0; i < 4; i++) {
		v = &s.vcpus[i];
		seen = sched_trace_prios(trace, v->tid, 0, ~0ULL);
		ksft_print_msg("vCPU %d: %lu interrupts and NMIs, prio %d to %d\n",
			       i, v->st->entries, seen.highest, seen.lowest);
		if (v->st->error)
			ksft_print_msg("a hypercall returned %ld\n",
				       v->st->error);
		ok &= v->st->entries > STRESS_ENTRIES && seen.highest <= SCRIPT_BOOST &&
		      !v->st->error && script_restored(v);
	}
	result(ok, "4 vCPUs set each other's parameters");

	for (ok = true, i = 0; i < 4; i++)
		ok &= responds(&s, &s.vcpus[i]);
	result(ok, "and are boosted as before");
	script_vm_destroy(&s);
}

static bool in_user(struct script_vcpu *v)
{
	return __atomic_load_n(&v->in_user, __ATOMIC_ACQUIRE);
}

static bool points_at(struct script_state *st, pid_t tid, unsigned int i)
{
	struct script_point *p = &st->points[i];
	struct sched_trace_prios seen;

	seen = sched_trace_prios(trace, tid, p->begin, p->end);
	if (seen.samples && seen.highest == p->prio && seen.lowest == p->prio)
		return true;
	ksft_print_msg("point %u: prio %d to %d instead of %lu\n", i + 1,
		       seen.highest, seen.lowest, p->prio);
	return false;
}

static void swap_vcpus(struct script_vcpu *a, struct script_vcpu *b)
{
	struct kvm_vcpu *vcpu = a->vcpu;
	struct script_state *st = a->st;

	a->vcpu = b->vcpu;
	a->st = b->st;
	b->vcpu = vcpu;
	b->st = st;
}

/*
 * Two threads swap their vCPUs in the middle of a boost: it goes with the vCPU,
 * and the first thread owns what it owned.
 */
static void test_swap(void)
{
	struct kvm_pv_sched cfg = script_bounds();
	struct script_vcpu *a, *b;
	struct sched_trace_prios seen;
	struct script_state *boosted, *plain;
	struct script_vm s;
	u64 swapped;
	bool ok;

	begin(&s, 2, &cfg);
	a = &s.vcpus[0];
	b = &s.vcpus[1];
	boosted = a->st;
	plain = b->st;
	SCRIPT(boosted->main, SELF_A, OP(WAIT, 1), OWN);
	SCRIPT(boosted->a, EOI, BOOST, OP(EXIT, 0), BOOST, DONE);
	SCRIPT(plain->main, OWN);

	sched_trace_start(trace);
	script_go(a);
	ok = SCHED_LOAD_POLL((script_step(a), in_user(a)), TIMEOUT_MS);
	swapped = rdtsc();
	swap_vcpus(a, b);
	__atomic_store_n(&a->let_in, true, __ATOMIC_RELEASE);
	script_go(b);
	ok &= script_drive(b) && script_drive(a);
	sched_trace_stop(trace);

	ok &= boosted->point == 3 && plain->point == 1;
	ok = ok && points_at(boosted, a->tid, 0) &&
	     points_at(boosted, b->tid, 1) && points_at(boosted, b->tid, 2) &&
	     points_at(plain, a->tid, 0);
	/* In user space for a moment, but never while it runs the other one. */
	seen = sched_trace_prios(trace, a->tid, plain->points[0].begin, ~0ULL);
	ok = ok && seen.lowest == SCRIPT_OWN && seen.highest == SCRIPT_OWN &&
	     swapped && script_restored(a) && script_restored(b);
	result(ok, "two threads swap vCPUs during a boost");
	script_vm_destroy(&s);
}

/* One thread runs two vCPUs in turn, of which one is boosted. */
static void test_turns(void)
{
	struct kvm_pv_sched cfg = script_bounds();
	struct script_state *boosted, *plain;
	struct script_vcpu *a, *b;
	struct script_vm s;
	bool ok;

	begin(&s, 2, &cfg);
	a = &s.vcpus[0];
	b = &s.vcpus[1];
	boosted = a->st;
	plain = b->st;
	SCRIPT(boosted->main, SELF_A, OP(WAIT, 1), OWN);
	SCRIPT(boosted->a, EOI, BOOST, OP(EXIT, 0), BOOST, DONE);
	SCRIPT(plain->main, OWN);

	sched_trace_start(trace);
	script_go(a);
	ok = SCHED_LOAD_POLL((script_step(a), in_user(a)), TIMEOUT_MS);
	swap_vcpus(a, b);
	/* The other one is at the end of a script: twice until it ends. */
	__atomic_store_n(&a->let_in, true, __ATOMIC_RELEASE);
	ok &= script_drive(a);
	swap_vcpus(a, b);
	script_go(a);
	ok &= script_drive(a);
	sched_trace_stop(trace);

	ok &= boosted->point == 3 && plain->point == 1;
	ok = ok && points_at(boosted, a->tid, 0) &&
	     points_at(plain, a->tid, 0) && points_at(boosted, a->tid, 1) &&
	     points_at(boosted, a->tid, 2) && script_restored(a);
	result(ok, "one thread runs two vCPUs in turn");
	script_vm_destroy(&s);
}

static bool set_online(const char *value)
{
	int fd = open("/sys/devices/system/cpu/cpu1/online", O_WRONLY);
	bool ok = fd >= 0 && write(fd, value, 1) == 1;

	if (fd >= 0)
		close(fd);
	return ok;
}

static void pin(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	TEST_ASSERT(!sched_setaffinity(tid, sizeof(set), &set),
		    "sched_setaffinity: %s", strerror(errno));
}

static bool storm_goes_on(struct script_vcpu *v)
{
	u64 n = READ_ONCE(v->st->entries) + 10;

	return SCHED_LOAD_POLL(READ_ONCE(v->st->entries) >= n, TIMEOUT_MS);
}

/* The CPU of a vCPU that gets timer interrupts goes down and comes back. */
static void test_hotplug(void)
{
	struct kvm_pv_sched cfg = script_bounds();
	struct script_vcpu *v;
	struct script_vm s;
	bool ok = true;
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2 || !set_online("1")) {
		ksft_test_result_skip("hotplug: needs a second CPU that can go\n");
		return;
	}

	begin(&s, 1, &cfg);
	v = &s.vcpus[0];
	SCRIPT(v->st->main, OP(ARM, SCRIPT_PERIODIC), READY, OP(STI, 0),
	       OP(CLI, 0), OP(REPEAT, 2), OP(DISARM, 0));
	SCRIPT(v->st->a, EOI, DONE);
	v->st->delay_ns = STORM_NS;
	v->st->vector = SCRIPT_VECTOR_A;
	script_go(v);
	ok = got_ready(v);

	for (i = 0; i < HOTPLUG_ROUNDS && ok; i++) {
		pin(v->tid, 1);
		ok &= storm_goes_on(v) && set_online("0") && storm_goes_on(v) &&
		      set_online("1") && storm_goes_on(v);
	}
	script_release(v);
	ok &= script_drive(v) && script_restored(v);

	/* The boosters of both CPUs still work. */
	for (i = 0; i < 2 && ok; i++) {
		pin(v->tid, i);
		pin(middle.tid, i);
		pin(0, i);
		ok &= responds(&s, v);
	}
	pin(middle.tid, 0);
	pin(0, 0);
	result(ok, "a CPU goes and comes back in a storm of interrupts");
	script_vm_destroy(&s);
}

int main(int argc, char *argv[])
{
	pv_sched_require();
	sched_load_watcher();
	sched_load_cap(NO_CAP_US);
	trace = sched_trace_open();
	sched_load_create(&middle, SCHED_FIFO, P_MIDDLE);
	sched_trace_watch(trace, middle.tid);

	ksft_print_header();
	ksft_set_plan(8);
	test_alone();
	test_lock(true);
	test_lock(false);
	test_stress();
	test_swap();
	test_turns();
	test_hotplug();

	sched_load_destroy(&middle);
	sched_trace_close(trace);
	ksft_finished();
}
